"""connect: open one OpenSSH master connection per host, which all later commands share."""

import functools
import os
import random
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from provision import errors, keypair
from provision.errors import ProvisionError, UsageError
from provision.model import Credential, Host, Secret, Session
from provision.ssh import askhelper, config, master, sudo
from provision.ssh.agent import Agent
from provision.ssh.broker import Broker
from provision.ssh.errors import may_pass, refuse_old_ssh, tried
from provision.ssh.master import Entrant

# An unreachable host is tried again until this long after the first attempt.
CONNECT_BUDGET_S = 30.0
LEAST_TRY_S = 3.0
MOST_TRIES = 3
# A handshake takes about 0.1 s of a core. With more at once, hosts that only wait for us would seem slow.
HANDSHAKES_PER_CORE = 16
# A master keeps two pipes open; a command beside it takes three, and six while it starts.
_FILES_PER_HOST = 8
_FILES_OF_OURS = 256
PAUSE_S = 1.0

Answer = Session | ProvisionError
# Takes a host's name and a line about the attempt that failed.
OnRetry = Callable[[str, str], None]


def discard(name: str, text: str) -> None:
    """Discard a message."""


class Connections:
    """Open master connections; they end with the context, and never outlive this process.

    ``run_dir`` is private to this run, ``broker`` serves the secrets, ``on_retry`` is called at each retry.
    """

    def __init__(self, run_dir: Path, broker: Broker, on_retry: OnRetry = discard) -> None:
        self._run_dir = run_dir
        self._broker = broker
        self._on_retry = on_retry
        self._masters: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._opened: set[str] = set()
        self._pool: ThreadPoolExecutor | None = None
        self._handshakes = threading.BoundedSemaphore(HANDSHAKES_PER_CORE * (os.cpu_count() or 1))
        self._closing = threading.Event()
        self._agent = Agent(config.agent_socket(run_dir))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._agent.close()
        for _, each in self._masters:
            each.terminate()
        for _, each in self._masters:
            each.wait()
            if each.stdin:
                with suppress(BrokenPipeError):
                    each.stdin.close()
        if self._pool:
            self._pool.shutdown()

    def grant(self, secret: Secret) -> str:
        """Return a token that the broker accepts for ``secret`` for the whole run."""
        return self._broker.grant(secret, once=False)

    def abort(self) -> None:
        """Stop logins that are not finished; each of these hosts gets the error Interrupted."""
        self._closing.set()
        for name, each in self._masters.copy():
            if name not in self._opened:
                each.terminate()

    def arrivals(self, entrants: tuple[Entrant, ...]) -> Iterator[tuple[str, Answer]]:
        """Yield each host's name and its Session or its error, as soon as it is known."""
        if not entrants:
            return
        self._pool = ThreadPoolExecutor(len(entrants), thread_name_prefix="connect")
        answers: dict[str, Future[Answer]] = {}
        for entrant in _jumps_first(entrants):
            via = answers.get(entrant.host.jump or "")
            answers[entrant.host.name] = self._pool.submit(self._open, entrant, via)
        names = {future: name for name, future in answers.items()}
        for future in as_completed(names):
            yield names[future], future.result()

    def again(self, entrant: Entrant) -> Session:
        """Log in by one attempt to a host whose connection has ended; raises ProvisionError."""
        self._opened.discard(entrant.host.name)
        session = self._granted(self._log_in(entrant, tries=1), entrant.credential)
        self._opened.add(entrant.host.name)
        return session

    def prepare(self, entrants: tuple[Entrant, ...]) -> None:
        """Write what the logins of ``entrants`` need; raises UsageError when that cannot work here.

        Call it before any thread starts a process. A process that is just starting holds every file that is
        open for writing, and a program that is open for writing cannot be run (ETXTBSY).
        """
        refuse_old_ssh(subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr)
        rows = [(number, e.host, e.credential) for number, e in enumerate(entrants)]
        _write(self._run_dir / "masters", config.masters(self._run_dir, rows))
        _write(self._run_dir / "clients", config.clients(self._run_dir, rows))
        pins = [f"{e.host.name} {key.type} {key.key}\n" for e in entrants for key in e.key.all]
        _write(self._run_dir / "pins", "".join(pins))
        for number, _, credential in rows:
            if credential.private_key:
                _write(config.public_key(self._run_dir, number), keypair.public(credential.private_key))
                self._agent.add(credential.private_key)
        askhelper.install(self._run_dir)
        if any(credential.password or credential.passphrase for _, _, credential in rows):
            askhelper.prove(self._run_dir)

    def _open(self, entrant: Entrant, via: Future[Answer] | None) -> Answer:
        try:
            if entrant.host.jump and not (via and isinstance(via.result(), Session)):
                return _jump_failed(entrant.host)
            session = self._granted(self._log_in(entrant), entrant.credential)
        except ProvisionError as error:
            return _interrupted(entrant.host) if self._closing.is_set() else error
        self._opened.add(entrant.host.name)
        return session

    def _granted(self, session: Session, credential: Credential) -> Session:
        rows = credential.secrets.items()
        tokens = {name: self._broker.grant(secret, once=False) for name, secret in rows}
        return replace(session, secret_tokens=tokens)

    def _log_in(self, entrant: Entrant, tries: int = MOST_TRIES) -> Session:
        """Log in and become root; the pending password of an interrupted rotation is tried second."""
        session = Session(entrant.host, self._run_dir)
        try:
            self._authenticate(entrant, tries)
        except errors.LoginRefused:
            if not (entrant.credential.password and entrant.credential.pending):
                raise
            pending = entrant.credential.pending
            entrant = replace(entrant, credential=_rotated(entrant.credential))
            self._authenticate(entrant, tries)
            sudo_too = entrant.credential.sudo_password == pending
            session = replace(session, by_pending=True, sudo_by_pending=sudo_too)
        try:
            return sudo.prove(session, entrant.credential, self._broker)
        except errors.SudoRefused:
            if not (entrant.credential.sudo_password and entrant.credential.pending):
                raise
            session = replace(session, by_pending=True, sudo_by_pending=True)
            rotated = replace(entrant.credential, sudo_password=entrant.credential.pending)
            return sudo.prove(session, rotated, self._broker)

    def _authenticate(self, entrant: Entrant, tries: int) -> None:
        try:
            self._open_with_retries(entrant, tries)
        except master.PasswordNotOffered:
            with self._handshakes:
                self._open_master(entrant, master.INTERACTIVE)

    def _open_with_retries(self, entrant: Entrant, tries: int) -> None:
        """Open the master; retry an unreachable host within the time budget; queueing is not counted."""
        left_s = CONNECT_BUDGET_S
        for number in range(1, tries + 1):
            with self._handshakes:
                started = time.monotonic()
                try:
                    self._open_master(entrant, _no_longer_than(left_s))
                    return
                except ProvisionError as error:
                    failed = error
            if not may_pass(failed):
                raise failed
            left_s -= time.monotonic() - started
            if number == tries or left_s < LEAST_TRY_S:
                raise tried(failed, number)
            left_s -= self._pause(entrant.host, number, failed)

    def _pause(self, host: Host, number: int, error: ProvisionError) -> float:
        pause_s = PAUSE_S * number * random.uniform(0.5, 1.0)  # noqa: S311 - not all hosts retry at once
        said = f"{error.failure.message}; again in {pause_s:.1f} s"
        self._on_retry(host.name, f"try {number} of {MOST_TRIES}: {said}")
        if self._closing.wait(pause_s):
            raise _interrupted(host)
        return pause_s

    def _open_master(self, entrant: Entrant, options: tuple[str, ...]) -> None:
        if self._closing.is_set():  # while it was in the queue
            raise _interrupted(entrant.host)
        started = functools.partial(self._started, entrant.host.name)
        master.open_master(self._run_dir, self._broker, entrant, options, started)

    def _started(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self._masters.append((name, process))
        if self._closing.is_set():
            process.terminate()


def make_room(hosts: int) -> None:
    """Let this process and its children open enough files for this many ``hosts``.

    Raises UsageError when the system does not allow it.
    """
    needed = _FILES_OF_OURS + _FILES_PER_HOST * hosts
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed <= soft or soft == resource.RLIM_INFINITY:
        return
    if needed > hard != resource.RLIM_INFINITY:
        raise UsageError(
            f"{hosts} hosts at once need {needed} open files, and this system allows {hard}",
            "raise it (LimitNOFILE= or /etc/security/limits.conf), or take the hosts in parts with --limit",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _rotated(credential: Credential) -> Credential:
    """Return the credential that works if the interrupted rotation had reached the host."""
    new, old = credential.pending, credential.password
    sudo_password = new if old is None or credential.sudo_password == old else credential.sudo_password
    return replace(credential, password=old and new, sudo_password=sudo_password, pending=None)


def _interrupted(host: Host) -> ProvisionError:
    return errors.Interrupted(f"interrupted while connecting to {host.name}", f"`fab hosts.ping {host.name}`")


def _no_longer_than(left_s: float) -> tuple[str, ...]:
    """Return the options that limit the connect timeout to the rest of the budget."""
    return ("-o", f"ConnectTimeout={max(1, min(int(left_s), config.CONNECT_TIMEOUT_S))}")


def _jumps_first(entrants: tuple[Entrant, ...]) -> list[Entrant]:
    by_name = {entrant.host.name: entrant for entrant in entrants}

    def depth(entrant: Entrant) -> int:
        jump = by_name.get(entrant.host.jump or "")
        return 0 if jump is None else 1 + depth(jump)

    return sorted(entrants, key=depth)


def _jump_failed(host: Host) -> ProvisionError:
    return errors.Unreachable(
        f"{host.name} is reached through {host.jump}, and the login there failed",
        f"`fab hosts.ping {host.jump}`",
        meaning="nothing was tried on this host",
        kind="jump-failed",
    )


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
