"""Find and stop the lab's processes by their command lines, so that no pid file can be stale."""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

STOP_TIMEOUT_S = 10


def with_argument(argument: str) -> list[int]:
    """Return the pids of all processes with exactly this word on their command line."""
    return [pid for pid, words in command_lines() if argument in words]


def in_namespace(leader: int) -> list[int]:
    """Return the pids of all processes in the pid namespace of ``leader``."""
    wanted = _pid_namespace(leader)
    return [pid for pid in _pids() if _pid_namespace(pid) == wanted]


def parent(pid: int) -> int:
    """Return the pid of a process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children(pid: int) -> list[int]:
    """Return the direct children of a process."""
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def send(pids: list[int], sign: signal.Signals) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, sign)


def resume(leader: int) -> None:
    """Resume every process in the pid namespace of ``leader``."""
    send(in_namespace(leader), signal.SIGCONT)


def kill(pids: list[int]) -> None:
    """Kill processes and wait until they are gone."""
    send(pids, signal.SIGKILL)
    gone(pids, STOP_TIMEOUT_S)


def gone(pids: list[int], timeout_s: float) -> bool:
    """Wait until all these processes have ended; return False if one still runs after ``timeout_s``."""
    until = time.monotonic() + timeout_s
    return all(_ended(pid, until - time.monotonic()) for pid in pids)


def _ended(pid: int, timeout_s: float) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ended = bool(select.select([watch], [], [], max(timeout_s, 0))[0])
    finally:
        os.close(watch)
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return ended


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def command_lines() -> Iterator[tuple[int, list[str]]]:
    """Yield pid and words of every process of this machine."""
    for pid in _pids():
        with suppress(OSError):
            yield pid, Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")


def _pid_namespace(pid: int) -> str:
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/pid")
    return ""
