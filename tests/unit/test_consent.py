"""Who takes something away shows the plan first, and wants somebody to agree."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from provision.errors import UsageError
from provision.host.engine import kept, service
from provision.model import Consent, Host, HostReport, Outcome, Report, Session, Status
from provision.pipeline import Request
from provision.report.files import write
from provision.report.jsonl import Stream
from provision.report.layout import Page
from provision.run.consent import ANYTHING, Ask, Waiting, exactly
from provision.settings import Settings
from provision.workflows import consent, runs
from provision.workflows.consent import Agreed, Question, asker, plan_then_do
from provision.workflows.options import pace_of
from provision.workflows.project import Flags
from tests.unit.changes import harm, seen

REQUEST = Request("hosts.undo", "fab hosts.undo web1", "web1")
QUESTION = Question("The last run is undone on {hosts}.")
TO_DO = HostReport("web1", Status.CHANGED, (seen("file", "x"),))


class Road:
    """Replaces a run: returns the planned hosts, and keeps the requests."""

    def __init__(self, *hosts: HostReport) -> None:
        self.hosts = hosts
        self.walked: list[tuple[bool, str]] = []
        self.asks: list[Ask | None] = []

    def carry_out(self, request: Request, flags: Flags, manner: runs.Manner) -> Report:
        self.walked.append((request.only_plan, request.typed))
        self.asks.append(manner.ask(Stream(io.StringIO())))
        return Report("r", request.typed, "", "", 0.0, 0, self.hosts)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    project = Settings((), tmp_path, tmp_path, tmp_path, interactive=True)
    monkeypatch.setattr(consent, "settings", lambda _: project)


def ask(monkeypatch: pytest.MonkeyPatch, road: Road, answer: str = "", **flags: bool) -> int:
    monkeypatch.setattr(runs, "carry_out", road.carry_out)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    agreed = Agreed(flags.get("yes", False), flags.get("disruption", False))
    return plan_then_do(REQUEST, Flags(), QUESTION, plan=flags.get("plan", False), agreed=agreed)


PLAN, DO = (True, "fab hosts.undo web1 --plan"), (False, "fab hosts.undo web1")


def test_without_a_terminal_nothing_is_even_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    road = Road(TO_DO)
    with pytest.raises(UsageError) as caught:
        ask(monkeypatch, road, "yes\n")
    assert road.walked == []
    assert "fab hosts.undo web1 --plan" in caught.value.failure.hint
    assert "fab hosts.undo web1 --yes" in caught.value.failure.hint


def test_who_has_agreed_beforehand_sees_the_plan_and_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    road = Road(TO_DO)
    assert ask(monkeypatch, road, yes=True) == 0
    assert road.walked == [PLAN, DO]


def test_only_a_plan_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    road = Road(TO_DO)
    assert ask(monkeypatch, road, plan=True, yes=True) == 0
    assert road.walked == [(True, "fab hosts.undo web1")]


@pytest.mark.usefixtures("terminal")
def test_a_person_is_asked_after_the_plan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    road = Road(TO_DO)
    ask(monkeypatch, road, "yes\n")
    assert road.walked == [PLAN, DO]
    assert capsys.readouterr().err == "The last run is undone on 1 host. Type yes to go on: "


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("answer", ["", "\n", "no\n", "y\n", "YES\n"])
def test_any_other_answer_changes_nothing(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    road = Road(TO_DO)
    with pytest.raises(UsageError, match="not confirmed"):
        ask(monkeypatch, road, answer)
    assert road.walked == [PLAN]


@pytest.mark.usefixtures("terminal")
def test_nobody_is_asked_when_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    road = Road(HostReport("web1", Status.OK))
    assert ask(monkeypatch, road) == 0
    assert road.walked == [PLAN]


@pytest.mark.usefixtures("terminal")
def test_the_last_run_is_meant_that_was_the_last_before_the_plan(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(
        Report("first", "fab hosts.undo all", "", "", 0.0, 2, (replace(TO_DO, status=Status.FAILED),)),
        tmp_path,
        {},
    )
    road = Road(TO_DO)
    request = replace(REQUEST, typed="fab hosts.undo @last.failed", limit="@last.failed")
    monkeypatch.setattr(runs, "carry_out", road.carry_out)
    plan_then_do(request, Flags(), QUESTION, plan=False, agreed=Agreed(yes=True))
    assert road.walked == [
        (True, "fab hosts.undo @first.failed --plan"),
        (False, "fab hosts.undo @first.failed"),
    ]


SEEN = Consent("a digest", ("an id",), (harm(kept.RESTART, ("db", "web"), 2),))


def waiting(name: str, consent: Consent = SEEN) -> Waiting:
    return Waiting(Session(Host(name, "192.0.2.1"), Path("/nowhere")), Outcome(), consent)


def test_a_yes_beforehand_is_none_to_a_disruption(monkeypatch: pytest.MonkeyPatch) -> None:
    road = Road(TO_DO)
    ask(monkeypatch, road, yes=True)
    assert road.asks == [None, None]


@pytest.mark.usefixtures("terminal")
def test_a_yes_beforehand_asks_nobody_at_a_terminal_either(monkeypatch: pytest.MonkeyPatch) -> None:
    road = Road(TO_DO)
    ask(monkeypatch, road, yes=True)
    assert road.asks == [None, None]


def test_both_flags_agree_to_a_disruption(monkeypatch: pytest.MonkeyPatch) -> None:
    road = Road(TO_DO)
    ask(monkeypatch, road, yes=True, disruption=True)
    agrees = road.asks[1]
    assert agrees
    assert agrees((waiting("web1"), waiting("web2"))) == {"web1": ANYTHING, "web2": ANYTHING}


@pytest.mark.usefixtures("terminal")
def test_an_answer_at_the_plan_agrees_to_just_the_plan_that_was_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    road = Road(replace(TO_DO, consent=SEEN))
    ask(monkeypatch, road, "yes\n")
    agrees = road.asks[1]
    assert agrees
    assert agrees((waiting("web1"), waiting("web2"))) == {"web1": exactly(SEEN)}
    assert agrees((waiting("web1", replace(SEEN, ids=("another",))),)) == {"web1": exactly(SEEN)}


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("answer", "names"), [("yes\n", {"app-02", "db"}), ("no\n", set()), ("", set())])
def test_the_question_names_hosts_and_harms(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, names: set[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    monkeypatch.setattr(consent, "page_for", lambda *_: Page(100))
    asks = asker(Flags(), allow=False)(Stream(io.StringIO()))
    assert asks
    one = harm(service.UNITS_RESTART, ("app.service\x1b[2J",), 1)
    many = harm(kept.RESTART, tuple(f"c{number}" for number in range(10)), 12)
    assert set(asks((waiting("app-02", replace(SEEN, harms=(many, one))), waiting("db")))) == names
    assert capsys.readouterr().err.splitlines()[:4] == [
        "2 hosts would be disrupted:",
        "  app-02  12 containers restart: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, …",
        "          1 unit restarts with docker.service: app.service\\x1b[2J",
        "  db      2 containers restart: db, web",
    ]


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(consent, "settings", lambda _: Settings((), tmp_path, tmp_path, tmp_path))
    assert asker(Flags(), allow=False)(Stream(io.StringIO())) is None


@pytest.mark.parametrize("text", ["0", "-1", "all"])
def test_a_serial_that_is_no_number_of_hosts_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--serial"):
        pace_of(text, "")


@pytest.mark.parametrize("text", ["0", "0%", "101%", "half", "%"])
def test_a_max_fail_that_is_no_number_and_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--max-fail"):
        pace_of("", text)


def test_failures_are_allowed_by_number_or_by_share() -> None:
    assert pace_of("", "").most(100) == 1
    assert pace_of("2", "3").most(100) == 3
    assert [pace_of("", "10%").most(hosts) for hosts in (1, 10, 11, 200)] == [1, 1, 2, 20]
