"""Run a command as root on a host over its open master, with limits on time and output."""

import fcntl
import json
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from provision.errors import CommandTimedOut, ConnectionLost
from provision.model import Host, Secret, Session
from provision.ssh import broker
from provision.ssh.elevate import wrap

OUTPUT_CAP_BYTES = 4 << 20
COMMAND_TIMEOUT_S = 30.0
CHECK_TIMEOUT_S = 5.0

# ssh's own exit code; every other is the remote command's.
SSH_FAILED = 255

_RUN_SHELL = """\
import subprocess, sys
child = subprocess.Popen(['/bin/sh', '-c', {command!r}], stdin=subprocess.PIPE)
child.communicate(stdin.read())
sys.exit(child.returncode if child.returncode >= 0 else 128 - child.returncode)
"""


@dataclass(frozen=True, slots=True)
class Completed:
    """The result of a remote command; output beyond the cap is cut off."""

    rc: int
    out: bytes
    err: bytes


def run(
    session: Session,
    command: str,
    *,
    stdin: bytes = b"",
    timeout_s: float = COMMAND_TIMEOUT_S,
    cap_bytes: int = OUTPUT_CAP_BYTES,
) -> Completed:
    """Run ``command`` (sh) as root on the session's host, and return the result.

    Raises ConnectionLost when the master is gone, CommandTimedOut after ``timeout_s``.
    """
    if session.host.user != "root":
        elevated = wrap(
            _RUN_SHELL.format(command=command.encode()), stdin, sudo=True, password=sudo_password(session)
        )
        command, stdin = elevated.command, elevated.stdin
    else:
        command = "exec sh -c " + shlex.quote(command)
    return over_master(session, command, stdin=stdin, timeout_s=timeout_s, cap_bytes=cap_bytes)


def over_master(
    session: Session,
    command: str,
    *,
    stdin: bytes,
    timeout_s: float,
    cap_bytes: int = OUTPUT_CAP_BYTES,
    with_run: bool = False,
) -> Completed:
    """Run ``command`` as the login user; raises as ``run``.

    With ``with_run`` the command ends with the run's controller, for a process that may outlive it.
    """
    argv = [*_ssh(session), session.host.name, command]
    completed, late = _bounded(argv, stdin, timeout_s, cap_bytes, session if with_run else None)
    if late:
        raise CommandTimedOut(
            f"a command on {session.host.name} did not end in {timeout_s:.0f} s",
            f"look at the host: `fab hosts.shell {session.host.name}`",
            evidence=command.splitlines()[0][:120],
        )
    if completed.rc == SSH_FAILED and not is_live(session):
        raise ConnectionLost(
            f"the connection to {session.host.name} was lost",
            f"`fab hosts.ping {session.host.name}`",
            meaning="the network or the host went away; this is not a login problem",
        )
    return completed


def is_live(session: Session) -> bool:
    """Return whether the session's master answers."""
    argv = [*_ssh(session), "-O", "check", session.host.name]
    try:
        return subprocess.run(argv, capture_output=True, check=False, timeout=CHECK_TIMEOUT_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def sudo_password(session: Session) -> Secret | None:
    """Return the sudo password from the run's broker; None when the host needs none."""
    if session.sudo_token is None:
        return None
    return broker.ask(session.run_dir / "broker", session.sudo_token)


def named_secret(session: Session, name: str) -> Secret | None:
    """Return a secret of the host's desired state from the run's broker, or None."""
    token = session.secret_tokens.get(name)
    return broker.ask(session.run_dir / "broker", token) if token else None


@contextmanager
def way_through(session: Session, host: Host) -> Iterator[socket.socket]:
    """Yield a socket to ``host`` through the jump host of ``session``, by ``ssh -W``."""
    ours, theirs = socket.socketpair()
    argv = [*_ssh(session), "-W", f"[{host.address}]:{host.port}", session.host.name]
    end = theirs.fileno()
    with subprocess.Popen(argv, stdin=end, stdout=end, stderr=subprocess.DEVNULL) as way:
        theirs.close()
        try:
            yield ours
        finally:
            ours.close()
            way.terminate()


def save_sessions(sessions: tuple[Session, ...], run_dir: Path) -> None:
    """Write what child processes of this run need to use its sessions, without secrets."""
    rows = [
        {"name": s.host.name, "address": s.host.address, "port": s.host.port, "user": s.host.user,
         "jump": s.host.jump, "sudo_token": s.sudo_token, "secret_tokens": dict(s.secret_tokens),
         "decided": dict(s.host.decided)}
        for s in sessions
    ]  # fmt: skip
    path = run_dir / "sessions.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(rows))


def load_sessions(run_dir: Path) -> dict[str, Session]:
    """Return what ``save_sessions`` wrote, by host name."""
    sessions = {}
    for row in json.loads((run_dir / "sessions.json").read_text()):
        tokens = row.pop("sudo_token"), row.pop("secret_tokens")
        sessions[row["name"]] = Session(Host(**row), run_dir, *tokens)
    return sessions


def _ssh(session: Session) -> list[str]:
    return ["ssh", "-F", str(session.ssh_config)]


def _bounded(
    argv: list[str], stdin: bytes, timeout_s: float, cap_bytes: int, of_run: Session | None
) -> tuple[Completed, bool]:
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) as process,
        ThreadPoolExecutor(3) as pool,
    ):
        bound = Bound(process, timeout_s)
        if of_run:
            threading.Thread(target=_end_with, args=(of_run, process), daemon=True).start()
        pool.submit(_feed, process.stdin, stdin)
        out = pool.submit(_read, process, process.stdout, cap_bytes)
        err = pool.submit(_read, process, process.stderr, cap_bytes)
        completed = Completed(process.wait(), out.result(), err.result())
        return completed, bound.over()


class Bound:
    """Kill ``process`` after ``seconds``."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self._process = process
        self._rang = threading.Event()
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True
        self._timer.start()

    def _ring(self) -> None:
        self._rang.set()
        self._process.kill()

    def over(self) -> bool:
        """Stop the timer, and return whether it has fired."""
        self._timer.cancel()
        return self._rang.is_set()


def _end_with(session: Session, process: subprocess.Popen[bytes]) -> None:
    """Kill ``process`` and the master once the controller, which holds the run's lock, is gone.

    The master alone would wait for the command on the host, and receive its answer.
    """
    with suppress(FileNotFoundError), (session.run_dir / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
    argv = [*_ssh(session), "-O", "exit", session.host.name]
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(argv, capture_output=True, check=False, timeout=CHECK_TIMEOUT_S)
    process.kill()


def _feed(pipe: IO[bytes] | None, data: bytes) -> None:
    assert pipe
    for step in (lambda: pipe.write(data), pipe.close):
        with suppress(BrokenPipeError):
            step()


def _read(process: subprocess.Popen[bytes], pipe: IO[bytes] | None, cap_bytes: int) -> bytes:
    assert pipe
    data = pipe.read(cap_bytes)
    if pipe.read(1):
        process.kill()
    return data
