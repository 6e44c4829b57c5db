"""Who takes something away shows the plan first, and wants somebody to agree."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from provision.errors import UsageError
from provision.model import Change, HostReport, Report, Status
from provision.pipeline import Request
from provision.report.files import write
from provision.settings import Settings
from provision.tasks import consent, runs
from provision.tasks.consent import Question, plan_then_do
from provision.tasks.project import Flags

REQUEST = Request("undo", "fab hosts.undo web1", "web1")
QUESTION = Question("The last run is undone on {hosts}.")
TO_DO = HostReport("web1", Status.CHANGED, (Change("file x"),))


class Road:
    """Stands for the road: gives the planned hosts, and keeps what was asked for."""

    def __init__(self, *hosts: HostReport) -> None:
        self.hosts = hosts
        self.walked: list[tuple[bool, str]] = []

    def carry_out(self, request: Request, flags: Flags, manner: runs.Manner) -> Report:
        self.walked.append((request.only_plan, request.typed))
        return Report("r", request.typed, "", "", 0.0, 0, self.hosts)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    project = Settings((), tmp_path, tmp_path, tmp_path, interactive=True)
    monkeypatch.setattr(consent, "settings", lambda _: project)


def ask(monkeypatch: pytest.MonkeyPatch, road: Road, answer: str = "", **flags: bool) -> int:
    monkeypatch.setattr(runs, "carry_out", road.carry_out)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    return plan_then_do(REQUEST, Flags(), QUESTION, **({"plan": False, "yes": False} | flags))


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
    assert capsys.readouterr().err == "The last run is undone on 1 host. Type yes to do it: "


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
    plan_then_do(request, Flags(), QUESTION, plan=False, yes=True)
    assert road.walked == [
        (True, "fab hosts.undo @first.failed --plan"),
        (False, "fab hosts.undo @first.failed"),
    ]
