"""Run one command and tell what it cost: wall seconds, CPU seconds of every process, peak memory.

Started as a process of its own, so that nothing else that the bench starts is counted. Processes that
leave their parent (Ansible's ssh masters) come to this one, are ended and counted too.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
SAMPLE_S = 0.1
END_S = 2.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one command cost; ``pss_mb`` is 0 unless it was sampled, since sampling takes time itself.

    ``masters_mb`` is the part of the peak that the ssh masters had, the processes with -M.
    """

    rc: int
    wall_s: float
    cpu_s: float
    pss_mb: float
    masters_mb: float


def read(
    argv: list[str], *, cwd: Path, env: dict[str, str], log: Path, sample: bool, limit_s: float
) -> Reading:
    """Run ``argv`` to its end, at most ``limit_s`` seconds; its output goes to ``log``."""
    gauge = [sys.executable, str(Path(__file__)), "sample" if sample else "time", *argv]
    reader, writer = os.pipe()
    with log.open("wb") as out, os.fdopen(reader) as answer:
        process = subprocess.Popen(
            gauge, cwd=cwd, env=env | {"BENCH_FD": str(writer)}, pass_fds=(writer,), stdin=subprocess.DEVNULL,
            stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
        os.close(writer)
        timer = threading.Timer(limit_s, os.killpg, (process.pid, signal.SIGTERM))
        timer.start()
        try:
            text = answer.read()
        finally:
            timer.cancel()
            process.wait()
    if not text:
        raise TimeoutError(f"{argv[0]} had no end in {limit_s:.0f} s; see {log}")
    return Reading(**json.loads(text))


def _main(manner: str, argv: list[str]) -> dict[str, float]:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.environ.pop("BENCH_FD")
    started = time.monotonic()
    process = subprocess.Popen(argv, close_fds=True)
    peak = _Peak() if manner == "sample" else None
    rc = process.wait()
    wall = time.monotonic() - started
    if peak:
        peak.stop()
    _reap()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "rc": rc, "wall_s": wall, "cpu_s": used.ru_utime + used.ru_stime, "pss_mb": peak.mb if peak else 0.0,
        "masters_mb": peak.masters_mb if peak else 0.0,
    }  # fmt: skip


def _reap() -> None:
    deadline = time.monotonic() + END_S
    while children := _children().get(os.getpid()):
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.02)


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(place.read_text().rpartition(")")[2].split()[1])
            found.setdefault(parent, []).append(int(place.parent.name))
    return found


class _Peak:
    """The highest sum of PSS over this process's descendants."""

    def __init__(self) -> None:
        self.mb = self.masters_mb = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_S):
            sizes = {pid: _pss_kb(pid) / 1024 for pid in self._tree()}
            if (total := sum(sizes.values())) > self.mb:
                self.mb, self.masters_mb = total, sum(mb for pid, mb in sizes.items() if _is_master(pid))

    def _tree(self) -> list[int]:
        children, queue, tree = _children(), [os.getpid()], []
        while queue:
            below = children.get(queue.pop(), [])
            tree += below
            queue += below
        return tree


def _is_master(pid: int) -> bool:
    with suppress(OSError):
        return b"-M" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return False


def _pss_kb(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


if __name__ == "__main__":
    with os.fdopen(int(os.environ["BENCH_FD"]), "w") as answer:
        json.dump(_main(sys.argv[1], sys.argv[2:]), answer)
