"""The road: read → unlock → trust → connect → converge → verify; what is learnt becomes a Report."""

import os
import secrets as random_source
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from provision import logins, receipts
from provision.access import FLOWS, Locks, locks, settled
from provision.batches import in_batches
from provision.broker import Broker
from provision.consent import Ask, Room, Waiting, stopped
from provision.converge import Order, converge
from provision.credentials import open_early, unlock
from provision.errors import ControllerDiskFull, ProvisionError, UnknownHostKey
from provision.interrupts import Cancel
from provision.inventory import ALL, Selection, read
from provision.ledger import Ledger, View
from provision.model import Credential, Host, HostKey, HostReport, Outcome, Report, Session, Stage
from provision.remote import save_sessions
from provision.rundir import open_run_dir, room_in
from provision.session import Connections, Entrant, Tell, unheard
from provision.settings import Settings
from provision.trust import trust
from provision.verify import verify

ExitCode = Callable[[tuple[HostReport, ...]], int]
# Given the run's id, and by the name of each host the fingerprint that it has to show (empty for one that is
# not even tried), opens what a person sees while it goes on.
Show = Callable[[str, Mapping[str, str]], AbstractContextManager[View]]
Sessions = tuple[Session, ...]
T = TypeVar("T")

# How long a converged host waits for others, so that they are verified together, which is cheaper.
HAND_ON_S = 5.0
# In a large fleet one follows the other for minutes, and each guard of hosts.harden waits for 2 of them.
HAND_ON_MOST_S = 15.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for; ``command`` is one of STEPS, ``typed`` the whole line.

    ``prove`` is False for a run whose hosts are not verified, ``only_plan`` True for one that changes
    nothing. With ``restart`` the proof may restart the engine of any host. ``values`` are those of the role
    that the command itself sets, without their prefix.
    ``serial`` hosts at a time are disrupted, where somebody agrees to that.
    """

    command: str
    typed: str
    limit: str = ALL
    via: str = "public"
    prove: bool = True
    only_plan: bool = False
    restart: bool = False
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    serial: int = 1


@dataclass(slots=True)
class Run:
    """What the steps of one run share."""

    order: Order
    ledger: Ledger
    cancel: Cancel
    clock: "_Clock"
    settings: Settings
    room: Room
    locks: Locks | None = None
    restart: bool = False
    sessions: dict[str, Session] = field(default_factory=dict)

    def confirm(self) -> None:
        """Tell the hosts that what they said of this run, and of earlier ones, is in a report that lasts."""
        if not self.order.check:
            receipts.give(self.sessions, self.ledger.heard(self.order.run))


Step = Callable[[Run, Sessions], Generator[Sessions, None, None]]


@dataclass(slots=True)
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, stage: Stage) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - started


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has ended: its Report, each host's log, and the fingerprint that each had to show.

    Call ``confirm`` once they are written.
    """

    report: Report
    logs: Mapping[str, str]
    fingerprints: Mapping[str, str]
    confirm: Callable[[], None]


@contextmanager
def run(
    request: Request,
    settings: Settings,
    show: Show,
    exit_code: ExitCode,
    cancel: Cancel,
    ask: Callable[[View], Ask | None] = lambda view: None,
) -> Iterator[Finished]:
    """Walk the road for ``request``; its connections stay open until the context ends.

    ``ask`` gives what asks, beside the view, about hosts that would be disrupted; None: they are refused.
    Raises UsageError when nothing was touched: the inventory, the limit or the keyring; and what
    ``cancel`` raises, when it is triggered before the first host is touched.
    """
    started, clock = time.time(), _Clock()
    selection, candidates = _candidates(request, settings, clock)
    order = Order(_run_id(started), request.command, request.only_plan, request.values)
    fingerprints = {host.name: fingerprint(candidates[host.name]) for host in selection.hosts}
    with ExitStack() as connected:
        with show(order.run, fingerprints) as view:
            room = Room(ask(view), request.serial)
            road = Run(
                order, Ledger(selection.hosts, view), cancel, clock, settings, room, restart=request.restart
            )
            _drive(request, candidates, selection.hosts, road, connected)
        hosts = road.ledger.reports()
        report = Report(
            run=order.run,
            command=request.typed,
            inventory=", ".join(map(_shown, settings.inventory)),
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            seconds=time.time() - started,
            exit_code=cancel.exit_code or exit_code(hosts),
            hosts=hosts,
            stages=clock.seconds,
        )
        yield Finished(report, road.ledger.logs(), fingerprints, road.confirm)


def _drive(
    request: Request,
    candidates: Mapping[str, Entrant | ProvisionError],
    wanted: tuple[Host, ...],
    road: Run,
    connected: ExitStack,
) -> None:
    """Bring every host to an end, also where the controller fails or a person has enough."""
    ready = _kept(candidates, road.ledger, Entrant)
    road.cancel.begin()
    try:
        connections, run_dir = connected.enter_context(masters(road.cancel, road.ledger.tell))
        road.locks = locks(request.command, road.settings, ready, connections)
        with room_in(run_dir):
            _walk(request, ready, wanted, road, connections, run_dir)
    except ControllerDiskFull as error:
        road.ledger.give_up(error)
    except KeyboardInterrupt:  # the second signal: what is known is reported
        pass
    road.cancel.end()
    if road.cancel.is_set():
        road.ledger.interrupt()


def _candidates(
    request: Request, settings: Settings, clock: _Clock
) -> tuple[Selection, dict[str, Entrant | ProvisionError]]:
    with ThreadPoolExecutor(1, "keyring") as pool:
        # Half a second each: another program's start, and the price of a guess. They need not wait.
        opened = pool.submit(open_early, settings)
        with clock.time(Stage.READ):
            selection = read(settings, limit=request.limit, via=request.via, environ=os.environ)
        # May ask for the master password: no live view, and Ctrl-C ends it at once.
        with clock.time(Stage.UNLOCK):
            opened.result()
            converges = _converge in STEPS[request.command]
            return selection, entrants(settings, selection, converges=converges)


@contextmanager
def masters(cancel: Cancel, tell: Tell = unheard) -> Iterator[tuple[Connections, Path]]:
    """Give what opens connections, and the run directory that they live in; both end with the context.

    ``tell`` takes the name of a host and what is tried again there.
    """
    with (
        open_run_dir() as run_dir,
        Broker(run_dir / "broker") as broker,
        Connections(run_dir, broker, tell) as opened,
    ):
        cancel.then(opened.abort)
        yield opened, run_dir


def entrants(
    settings: Settings, selection: Selection, *, converges: bool = False
) -> dict[str, Entrant | ProvisionError]:
    """Unlock and trust: give what each host is entered with, jump hosts included, or why it is not.

    Only a run that ``converges`` wants the secrets of the desired state: no shell is refused for want of one.
    """
    hosts = _only_entered(selection.jumps) + (
        selection.hosts if converges else _only_entered(selection.hosts)
    )
    credentials = unlock(hosts, settings)
    keys = trust(hosts, settings.pins, _fetch_keys)
    return {host.name: _entrant(host, credentials[host.name], keys[host.name]) for host in hosts}


def _only_entered(hosts: tuple[Host, ...]) -> tuple[Host, ...]:
    return tuple(replace(host, desired={}) for host in hosts)


def _fetch_keys(host: Host) -> Iterator[HostKey]:
    if host.jump:
        raise UnknownHostKey(
            f"{host.name} lies behind {host.jump} and has no pin yet", f"fab hosts.trust {host.name}"
        )
    return logins.fetch_keys(host)


def _entrant(
    host: Host, credential: Credential | ProvisionError, key: HostKey | ProvisionError
) -> Entrant | ProvisionError:
    if isinstance(key, ProvisionError):
        return key
    return credential if isinstance(credential, ProvisionError) else Entrant(host, credential, key)


def fingerprint(candidate: Entrant | ProvisionError) -> str:
    """Give that of the key which a host has to show; empty for one that is not even tried."""
    return candidate.key.fingerprint if isinstance(candidate, Entrant) else ""


def _walk(
    request: Request,
    ready: tuple[Entrant, ...],
    wanted: tuple[Host, ...],
    road: Run,
    connections: Connections,
    run_dir: Path,
) -> None:
    steps = tuple(_steps(request))
    for sessions in _arrivals(connections, ready, wanted, road):
        road.sessions |= {session.host.name: session for session in sessions}
        _go(steps, road, sessions, run_dir)
    _disrupt(steps, road, run_dir)


def _go(steps: tuple[Step, ...], road: Run, sessions: Sessions, run_dir: Path) -> None:
    save_sessions(sessions, run_dir)
    for done in _through(steps, road, sessions):
        for session in done:
            road.ledger.leave(session.host.name)


def _disrupt(steps: tuple[Step, ...], road: Run, run_dir: Path) -> None:
    """Ask about the hosts that wait; those agreed to go the same way, a few at a time, until one fails."""
    agreed, refused = _answer(road)
    for each in refused:
        road.ledger.converged(each.name, each.outcome)
    failed = ""
    for batch in road.room.batches(agreed):
        if failed:
            _leave_alone(road, batch, failed)
            continue
        road.order = replace(road.order, by_host={each.name: each.values for each in batch})
        _go(steps, road, tuple(each.session for each in batch), run_dir)
        failed = next((each.name for each in batch if road.ledger.has_failed(each.name)), "")


def _answer(road: Run) -> tuple[tuple[Waiting, ...], tuple[Waiting, ...]]:
    """Return who may be disrupted and who may not; after a signal nobody may."""
    if not road.cancel.is_set():
        try:
            with road.cancel.asking():
                return road.room.answer()
        except KeyboardInterrupt:
            pass
    return (), road.room.everybody()


def _leave_alone(road: Run, batch: tuple[Waiting, ...], failed: str) -> None:
    for each in batch:
        road.ledger.drop(each.name, stopped(each.name, failed))


def _through(steps: tuple[Step, ...], road: Run, sessions: Sessions) -> Iterator[Sessions]:
    """Take ``sessions`` through the steps; what one hands on goes on while the rest is still in it."""
    if not steps:
        yield sessions
        return
    if not sessions or road.cancel.is_set():
        return
    with closing(steps[0](road, sessions)) as parts:
        for part in parts:
            yield from _through(steps[1:], road, part)


def _arrivals(
    connections: Connections, ready: tuple[Entrant, ...], wanted: tuple[Host, ...], road: Run
) -> Iterator[Sessions]:
    names = {host.name for host in wanted}
    road.ledger.enter((entrant.host.name for entrant in ready), Stage.CONNECT)
    arrivals = connections.arrivals(ready)
    while True:
        with road.clock.time(Stage.CONNECT):
            answers = next(arrivals, None)
        if answers is None:
            return
        sessions = _kept(settled(answers, ready, road.settings), road.ledger, Session)
        yield tuple(session for session in sessions if session.host.name in names)


def _kept(answers: Mapping[str, T | ProvisionError], ledger: Ledger, kind: type[T]) -> tuple[T, ...]:
    """Give the good answers; the hosts of the others leave the road."""
    for name, answer in answers.items():
        if isinstance(answer, ProvisionError):
            ledger.drop(name, answer)
    return tuple(answer for answer in answers.values() if isinstance(answer, kind))


def _converge(road: Run, sessions: Sessions) -> Generator[Sessions, None, None]:
    """Hand hosts on as soon as no other is about to follow: one that takes its time holds nobody."""
    road.ledger.enter((s.host.name for s in sessions), Stage.CONVERGE)
    by_name = {session.host.name: session for session in sessions}

    def play(hand_on: Callable[[Session], None]) -> None:
        def heard(name: str, outcome: Outcome) -> None:
            if road.room.takes(by_name[name], outcome):
                road.ledger.wait(name)
                return
            road.ledger.converged(name, outcome)
            if outcome.failure is None:
                hand_on(by_name[name])

        with road.clock.time(Stage.CONVERGE):
            converge(
                sessions, sessions[0].run_dir, road.order, on_outcome=heard, cancelled=road.cancel.is_set
            )

    yield from in_batches(play, HAND_ON_S, HAND_ON_MOST_S)


def _prove(road: Run, sessions: Sessions) -> Generator[Sessions, None, None]:
    road.ledger.enter((s.host.name for s in sessions), Stage.VERIFY)
    with road.clock.time(Stage.VERIFY):
        names = frozenset(session.host.name for session in sessions)
        restart = names if road.restart else road.ledger.newly_installed(names)
        verify(sessions, sessions[0].run_dir, road.cancel.is_set, road.ledger.verified, restart)
    yield ()


def _begin_access(road: Run, sessions: Sessions) -> Generator[Sessions, None, None]:
    """Say what is wanted on each host; who would be locked out of one leaves the road here."""
    assert road.locks
    ready = _kept(road.locks.begin(sessions), road.ledger, Session)
    road.order = replace(road.order, by_host=road.locks.values)
    if ready:
        save_sessions(ready, ready[0].run_dir)
        yield ready


def _finish_access(road: Run, sessions: Sessions) -> Generator[Sessions, None, None]:
    """Prove by new logins who gets in now."""
    assert road.locks
    road.ledger.enter((s.host.name for s in sessions), Stage.VERIFY)
    with road.clock.time(Stage.VERIFY):
        done = _kept(road.locks.finish(sessions), road.ledger, Session)
    road.sessions |= {session.host.name: session for session in done}
    yield done


_ACCESS: tuple[Step, ...] = (_begin_access, _converge, _finish_access)
STEPS: dict[str, tuple[Step, ...]] = {
    "plan": (_converge,),
    "provision": (_converge, _prove),
    "verify": (_prove,),
    "ping": (),
    "undo": (_converge,),
    "uninstall": (_converge,),
    **dict.fromkeys(FLOWS, _ACCESS),
}


def _steps(request: Request) -> Iterator[Step]:
    return (step for step in STEPS[request.command] if request.prove or step is not _prove)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _run_id(started: float) -> str:
    return time.strftime("%Y%m%d-%H%M-", time.gmtime(started)) + random_source.token_hex(2)
