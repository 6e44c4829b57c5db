"""Record what is known of each host during a run, and return the results at the end."""

import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from provision.errors import Interrupted, ProvisionError
from provision.model import (
    ChangeLine,
    Check,
    Consent,
    Containers,
    Earlier,
    Failure,
    Host,
    HostReport,
    Locked,
    Outcome,
    Session,
    Stage,
    Status,
)

# What a run adds to its name on a host that it has rebooted, for the request after that.
AFTER_REBOOT = "-2"


class View(Protocol):
    """What a person sees during a run."""

    def stage(self, host: str, stage: Stage, note: str = "") -> None:
        """Show ``host`` at ``stage``."""

    def done(self, host: str, status: Status) -> None:
        """Show that ``host`` has ended with ``status``."""

    def paused(self) -> AbstractContextManager[None]:
        """Clear the screen for a question until the context ends."""


@dataclass(slots=True)
class _Entry:
    changes: tuple[ChangeLine, ...] = ()
    checks: tuple[Check, ...] = ()
    failure: Failure | None = None
    system: str = ""
    seconds: float = 0.0
    stage: Stage = Stage.CONNECT
    done: bool = False
    earlier: tuple[Earlier, ...] = ()
    has_result: bool = False
    rebooted: bool = False
    consent: Consent | None = None
    containers: Containers | None = None
    waited: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    locked: Locked | None = None
    session: Session | None = None
    log: list[str] = field(default_factory=list)


class Ledger:
    """One entry per selected host, with its progress, its result and its log."""

    def __init__(self, hosts: Iterable[Host], view: View) -> None:
        self._entries = {host.name: _Entry() for host in hosts}
        self._view = view
        self._started = time.monotonic()

    def enter(self, names: Iterable[str], stage: Stage) -> None:
        """Record that these hosts are at ``stage``."""
        for name in self._known(names):
            self._entries[name].stage = stage
            self.note(name, f"{stage}")
            self._view.stage(name, stage)

    def step(self, name: str, words: str) -> None:
        """Record and show what ``name`` is doing."""
        self.note(name, words)
        self._view.stage(name, self._entries[name].stage, words)

    def opened(self, sessions: Iterable[Session]) -> tuple[Session, ...]:
        """Record and return the Sessions of the selected hosts; those of mere jump hosts are left out."""
        ours = tuple(session for session in sessions if session.host.name in self._entries)
        for session in ours:
            self._entries[session.host.name].session = session
        return ours

    def drop(self, name: str, error: ProvisionError | Failure) -> None:
        """Record that ``name`` ended with an error; a jump host that was not selected is ignored."""
        if name in self._entries:
            stage = self._entries[name].stage
            failure = error if isinstance(error, Failure) else error.at(error.stage or stage)
            self._entries[name].failure = failure
            self.note(name, f"{failure.kind}: {failure.message} {failure.evidence}".rstrip())
            self.leave(name)

    def converged(self, name: str, outcome: Outcome) -> None:
        """Record the result of converge."""
        entry = self._entries[name]
        entry.changes, entry.system = outcome.changes, outcome.system or entry.system
        entry.earlier, entry.waited = outcome.earlier, outcome.waited
        entry.consent, entry.containers = outcome.consent, outcome.containers
        entry.mirrors, entry.passed_over = outcome.mirrors, outcome.passed_over
        entry.locked, entry.rebooted = outcome.locked, outcome.rebooted
        for who in outcome.waited:
            self.note(name, f"waited for {who}")
        for mirror in outcome.mirrors:
            self.note(name, f"mirror {mirror}")
        for file in outcome.passed_over:
            self.note(name, f"not used: {file}")
        entry.has_result = outcome.received and bool(outcome.changes or outcome.failure)
        for run in outcome.earlier:
            error = f": {run.failure.message}" if run.failure else ""
            self.note(name, f"earlier run {run.run} of {run.who}, {run.how}{error}")
            self._note_changes(name, run.changes, f"earlier change {run.run}")
        self._note_changes(name, outcome.changes, "change ")
        if outcome.failure:
            self.drop(name, outcome.failure)

    def wait(self, name: str) -> None:
        """Record that ``name`` waits for consent."""
        self.note(name, "waits for consent: the plan would disrupt what runs there")
        self._view.stage(name, self._entries[name].stage, "waits for consent")

    def has_failed(self, name: str) -> bool:
        """Return whether ``name`` did not end with success."""
        return self._status(self._entries[name]) not in (Status.OK, Status.CHANGED)

    def note(self, name: str, text: str) -> None:
        """Add a line to the log of ``name``; one that was not selected, such as a jump host, has none."""
        if name in self._entries:
            stamp = time.strftime("%H:%M:%SZ", time.gmtime())
            self._entries[name].log.append(f"{stamp}  {' '.join(text.split())}")

    def verified(self, name: str, checks: tuple[Check, ...] | Failure) -> None:
        """Record the checks, or why there are none."""
        if isinstance(checks, Failure):
            self.drop(name, checks)
            return
        self._entries[name].checks = checks
        for check in checks:
            word = "FAILED" if check.verdict.is_bad else str(check.verdict)
            self.note(name, f"check   {word}  {check.name} {check.detail}".rstrip())
        self.leave(name)

    def leave(self, name: str) -> None:
        """Record that ``name`` has ended."""
        self._entries[name].seconds = time.monotonic() - self._started
        self._entries[name].done = True
        self._view.done(name, self._status(self._entries[name]))

    def interrupt(self) -> None:
        """Record all unfinished hosts as interrupted, with what is known to be changed there."""
        for name, entry in self._entries.items():
            if not entry.done:
                state = "its changes were made; they are not verified" if entry.changes else ""
                hint = f"`fab plan --limit {name}`"
                self.drop(name, Interrupted(f"interrupted before {name} was done", hint, state=state))

    def give_up(self, error: ProvisionError) -> None:
        """Record all unfinished hosts as stopped by an error of the controller."""
        for name, entry in self._entries.items():
            if not entry.done:
                self.drop(name, error)

    def reports(self) -> tuple[HostReport, ...]:
        """Return the result of every host, in the order of the inventory."""
        return tuple(
            HostReport(
                name, self._status(e), e.changes, e.checks, e.failure, e.system, e.seconds, e.earlier,
                e.consent, e.containers, e.waited, e.mirrors, e.passed_over,
            )
            for name, e in self._entries.items()
        )  # fmt: skip

    def reported_runs(self, run: str) -> dict[str, tuple[str, ...]]:
        """Return, by host, the runs whose results are in the report: earlier ones, and ``run`` itself."""
        own = {name: _requests(run, entry) for name, entry in self._entries.items()}
        return {name: (*(e.run for e in self._entries[name].earlier), *own[name]) for name in own}

    def sessions(self) -> dict[str, Session]:
        """Return the latest Session of every host that has one."""
        return {name: entry.session for name, entry in self._entries.items() if entry.session}

    def locked(self) -> dict[str, Locked]:
        """Return, by host, what the lock file would say about its system, of those that have said it."""
        return {name: entry.locked for name, entry in self._entries.items() if entry.locked}

    def logs(self) -> Mapping[str, str]:
        """Return every host's log, which has no secrets."""
        return {name: "\n".join([*entry.log, ""]) for name, entry in self._entries.items()}

    def _known(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name in self._entries]

    def _note_changes(self, name: str, changes: Iterable[ChangeLine], word: str) -> None:
        for each in changes:
            self.note(name, f"{word} {each.name}: {_sides(each)}")

    @staticmethod
    def _status(entry: _Entry) -> Status:
        if entry.failure:
            return entry.failure.status
        if any(check.verdict.is_bad for check in entry.checks):
            return Status.FAILED
        return Status.CHANGED if entry.changes else Status.OK


def _requests(run: str, entry: _Entry) -> tuple[str, ...]:
    """Return the names under which a host keeps the results of ``run`` that have arrived."""
    last = (run + AFTER_REBOOT if entry.rebooted else run,) if entry.has_result else ()
    return ((run,) if entry.rebooted else ()) + last


def _sides(change: ChangeLine) -> str:
    if change.before and change.after:
        return f"{change.before} -> {change.after}"
    word = {"+": "created", "-": "removed"}.get(change.sign, "changed")
    return ", ".join(part for part in (word, change.before or change.after) if part)
