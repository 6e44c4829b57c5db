"""The steps of a run: each takes hosts that are ready, and yields those that can go on."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from provision.access import Access, Begun, settled
from provision.connect import Connections, Entrant
from provision.converge import Order
from provision.converge import converge as converge_all
from provision.errors import ProvisionError
from provision.model import Outcome, Session, Stage
from provision.run.batches import in_batches
from provision.run.consent import Room
from provision.run.interrupts import Cancel
from provision.run.ledger import Ledger
from provision.settings import Settings
from provision.ssh.remote import save_sessions
from provision.verify import verify as verify_all

T = TypeVar("T")

# How long a converged host waits for others: verifying them together is cheaper.
HAND_ON_S = 5.0
# In a large fleet hosts follow each other for minutes, and the timer of hosts.harden allows only 2.
HAND_ON_MOST_S = 15.0


@dataclass(frozen=True, slots=True)
class Target:
    """One host between steps: its open Session, and what earlier steps pass on.

    ``values`` are the role's for this host alone; ``installed`` is True when this run installed the engine.
    """

    session: Session
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    installed: bool = False

    @property
    def name(self) -> str:
        """The host's inventory name."""
        return self.session.host.name


Batch = tuple[Target, ...]


@dataclass(slots=True)
class Clock:
    """The seconds spent in each stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, stage: Stage) -> Iterator[None]:
        """Add the time of the context to ``stage``."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - started


@dataclass(frozen=True, slots=True)
class Run:
    """The values that all steps of one run share; steps change only ledger, clock and room."""

    order: Order
    ledger: Ledger
    cancel: Cancel
    clock: Clock
    settings: Settings
    room: Room
    restart: bool = False
    strict: bool = False
    access: Access | None = None


Step = Callable[[Run, Batch], Generator[Batch, None, None]]


def connect(run: Run, connections: Connections, entrants: tuple[Entrant, ...]) -> Iterator[Batch]:
    """Log in to all hosts at once; yield those that answer in time, then the latecomers."""
    run.ledger.enter((entrant.host.name for entrant in entrants), Stage.CONNECT)
    arrivals = connections.arrivals(entrants)
    while True:
        with run.clock.time(Stage.CONNECT):
            answers = next(arrivals, None)
        if answers is None:
            return
        opened = kept(settled(answers, entrants, run.settings), run.ledger, Session)
        yield tuple(Target(session) for session in run.ledger.opened(opened))


def converge(run: Run, batch: Batch) -> Generator[Batch, None, None]:
    """Bring hosts to their desired state; a slow host does not delay the others.

    Hosts that would be disrupted wait in ``run.room``.
    """
    run.ledger.enter((target.name for target in batch), Stage.CONVERGE)
    targets = {target.name: target for target in batch}
    order = replace(run.order, by_host={name: target.values for name, target in targets.items()})

    def work(hand_on: Callable[[Target], None]) -> None:
        def ended(name: str, outcome: Outcome) -> None:
            if run.room.takes(targets[name].session, outcome):
                run.ledger.wait(name)
                return
            run.ledger.converged(name, outcome)
            if outcome.failure is None:
                hand_on(replace(targets[name], installed=outcome.installed))

        with run.clock.time(Stage.CONVERGE):
            cancelled = run.cancel.is_set
            converge_all(_sessions(batch), _run_dir(batch), order, on_outcome=ended, cancelled=cancelled)

    yield from in_batches(work, HAND_ON_S, HAND_ON_MOST_S)


def verify(run: Run, batch: Batch) -> Generator[Batch, None, None]:
    """Prove that hosts are Docker hosts; each is done as soon as its checks are."""
    run.ledger.enter((target.name for target in batch), Stage.VERIFY)
    restart = frozenset(target.name for target in batch if run.restart or target.installed)
    with run.clock.time(Stage.VERIFY):
        verify_all(
            _sessions(batch), _run_dir(batch), run.cancel.is_set, run.ledger.verified, restart, run.strict
        )
    yield ()


def begin_access(run: Run, batch: Batch) -> Generator[Batch, None, None]:
    """Decide the access to each host; refuse hosts that nobody could log in to then."""
    assert run.access
    values = {target.name: target.values for target in batch}
    begun = kept(run.access.begin(_sessions(batch)), run.ledger, Begun)
    ready = tuple(
        Target(each.session, dict(values[each.session.host.name]) | dict(each.values)) for each in begun
    )
    if ready:
        save_sessions(_sessions(ready), _run_dir(ready))
        yield ready


def prove_access(run: Run, batch: Batch) -> Generator[Batch, None, None]:
    """Prove the new access by new logins."""
    assert run.access
    run.ledger.enter((target.name for target in batch), Stage.VERIFY)
    with run.clock.time(Stage.VERIFY):
        proven = kept(run.access.finish(_sessions(batch)), run.ledger, Session)
    yield tuple(Target(session) for session in run.ledger.opened(proven))


def kept(answers: Mapping[str, T | ProvisionError], ledger: Ledger, kind: type[T]) -> tuple[T, ...]:
    """Return the answers without errors; hosts with an error end in the ledger."""
    for name, answer in answers.items():
        if isinstance(answer, ProvisionError):
            ledger.drop(name, answer)
    return tuple(answer for answer in answers.values() if isinstance(answer, kind))


def _sessions(batch: Batch) -> tuple[Session, ...]:
    return tuple(target.session for target in batch)


def _run_dir(batch: Batch) -> Path:
    return batch[0].session.run_dir
