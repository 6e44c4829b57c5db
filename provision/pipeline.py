"""The road: read → unlock → trust → connect → converge → verify; what is learnt becomes a Report."""

import os
import secrets as random_source
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from provision import logins
from provision.broker import Broker
from provision.converge import converge
from provision.credentials import open_early, unlock
from provision.errors import ControllerDiskFull, ProvisionError, UnknownHostKey
from provision.interrupts import Cancel
from provision.inventory import ALL, Selection, read
from provision.ledger import Ledger, View
from provision.model import Credential, Host, HostKey, HostReport, Report, Session, Stage
from provision.remote import save_sessions
from provision.rundir import open_run_dir
from provision.session import Connections, Entrant
from provision.settings import Settings
from provision.trust import trust
from provision.verify import verify

ExitCode = Callable[[tuple[HostReport, ...]], int]
# Given the run's id and the names of its hosts, opens what a person sees while it goes on.
Show = Callable[[str, tuple[str, ...]], AbstractContextManager[View]]
Sessions = tuple[Session, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for; ``command`` is one of STEPS, ``typed`` the whole line.

    ``prove`` is False for a run whose hosts are not verified.
    """

    command: str
    typed: str
    limit: str = ALL
    via: str = "public"
    prove: bool = True


@dataclass(slots=True)
class Run:
    """What the steps of one run share."""

    id: str
    ledger: Ledger
    cancel: Cancel
    clock: "_Clock"


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


def run(
    request: Request, settings: Settings, show: Show, exit_code: ExitCode, cancel: Cancel
) -> tuple[Report, dict[str, str]]:
    """Walk the road for ``request``; gives the Report and each host's log.

    Raises UsageError when nothing was touched: the inventory, the limit or the keyring; and what
    ``cancel`` raises, when it is triggered before the first host is touched.
    """
    started, clock = time.time(), _Clock()
    selection, candidates = _candidates(request, settings, clock)
    run_id = _run_id(started)
    with show(run_id, tuple(host.name for host in selection.hosts)) as view:
        ledger = Ledger(selection.hosts, view)
        ready = _kept(candidates, ledger, Entrant)
        cancel.begin()
        try:
            _walk(request, ready, selection.hosts, Run(run_id, ledger, cancel, clock))
        except ControllerDiskFull as error:
            ledger.give_up(error)
        except KeyboardInterrupt:  # the second signal: what is known is reported below
            pass
        cancel.end()
        if cancel.is_set():
            ledger.interrupt()
        hosts = ledger.reports()
    report = Report(
        run=run_id,
        command=request.typed,
        inventory=", ".join(map(_shown, settings.inventory)),
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        seconds=time.time() - started,
        exit_code=cancel.exit_code or exit_code(hosts),
        hosts=hosts,
        stages=clock.seconds,
    )
    return report, dict(ledger.logs())


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
            return selection, entrants(settings, selection)


@contextmanager
def masters(cancel: Cancel) -> Iterator[tuple[Connections, Path]]:
    """Give what opens connections, and the run directory that they live in; both end with the context."""
    with (
        open_run_dir() as run_dir,
        Broker(run_dir / "broker") as broker,
        Connections(run_dir, broker) as opened,
    ):
        cancel.then(opened.abort)
        yield opened, run_dir


def entrants(settings: Settings, selection: Selection) -> dict[str, Entrant | ProvisionError]:
    """Unlock and trust: give what each host is entered with, jump hosts included, or why it is not."""
    hosts = selection.jumps + selection.hosts
    credentials = unlock(hosts, settings)
    keys = trust(hosts, settings.pins, _fetch_key)
    return {host.name: _entrant(host, credentials[host.name], keys[host.name]) for host in hosts}


def _fetch_key(host: Host) -> HostKey:
    if host.jump:
        raise UnknownHostKey(
            f"{host.name} lies behind {host.jump} and has no pin yet", f"fab hosts.trust {host.name}"
        )
    return logins.fetch_key(host)


def _entrant(
    host: Host, credential: Credential | ProvisionError, key: HostKey | ProvisionError
) -> Entrant | ProvisionError:
    if isinstance(key, ProvisionError):
        return key
    return credential if isinstance(credential, ProvisionError) else Entrant(host, credential, key)


def _walk(request: Request, ready: tuple[Entrant, ...], wanted: tuple[Host, ...], road: Run) -> None:
    with masters(road.cancel) as (connections, run_dir):
        for sessions in _waves(connections, ready, wanted, road):
            save_sessions(sessions, run_dir)
            for step in _steps(request):
                sessions = step(road, sessions) if sessions and not road.cancel.is_set() else ()
            for session in sessions:
                road.ledger.leave(session.host.name)


def _waves(
    connections: Connections, ready: tuple[Entrant, ...], wanted: tuple[Host, ...], road: Run
) -> Iterator[Sessions]:
    names = {host.name for host in wanted}
    road.ledger.enter((entrant.host.name for entrant in ready), Stage.CONNECT)
    waves = connections.waves(ready)
    while True:
        with road.clock.time(Stage.CONNECT):
            answers = next(waves, None)
        if answers is None:
            return
        sessions = _kept(answers, road.ledger, Session)
        yield tuple(session for session in sessions if session.host.name in names)


def _kept(answers: Mapping[str, T | ProvisionError], ledger: Ledger, kind: type[T]) -> tuple[T, ...]:
    """Give the good answers; the hosts of the others leave the road."""
    for name, answer in answers.items():
        if isinstance(answer, ProvisionError):
            ledger.drop(name, answer)
    return tuple(answer for answer in answers.values() if isinstance(answer, kind))


def _apply(road: Run, sessions: Sessions, *, check: bool = False) -> Sessions:
    road.ledger.enter((s.host.name for s in sessions), Stage.CONVERGE)
    with road.clock.time(Stage.CONVERGE):
        outcomes = converge(
            sessions, sessions[0].run_dir, run=road.id, check=check, on_outcome=road.ledger.converged,
            cancelled=road.cancel.is_set,
        )  # fmt: skip
    return tuple(s for s in sessions if outcomes[s.host.name].failure is None)


def _plan(road: Run, sessions: Sessions) -> Sessions:
    return _apply(road, sessions, check=True)


def _prove(road: Run, sessions: Sessions) -> Sessions:
    road.ledger.enter((s.host.name for s in sessions), Stage.VERIFY)
    with road.clock.time(Stage.VERIFY):
        verify(sessions, sessions[0].run_dir, road.cancel.is_set, road.ledger.verified)
    return ()


STEPS: dict[str, tuple[Callable[[Run, Sessions], Sessions], ...]] = {
    "plan": (_plan,),
    "provision": (_apply, _prove),
    "verify": (_prove,),
    "ping": (),
}


def _steps(request: Request) -> Iterator[Callable[[Run, Sessions], Sessions]]:
    return (step for step in STEPS[request.command] if request.prove or step is not _prove)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _run_id(started: float) -> str:
    return time.strftime("%Y%m%d-%H%M-", time.gmtime(started)) + random_source.token_hex(2)
