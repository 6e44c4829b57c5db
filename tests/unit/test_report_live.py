"""What is told while a run goes on, to people and to programs."""

import io
import json
import threading

import pytest

from provision.model import HostReport, Report, Stage, Status
from provision.report.advice import again, carry_out, same_hosts, show_diff, verb
from provision.report.buckets import words_of
from provision.report.jsonl import Stream
from provision.report.layout import Page
from provision.report.live import MOST_RUNNING_LINES, Live
from provision.run.ledger import View
from provision.verbs import VERBS
from tests.unit.changes import seen


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def live(stream: io.StringIO, total: int = 2, verb: str = "provision", clock: Clock | None = None) -> Live:
    words = words_of(VERBS[verb].words, is_plan=VERBS[verb].plans)
    return Live(verb, total, words=words, stream=stream, page=Page(80), clock=clock or Clock())


def test_without_a_terminal_each_finished_host_is_one_plain_line():
    stream, clock = io.StringIO(), Clock()
    with live(stream, clock=clock) as view:
        view.stage("web1", Stage.CONNECT)
        clock.now += 10
        view.stage("web1", Stage.CONVERGE)
        clock.now += 2
        view.done("web1", Status.CHANGED)
        view.done("web1", Status.CHANGED)
        view.done("web2", Status.OK)
    assert stream.getvalue() == "web1  changed  12 s\nweb2  up to date  12 s\n"


@pytest.mark.parametrize(
    ("typed", "word"), [("plan", "to change"), ("provision", "changed"), ("verify", "verified")]
)
def test_the_words_are_those_of_the_table(typed, word):
    stream = io.StringIO()
    live(stream, verb=typed).done("web1", Status.CHANGED)
    assert stream.getvalue().startswith(f"web1  {word}  ")


@pytest.mark.parametrize("running", [0, 1, MOST_RUNNING_LINES, 12_000])
def test_the_view_is_as_high_for_12_hosts_as_for_12_000(running):
    view = live(Terminal(), 12_000)
    for number in range(running):
        view.stage(f"web{number}", Stage.CONNECT)
    assert len(view.lines()) == MOST_RUNNING_LINES + 2


def test_the_view_counts_finished_hosts_and_shows_running_stages():
    clock = Clock()
    view = live(Terminal(), 3, clock=clock)
    view.stage("web1", Stage.CONNECT)
    view.stage("web2", Stage.CONVERGE, "installs packages")
    clock.now += 3
    view.done("web1", Status.CHANGED)
    head, first, *_ = [line for line, _ in view.lines()]
    assert head == "provision  1 of 3 hosts finished · 1 changed · 3.0 s"
    assert first.split("  ")[1:] == ["web2", "", "", "", "", "converge", "installs packages", "3.0 s"]


def test_on_a_terminal_the_view_is_gone_at_the_end(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with live(stream) as view:
        view.stage("web1", Stage.CONNECT, "[red]\x1b]0;owned\x07")
        view.done("web2", Status.OK)
    shown = stream.getvalue()
    assert "[red]" in shown
    assert "\x1b]0;owned" not in shown
    assert "web2  up to date" not in shown
    assert shown.endswith("\x1b[1A\x1b[2K")


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with live(stream) as view:
        view.done("web1", Status.FAILED)
    assert stream.getvalue() == "web1  failed  0.0 s\n"


def test_lines_of_many_threads_stay_whole():
    stream = io.StringIO()
    view = live(stream, 200)
    threads = [threading.Thread(target=view.done, args=(f"h{number:03}", Status.OK)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [f"h{number:03}  up to date  0.0 s" for number in range(200)]
    assert sorted(stream.getvalue().splitlines()) == lines


def test_the_json_stream_tells_start_stages_hosts_and_end():
    out = io.StringIO()
    stream = Stream(out)
    progress: View = stream
    stream.start("r1", "provision", ["web1"])
    progress.stage("web1", Stage.CONNECT, "one\nline \x1b")
    progress.done("web1", Status.CHANGED)
    host = HostReport("web1", Status.CHANGED, (seen("package", "docker-ce", "", "28.5.2"),))
    stream.finish(Report("r1", "provision", "i", "2026-11-24T02:18:00Z", 1.0, 0, (host,)))
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["start", "stage", "done", "host", "end"]
    assert {event["schema"] for event in events} == {1}
    assert events[1] == {
        "schema": 1,
        "event": "stage",
        "name": "web1",
        "stage": "connect",
        "note": "one\nline \x1b",
    }
    change = {"name": "package docker-ce", "before": "", "after": "28.5.2", "disruptive": False, "sign": "+"}
    assert events[3]["changes"] == [change]
    assert events[4]["exit_code"] == 0
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("fab provision", "fab provision --limit @last.failed"),
        ("fab provision --limit web1", "fab provision --limit @last.failed"),
        ("fab provision -l web1 -i x.yml", "fab provision -i x.yml --limit @last.failed"),
        ("fab provision --limit=web1 --via private", "fab provision --via private --limit @last.failed"),
        ("provision verify", "provision verify --limit @last.failed"),
        ("fab plan -i w --via p -l w", "fab plan -i w --via p --limit @last.failed"),
        ("fab -e provision -l web1", "fab -e provision --limit @last.failed"),
    ],
)
def test_the_failed_hosts_are_run_again_with_the_same_options(typed, expected):
    assert again(typed) == expected


def test_a_plan_is_carried_out_for_the_hosts_it_was_made_for():
    typed = "fab plan --limit 'web*' --diff --detailed-exitcode"
    assert carry_out(typed) == "fab provision --limit 'web*'"
    assert show_diff("fab plan -i a.yml") == "fab plan -i a.yml --diff"
    assert (
        same_hosts("fab provision -i a.yml --fresh --limit=el1", "verify")
        == "fab verify -i a.yml --limit=el1"
    )
    assert verb(typed) == verb("provision plan") == "plan"
