"""The steps of a run: each takes the hosts that arrive, and yields those that can go on, one by one."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from provision.access import Access, Begun, settled
from provision.connect import Connections
from provision.converge import Arrival, Desk, Order
from provision.converge import converge as converge_all
from provision.errors import ProvisionError
from provision.model import Session, Stage
from provision.reboot import Reboots
from provision.run.batches import in_batches
from provision.run.consent import Room
from provision.run.interrupts import Cancel
from provision.run.ledger import Ledger
from provision.settings import Settings
from provision.ssh.master import Entrant
from provision.verify import Proof
from provision.verify import verify as verify_all

T = TypeVar("T")


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


Stream = Iterator[Target]


@dataclass(slots=True)
class Clock:
    """The seconds of each stage, from its first mark to its last; stages overlap."""

    _marks: dict[str, tuple[float, float]] = field(default_factory=dict)

    def mark(self, stage: Stage) -> None:
        """Record that a host enters or leaves ``stage`` now."""
        now = time.monotonic()
        self._marks[stage] = self._marks.get(stage, (now, now))[0], now

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds by stage."""
        return {stage: last - first for stage, (first, last) in self._marks.items()}


@dataclass(frozen=True, slots=True)
class Run:
    """The values that all steps of one run share; steps change only ledger, clock and room.

    ``expected`` is how many hosts may come, ``run_dir`` the private directory of the run, ``desk`` what the
    step converge hands its hosts to, ``reboots`` the hosts that reboot.
    """

    order: Order
    ledger: Ledger
    cancel: Cancel
    clock: Clock
    settings: Settings
    room: Room
    restart: bool = False
    strict: bool = False
    access: Access | None = None
    run_dir: Path = Path()
    desk: Desk | None = None
    reboots: Reboots | None = None
    expected: int = 1


Step = Callable[[Run, Stream], Stream]


def connect(run: Run, connections: Connections, entrants: tuple[Entrant, ...]) -> Stream:
    """Log in to all hosts at once; each goes on as soon as it answers."""
    by_name = {entrant.host.name: entrant for entrant in entrants}
    run.ledger.enter(by_name, Stage.CONNECT)
    run.clock.mark(Stage.CONNECT)
    for name, found in connections.arrivals(entrants):
        answer = settled(found, by_name[name].credential.pending, run.settings)
        run.clock.mark(Stage.CONNECT)
        for session in run.ledger.opened(kept({name: answer}, run.ledger, Session)):
            yield Target(session)


def converge(run: Run, arrivals: Stream) -> Stream:
    """Bring hosts to their desired state; those that would be disrupted wait in ``run.room``.

    Hosts that need a reboot leave for ``run.reboots``, and come here again.
    """
    assert run.desk
    targets: dict[str, Target] = {}

    def entering() -> Iterator[Arrival]:
        for target in arrivals:
            targets[target.name] = target
            run.ledger.enter((target.name,), Stage.CONVERGE)
            run.clock.mark(Stage.CONVERGE)
            yield target.session, target.values

    outcomes = converge_all(
        entering(), run.desk, run.order,
        expected=run.expected, cancelled=run.cancel.is_set, on_step=run.ledger.step,
    )  # fmt: skip
    with closing(outcomes):
        for name, outcome in outcomes:
            run.clock.mark(Stage.CONVERGE)
            target = targets[name]
            outcome = run.reboots.whole(name, outcome) if run.reboots else outcome
            if run.room.takes(target.session, outcome, target.values):
                run.ledger.wait(name)
                continue
            run.ledger.converged(name, outcome)
            if run.reboots and run.reboots.takes(target.session, target.values, outcome):
                continue
            if outcome.failure is None:
                yield replace(target, installed=outcome.installed)
    if not run.room.everybody() and (run.reboots is None or run.reboots.are_over):  # else hosts come again
        run.desk.end()


def back(run: Run, reboots: Reboots) -> Stream:
    """Yield the hosts that are back from their reboot."""
    for each in reboots.arrivals():
        if isinstance(each.answer, Session):
            for session in run.ledger.opened((each.answer,)):
                yield Target(session, each.values)
        else:
            run.ledger.converged(each.name, each.answer)


def verify(run: Run, arrivals: Stream) -> Stream:
    """Prove that hosts are Docker hosts; the checks of each begin as soon as it arrives."""

    def entering() -> Iterator[tuple[Session, bool]]:
        for target in arrivals:
            if not run.cancel.is_set():
                run.ledger.enter((target.name,), Stage.VERIFY)
                run.clock.mark(Stage.VERIFY)
                yield target.session, run.restart or target.installed

    def proven(name: str, proof: Proof) -> None:
        run.clock.mark(Stage.VERIFY)
        run.ledger.verified(name, proof)

    verify_all(entering(), run.run_dir, run.cancel.is_set, proven, strict=run.strict)
    yield from ()


def begin_access(run: Run, arrivals: Stream) -> Stream:
    """Decide the access to each host; refuse hosts that nobody could log in to afterwards."""
    assert run.access
    for batch in _batches(run, arrivals):
        values = {target.name: target.values for target in batch}
        for each in kept(run.access.begin(_sessions(batch)), run.ledger, Begun):
            yield Target(each.session, dict(values[each.session.host.name]) | dict(each.values))


def prove_access(run: Run, arrivals: Stream) -> Stream:
    """Prove the new access by new logins."""
    assert run.access
    for batch in _batches(run, arrivals):
        run.ledger.enter((target.name for target in batch), Stage.VERIFY)
        run.clock.mark(Stage.VERIFY)
        proven = kept(run.access.finish(_sessions(batch)), run.ledger, Session)
        run.clock.mark(Stage.VERIFY)
        yield from (Target(session) for session in run.ledger.opened(proven))


def kept(answers: Mapping[str, T | ProvisionError], ledger: Ledger, kind: type[T]) -> tuple[T, ...]:
    """Return the answers without errors; hosts with an error end in the ledger."""
    for name, answer in answers.items():
        if isinstance(answer, ProvisionError):
            ledger.drop(name, answer)
    return tuple(answer for answer in answers.values() if isinstance(answer, kind))


def _batches(run: Run, arrivals: Stream) -> Iterator[tuple[Target, ...]]:
    """Yield what has arrived, until the run is stopped."""
    with closing(in_batches(arrivals)) as batches:
        for batch in batches:
            if not run.cancel.is_set():
                yield batch


def _sessions(batch: tuple[Target, ...]) -> tuple[Session, ...]:
    return tuple(target.session for target in batch)
