"""Run a command as root on a host over its open master, with limits on time and output."""

import itertools
import os
import selectors
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provision.errors import CommandTimedOut, ConnectionLost
from provision.model import Host, Secret, Session
from provision.ssh import broker
from provision.ssh.elevate import wrap

OUTPUT_CAP_BYTES = 4 << 20
COMMAND_TIMEOUT_S = 30.0
CHECK_TIMEOUT_S = 5.0
_CHUNK_BYTES = 1 << 16

# ssh's own exit code; every other is the remote command's.
SSH_FAILED = 255

_RUN_SHELL = """\
import subprocess, sys
child = subprocess.Popen(['/bin/sh', '-c', {command!r}], stdin=subprocess.PIPE)
child.communicate(stdin.read())
sys.exit(child.returncode if child.returncode >= 0 else 128 - child.returncode)
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """What follows a line of a command: ``feed`` for its stdin, then ``due`` bytes of stdout for ``sink``."""

    feed: Iterable[bytes]
    due: int = 0
    sink: Callable[[bytes], object] = bytes


OnLine = Callable[[bytes], Reply | None]


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
    on_line: OnLine | None = None,
    stays_open: bool = False,
) -> Completed:
    """Run ``command`` as the login user; raises the same errors as ``run``.

    ``on_line`` is called with each line of stdout as soon as it is read. Its Reply needs a stdin that
    ``stays_open``.
    """
    argv, pipe = [*_ssh(session), session.host.name, command], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        exchange = Exchange(process, stdin, cap_bytes, on_line, stays_open=stays_open)
        try:
            completed = exchange.run(timeout_s)
        except BaseException:
            process.kill()
            raise
    if exchange.is_late:
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


def end_master(session: Session) -> None:
    """End the session's master, and with it whatever uses it."""
    argv = [*_ssh(session), "-O", "exit", session.host.name]
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(argv, capture_output=True, check=False, timeout=CHECK_TIMEOUT_S)


def to_row(session: Session) -> dict[str, Any]:
    """Return what a child process of this run needs to use ``session``, without secrets."""
    host = session.host
    return {
        "name": host.name, "address": host.address, "port": host.port, "user": host.user, "jump": host.jump,
        "sudo_token": session.sudo_token, "secret_tokens": dict(session.secret_tokens),
        "decided": dict(host.decided),
    }  # fmt: skip


def from_row(row: Mapping[str, Any], run_dir: Path) -> Session:
    """Return the Session of a row of ``to_row``."""
    values = dict(row)
    tokens = values.pop("sudo_token"), values.pop("secret_tokens")
    return Session(Host(**values), run_dir, *tokens)


def _ssh(session: Session) -> list[str]:
    return ["ssh", "-F", str(session.ssh_config)]


class Exchange:
    """Feed a process and read what it prints, in one thread, within limits on time and output.

    ``is_late`` is True if the time ran out.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stdin: bytes,
        cap_bytes: int,
        on_line: OnLine | None = None,
        *,
        stays_open: bool = False,
    ) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self.is_late = False
        self._process = process
        self._left = memoryview(stdin)
        self._more: Iterator[bytes] = iter(())
        self._stays_open = stays_open
        self._due = 0
        self._sink: Callable[[bytes], object] = bytes
        self._cap = cap_bytes
        self._feed, self._out = process.stdin, process.stdout
        self._on_line = on_line
        self._lines_end = 0  # of those that were passed on
        self._read = {process.stdout: bytearray(), process.stderr: bytearray()}
        self._open = selectors.PollSelector()  # without a descriptor of its own

    def run(self, timeout_s: float) -> Completed:
        """Return the result once the process has ended; it is killed at a limit."""
        end = time.monotonic() + timeout_s
        os.set_blocking(self._feed.fileno(), False)
        self._open.register(self._feed, selectors.EVENT_WRITE)
        for pipe in self._read:
            self._open.register(pipe, selectors.EVENT_READ)
        while self._open.get_map() and not self._is_full() and time.monotonic() < end:
            for key, _ in self._open.select(end - time.monotonic()):
                self._write() if key.fileobj is self._feed else self._receive(key.fileobj)
        try:
            self._process.wait(0 if self._is_full() else max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.is_late = not self._is_full()
            self._process.kill()
        out, err = (bytes(data[: self._cap]) for data in self._read.values())
        return Completed(self._process.wait(), out, err)

    def _is_full(self) -> bool:
        return any(len(data) > self._cap for data in self._read.values())

    def _write(self) -> None:
        try:
            self._left = self._left[os.write(self._feed.fileno(), self._left[:_CHUNK_BYTES]) :]
            self._left = self._left or memoryview(next(self._more, b""))
        except BrokenPipeError:
            self._left, self._more = memoryview(b""), iter(())
        if not self._left:
            self._open.unregister(self._feed)
            if not self._stays_open:
                self._feed.close()

    def _receive(self, pipe: Any) -> None:
        data = os.read(pipe.fileno(), _CHUNK_BYTES)
        if not data:
            self._open.unregister(pipe)
        if pipe is self._out and self._due:
            self._sink(data[: self._due])
            self._due, data = max(0, self._due - len(data)), data[self._due :]
        self._read[pipe] += data
        if self._on_line and pipe is self._out:
            out = self._read[self._out]
            end = out.rfind(b"\n") + 1
            for line in bytes(out[self._lines_end : end]).splitlines():
                if reply := self._on_line(line):
                    self._answer(reply)
            self._lines_end = max(self._lines_end, end)

    def _answer(self, reply: Reply) -> None:
        self._more = itertools.chain(self._more, reply.feed)
        self._due, self._sink = reply.due, reply.sink
        if self._feed not in (key.fileobj for key in self._open.get_map().values()):
            self._open.register(self._feed, selectors.EVENT_WRITE)
