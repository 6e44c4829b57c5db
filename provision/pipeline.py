"""Run a verb: take the hosts through its steps (verbs.py is the table), and return a Report."""

import functools
import secrets as random_source
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from provision import role
from provision.access import Access
from provision.bundle import Bundle
from provision.connect import Connections, OnRetry, discard, make_room
from provision.converge import Order, open_desk
from provision.credentials import Rotation, open_early
from provision.entrants import Entrants, entrants, fingerprint
from provision.errors import ControllerDiskFull
from provision.inventory import ALL, Selection
from provision.model import HostReport, Locked, Report, Stage
from provision.reboot import Reboots
from provision.rollout import roll_out
from provision.run import acknowledgements
from provision.run.consent import ONE_BY_ONE, Ask, Pace, Room
from provision.run.interrupts import Cancel
from provision.run.ledger import Ledger, View
from provision.settings import Settings
from provision.ssh.broker import Broker
from provision.ssh.master import Entrant
from provision.ssh.rundir import open_run_dir, room_in
from provision.steps import Clock, Run, converge, kept, verify
from provision.verbs import VERBS, Verb

ExitCode = Callable[[tuple[HostReport, ...]], int]
# Takes the run's id, and by host name the fingerprint that each must show (empty for a host that is not
# tried); opens the view that shows progress.
Show = Callable[[str, Mapping[str, str]], AbstractContextManager[View]]


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for; ``verb`` is a key of VERBS, ``typed`` the whole command line.

    ``prove`` is False to skip verification, ``only_plan`` True to change nothing. ``restart`` allows the
    checks to restart the engine; ``strict`` counts advice as a failed check. ``values`` are variables of
    the role from the command line, without their prefix. ``pace`` is how hosts are disrupted, ``bundle``
    where packages come from in place of repositories.
    """

    verb: str
    typed: str
    limit: str = ALL
    via: str = "public"
    prove: bool = True
    only_plan: bool = False
    restart: bool = False
    strict: bool = False
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    pace: Pace = ONE_BY_ONE
    bundle: Bundle | None = None

    @property
    def row(self) -> Verb:
        """The row of its verb."""
        return VERBS[self.verb]

    @property
    def is_plan(self) -> bool:
        """Whether the run only shows what would change."""
        return self.only_plan or self.row.plans


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has ended: its Report, each host's log, and the fingerprint that each had to show.

    ``locked`` is, by host, what the lock file would say about its system, if that was asked.

    Call ``acknowledge`` once they are written.
    """

    report: Report
    logs: Mapping[str, str]
    fingerprints: Mapping[str, str]
    acknowledge: Callable[[], None]
    locked: Mapping[str, Locked] = field(default_factory=dict, hash=False)


@contextmanager
def run(
    request: Request,
    settings: Settings,
    show: Show,
    exit_code: ExitCode,
    cancel: Cancel,
    ask: Callable[[View], Ask | None] = lambda view: None,
) -> Iterator[Finished]:
    """Carry ``request`` out; its connections stay open until the context ends.

    ``ask`` returns the question about hosts that would be disrupted, or None to refuse them. Raises
    UsageError for a faulty inventory, limit or keyring, and what ``cancel`` raises for a signal; both before
    any host is touched.
    """
    started, clock, verb = time.time(), Clock(), request.row
    selection, candidates = _prepare(request, settings, clock)
    values = dict(verb.values) | dict(request.values)
    order = Order(_run_id(started), verb.words, request.is_plan, values, request.bundle)
    fingerprints = {host.name: fingerprint(candidates[host.name]) for host in selection.hosts}
    with ExitStack() as opened:
        with show(order.run, fingerprints) as view:
            ledger, room = Ledger(selection.hosts, view), Room(ask(view), request.pace)
            how = request.restart, request.strict
            this = Run(order, ledger, cancel, clock, settings, room, *how)
            _carry_out(request, candidates, this, opened)
        hosts = ledger.reports()
        report = Report(
            run=order.run,
            command=request.typed,
            inventory=", ".join(map(_shown, settings.inventory)),
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            seconds=time.time() - started,
            exit_code=cancel.exit_code or exit_code(hosts),
            hosts=hosts,
            stages=clock.seconds,
            words=verb.words,
        )
        acknowledge = functools.partial(_acknowledge, order, ledger)
        yield Finished(report, ledger.logs(), fingerprints, acknowledge, ledger.locked())


def _prepare(request: Request, settings: Settings, clock: Clock) -> tuple[Selection, Entrants]:
    read, unlock, trust, *_ = request.row.steps
    with ThreadPoolExecutor(2, "early") as pool:
        # Half a second each, ansible-inventory and the key derivation, so they run at the same time. The
        # main thread only waits: a signal that arrives within an import can be lost.
        opened = pool.submit(open_early, settings)
        pool.submit(role.typed, {})  # imports Ansible's validator
        clock.mark(Stage.READ)
        selection = read(settings, request.limit, request.via)
        clock.mark(Stage.READ)
        # May ask for the master password, so there is no live view, and Ctrl-C stops it at once.
        clock.mark(Stage.UNLOCK)
        opened.result()
        found = entrants(selection, unlock(selection, settings), trust(selection, settings))
        clock.mark(Stage.UNLOCK)
        make_room(len(found))
        return selection, found


def _carry_out(request: Request, candidates: Entrants, run: Run, opened: ExitStack) -> None:
    """Bring every host to a result, also when the controller fails or the run is interrupted."""
    _, _, _, connect, *steps, _ = request.row.steps
    wanted = tuple(step for step in steps if request.prove or step is not verify)
    ready = kept(candidates, run.ledger, Entrant)
    run.cancel.begin()
    try:
        connections, run_dir = opened.enter_context(masters(run.cancel, run.ledger.note))
        run = replace(run, run_dir=run_dir, expected=len(ready))
        with room_in(run_dir):
            if flow := request.row.access:
                rotation, is_urgent = Rotation(run.settings), run.cancel.is_urgent
                run = replace(run, access=Access(flow(rotation), ready, connections.grant, is_urgent))
            if ready:
                connections.prepare(ready)
                if converge in wanted:
                    desk = opened.enter_context(open_desk(run_dir, len(ready), run.cancel.is_set))
                    reboots = Reboots(connections, ready, run.order, run.ledger.step, run.cancel.is_set)
                    run = replace(run, desk=desk, reboots=reboots)
                roll_out(wanted, run, connect(run, connections, ready))
    except ControllerDiskFull as error:
        run.ledger.give_up(error)
    except KeyboardInterrupt:  # the second signal: report what is known
        pass
    run.cancel.end()
    if run.cancel.is_set():
        run.ledger.interrupt()


@contextmanager
def masters(cancel: Cancel, on_retry: OnRetry = discard) -> Iterator[tuple[Connections, Path]]:
    """Yield a Connections and its run directory; both end with the context.

    ``on_retry`` is called before each retry.
    """
    with (
        open_run_dir() as run_dir,
        Broker(run_dir / "broker") as broker,
        Connections(run_dir, broker, on_retry) as opened,
    ):
        cancel.then(opened.abort)
        yield opened, run_dir


def _acknowledge(order: Order, ledger: Ledger) -> None:
    """Acknowledge the results of this run and of earlier ones, which are now in a written report."""
    if not order.check:
        acknowledgements.send(ledger.sessions(), ledger.reported_runs(order.run))


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _run_id(started: float) -> str:
    return time.strftime("%Y%m%d-%H%M-", time.gmtime(started)) + random_source.token_hex(2)
