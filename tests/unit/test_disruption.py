"""Hosts that would be disrupted: who waits, who is asked, in which order they go, and when that ends."""

import signal
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from provision import rollout, steps
from provision.converge import Arrival, Desk, Order
from provision.host.engine import kept
from provision.model import (
    Check,
    Consent,
    Containers,
    Failure,
    Host,
    HostReport,
    Outcome,
    Session,
    Stage,
    Status,
    Verdict,
)
from provision.run.consent import ONE_BY_ONE, Ask, Pace, Room, Values, Waiting, exactly
from provision.run.interrupts import Cancel
from provision.run.ledger import Ledger
from provision.settings import Settings
from provision.steps import Clock, Run, Target
from provision.verbs import VERBS
from tests.unit.changes import harm, seen

HARMS = (harm(kept.RESTART, ("db", "web"), 2),)
RESTART = seen("restart", "docker", "", "restarted", disruptive=True)
QUIET = Outcome(received=True)


def consent(name: str) -> Consent:
    return Consent(f"digest of {name}", (f"id of {name}",), HARMS)


def refusal(name: str, kind: str = "disruption-refused") -> Outcome:
    failure = Failure(kind, "this would disrupt", stage=Stage.CONVERGE, status=Status.REFUSED)
    return Outcome(failure=failure, received=True, consent=consent(name))


class Quiet:
    """A view that shows nothing, and keeps the order in which hosts ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def stage(self, host: str, stage: Stage, note: str = "") -> None:
        pass

    def done(self, host: str, status: Status) -> None:
        self.ended.append(host)

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()


class Fleet:
    """Played hosts: ``lived`` ones refuse until their consent comes back; ``broken`` ones then fail."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *names: str, lived: str = "", broken: str = ""
    ) -> None:
        self.names, self.lived, self.broken = names, lived.split(), broken.split()
        self.changed: set[str] = set()
        self.calls: list[tuple[str, ...]] = []
        self.proven: list[str] = []
        self.moved: set[str] = set()
        self.view = Quiet()
        monkeypatch.setattr(steps, "converge_all", self.converge)
        monkeypatch.setattr(steps, "verify_all", self.verify)

    def converge(
        self, arrivals: Iterable[Arrival], desk: Desk, order: Order, **_: Any
    ) -> Generator[tuple[str, Outcome], None, None]:
        came = tuple(arrivals)
        self.calls.append(tuple(session.host.name for session, _ in came))
        for session, values in came:
            yield session.host.name, self.outcome(session.host.name, values.get("consent"))

    def outcome(self, name: str, given: Mapping[str, Any] | None) -> Outcome:
        if name not in self.lived:
            return QUIET
        if given is None:
            return refusal(name)
        wanted = consent(name)
        if name in self.moved or given != {"digest": wanted.digest, "ids": list(wanted.ids)}:
            return refusal(name, "plan-changed")
        if name in self.broken:
            return Outcome(failure=Failure("engine-not-healthy", "no", status=Status.FAILED), received=True)
        self.changed.add(name)
        return Outcome((RESTART,), containers=Containers(1, ("db",)), received=True)

    def verify(
        self, arrivals: Iterable[tuple[Session, bool]], run_dir: Path, cancelled: Callable[[], bool],
        on_checks: Callable[[str, tuple[Check, ...]], None], *, strict: bool,
    ) -> None:  # fmt: skip
        for session, _ in arrivals:
            self.proven.append(session.host.name)
            on_checks(session.host.name, (Check("it runs", Verdict.PASSED),))

    def walk(
        self, ask: Ask | None, pace: Pace = ONE_BY_ONE, verb: str = "provision"
    ) -> dict[str, HostReport]:
        hosts = tuple(Host(name, "192.0.2.1") for name in self.names)
        self.cancel = Cancel()
        self.cancel.begin()
        order, ledger = Order("r", VERBS[verb].words), Ledger(hosts, self.view)
        settings = Settings((), Path(), Path(), Path())
        desk = Desk(1, self.cancel.is_set)
        run = Run(order, ledger, self.cancel, Clock(), settings, Room(ask, pace), desk=desk)
        arrivals = (Target(Session(host, Path("/nowhere"))) for host in hosts)
        rollout.roll_out((steps.converge, steps.verify), run, arrivals)
        return {report.name: report for report in ledger.reports()}


def all_of(waiting: tuple[Waiting, ...]) -> Mapping[str, Values]:
    return {each.name: exactly(each.consent) for each in waiting}


def test_a_host_where_nothing_runs_is_never_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> Mapping[str, Values]:
        raise AssertionError

    fleet = Fleet(monkeypatch, "web1", "web2")
    assert {each.status for each in fleet.walk(fail).values()} == {Status.OK}


def test_all_others_are_done_and_proven_before_anybody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, "app1", "web1", "app2", "web2", lived="app1 app2")
    asked: list[list[str]] = []

    def ask(waiting: tuple[Waiting, ...]) -> Mapping[str, Values]:
        assert fleet.proven == ["web1", "web2"]
        asked.append([each.name for each in waiting])
        return all_of(waiting)

    reports = fleet.walk(ask)
    assert asked == [["app1", "app2"]]
    assert {name: str(each.status) for name, each in reports.items()} == {
        "app1": "changed", "web1": "ok", "app2": "changed", "web2": "ok",
    }  # fmt: skip
    assert fleet.proven == ["web1", "web2", "app1", "app2"]
    assert reports["app1"].containers == Containers(1, ("db",))


def test_without_anybody_to_ask_they_are_refused_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = Fleet(monkeypatch, "app1", "web1", lived="app1")
    reports = fleet.walk(None)
    assert (reports["app1"].status, reports["web1"].status) == (Status.REFUSED, Status.OK)
    assert reports["app1"].consent == consent("app1")
    assert fleet.changed == set()
    assert fleet.calls == [("app1", "web1")]


def test_a_no_leaves_them_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, "app1", "web1", lived="app1")
    reports = fleet.walk(lambda _: {})
    assert (reports["app1"].status, fleet.changed) == (Status.REFUSED, set())


@pytest.mark.parametrize(("serial", "batches"), [(1, ["app1", "app2", "app3"]), (2, ["app1 app2", "app3"])])
def test_they_go_one_at_a_time_unless_serial_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, serial: int, batches: list[str]
) -> None:
    fleet = Fleet(monkeypatch, "app1", "app2", "app3", lived="app1 app2 app3")
    fleet.walk(all_of, Pace(serial))
    assert [" ".join(call) for call in fleet.calls[1:]] == batches


def test_the_first_that_fails_spares_those_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, "app1", "app2", "app3", lived="app1 app2 app3", broken="app2")
    reports = fleet.walk(all_of)
    assert [str(each.status) for each in reports.values()] == ["changed", "failed", "refused"]
    assert fleet.changed == {"app1"}
    failure = reports["app3"].failure
    assert failure
    assert (failure.kind, failure.state) == ("disruption-stopped", "nothing was changed")
    assert "app2" in failure.message


@pytest.mark.parametrize(
    ("pace", "changed"),
    [(Pace(), "app1"), (Pace(max_fail=2), "app1 app3"), (Pace(max_fail=40, percent=True), "app1 app3")],
)
def test_others_are_spared_after_as_many_failures_as_were_allowed(
    monkeypatch: pytest.MonkeyPatch, pace: Pace, changed: str
) -> None:
    names = ("app1", "app2", "app3", "app4", "app5")
    fleet = Fleet(monkeypatch, *names, lived=" ".join(names), broken="app2 app4")
    failure = fleet.walk(all_of, pace)["app5"].failure
    assert fleet.changed == set(changed.split())
    assert failure
    by = "app2" if pace == ONE_BY_ONE else "app2, app4"
    assert failure.message == f"app5 was not touched, because {by} failed before it"


def test_an_agreed_plan_that_has_changed_is_refused_and_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = Fleet(monkeypatch, "app1", lived="app1")
    fleet.moved = {"app1"}
    reports = fleet.walk(all_of)
    failure = reports["app1"].failure
    assert failure
    assert (reports["app1"].status, failure.kind) == (Status.REFUSED, "plan-changed")
    assert len(fleet.calls) == 2


def test_a_host_hears_what_was_agreed_to_and_not_what_it_would_do_by_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = Fleet(monkeypatch, "app1", lived="app1")
    reports = fleet.walk(lambda _: {"app1": exactly(Consent("of an earlier plan", (), HARMS))})
    failure = reports["app1"].failure
    assert failure
    assert (failure.kind, fleet.changed) == ("plan-changed", set())


def test_a_host_that_is_spared_is_told_the_command_of_its_own_run(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, "app1", "app2", lived="app1 app2", broken="app1")
    failure = fleet.walk(all_of, verb="uninstall")["app2"].failure
    assert failure
    assert failure.hint.endswith("fab uninstall --limit app2")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_question_ends_it_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    fleet = Fleet(monkeypatch, "app1", "web1", lived="app1")

    def ask(waiting: tuple[Waiting, ...]) -> Mapping[str, Values]:
        fleet.cancel.trigger(number, None)
        return all_of(waiting)

    reports = fleet.walk(ask)
    assert (reports["app1"].status, reports["web1"].status) == (Status.REFUSED, Status.OK)
    assert (fleet.changed, fleet.cancel.exit_code) == (set(), 128 + number)
