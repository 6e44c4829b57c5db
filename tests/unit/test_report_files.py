"""What a run leaves in .provision/, and what later runs read from it."""

import json
import stat
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from provision.errors import ReportNotWritten, StateUnusable, UsageError
from provision.hints import parse
from provision.host.engine import kept
from provision.model import (
    ChangeLine,
    Check,
    Consent,
    Containers,
    Earlier,
    Failure,
    HostReport,
    Report,
    Stage,
    Status,
    Verdict,
)
from provision.report.changes import sign
from provision.report.files import expect_room, log_name, write
from provision.report.junit import junit_text
from provision.report.past import failed_hosts, last_with_checks, load
from provision.report.record import report_from, report_record
from provision.report.text import provision_text
from provision.report.webpage import page_text
from tests.unit.changes import harm, seen

EVIL = "<script>alert(1)</script>\x1b[2J\x00\ud800\ufffe{{ 7*7 }}]]>&amp;\"'"
FAILURE = Failure(
    "package", "dnf failed", parse("`fab plan`"), Stage.CONVERGE, "Curl error (28)", "no way", "undone"
)
CHECKS = (
    Check("It runs.", Verdict.PASSED, "", 0.1),
    Check("It logs.", Verdict.FAILED, "want a is b"),
    Check("It waits.", Verdict.SKIPPED, "why"),
)
HOSTS = (
    HostReport(
        "el1", Status.CHANGED, (seen("package", "docker-ce", "", "28.5.2", diff="secret"),), seconds=2.0
    ),
    HostReport("el2", Status.FAILED, checks=CHECKS),
    HostReport("el3", Status.FAILED, failure=FAILURE, seconds=1.25),
)
RUN = Report(
    "20261124-0218-7f3a", "provision", "i.yml", "2026-11-24T02:18:00Z", 3.5, 2, HOSTS, {"converge": 2.0}
)


def hostile_run() -> Report:
    failure = Failure(EVIL, EVIL, (EVIL,), Stage.CONVERGE, EVIL, EVIL, EVIL)
    change = ChangeLine(EVIL, EVIL, EVIL, diff=EVIL)
    host = HostReport(
        EVIL, Status.FAILED, (change,), (Check(EVIL, Verdict.FAILED, EVIL),), failure, EVIL, 1.0
    )
    return replace(RUN, hosts=(host,), command="fab provision --via '<b>'")


def test_report_json_is_schema_1(tmp_path):
    record = json.loads((write(RUN, tmp_path, {}) / "report.json").read_text())
    assert {key: record[key] for key in record if key != "hosts"} == {
        "schema": 1,
        "run": "20261124-0218-7f3a",
        "command": "provision",
        "started": "2026-11-24T02:18:00Z",
        "seconds": 3.5,
        "exit_code": 2,
        "stages": {"converge": 2.0},
    }
    assert record["hosts"][0] == {
        "name": "el1",
        "status": "changed",
        "system": "",
        "changes": [
            {"name": "package docker-ce", "before": "", "after": "28.5.2", "disruptive": False, "sign": "+"}
        ],
        "checks": [],
        "error": None,
        "seconds": 2.0,
        "earlier": [],
        "disrupts": [],
        "containers": None,
        "waited_for": [],
        "mirrors": [],
        "passed_over": [],
    }
    told = {"name": "It logs.", "passed": False, "verdict": "failed", "detail": "want a is b"}
    assert record["hosts"][1]["checks"][1] == told
    error = record["hosts"][2]["error"]
    assert {word: error[word] for word in ("kind", "message", "hint")} == {
        "kind": "package", "message": "dnf failed", "hint": "fab plan",
    }  # fmt: skip
    assert set(error) == {"kind", "message", "hint", "evidence", "meaning", "state"}


def test_only_the_owner_can_read_a_run(tmp_path):
    run_dir = write(RUN, tmp_path / "state", {"el1": "log"})
    places = [run_dir, *run_dir.rglob("*")]
    modes = {place.name: stat.S_IMODE(place.stat().st_mode) for place in places}
    assert modes.pop(run_dir.name) == modes.pop("hosts") == 0o700
    assert modes == dict.fromkeys(("report.json", "junit.xml", "report.html", "el1.log"), 0o600)


def test_latest_points_at_the_newest_run_by_a_relative_link(tmp_path):
    write(RUN, tmp_path, {})
    write(replace(RUN, run="20261124-0300-aaaa"), tmp_path, {})
    assert (tmp_path / "latest").readlink().as_posix() == "runs/20261124-0300-aaaa"
    assert sorted(place.name for place in tmp_path.iterdir()) == ["latest", "runs"]


def test_a_run_can_be_written_again(tmp_path):
    write(RUN, tmp_path, {"el1": "first"})
    run_dir = write(RUN, tmp_path, {"el1": "second"})
    assert (run_dir / "hosts" / "el1.log").read_text() == "second"


def test_a_log_stays_in_its_directory_and_cannot_act(tmp_path):
    run_dir = write(RUN, tmp_path, {"../../../evil": "a\x1b[2Jb\nc\n"})
    (log,) = (run_dir / "hosts").iterdir()
    assert log.read_text() == "a\\x1b[2Jb\nc\n"
    assert log_name("..") == "...log"
    assert log_name("el1.example-net_1") == "el1.example-net_1.log"


def test_junit_has_a_suite_a_host_and_a_case_a_check(tmp_path):
    root = ElementTree.parse(write(RUN, tmp_path, {}) / "junit.xml").getroot()
    suites = {suite.get("name"): suite for suite in root}
    counts = {key: suites["el2"].get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "3", "failures": "1", "errors": "0", "skipped": "1"}
    assert [case.get("name") for case in suites["el2"]] == ["It runs.", "It logs.", "It waits."]
    assert suites["el2"].find(".//failure").get("message") == "want a is b"
    error = suites["el3"].find(".//error")
    assert (error.get("type"), error.get("message")) == ("package", "dnf failed")
    assert suites["el3"].get("errors") == "1"


class Tags(HTMLParser):
    """Collects the tags and what they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.refers: set[str] = set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.refers |= {name for name, _ in attributes if name in ("src", "href", "onclick", "onload")}


def test_the_page_is_self_contained_and_fits_a_phone(tmp_path):
    text = (write(RUN, tmp_path, {}) / "report.html").read_text()
    page = Tags()
    page.feed(text)
    assert "script" not in page.tags
    assert not page.refers
    assert 'name="viewport"' in text
    assert "prefers-color-scheme: dark" in text
    assert text.index("want a is b") < text.index("package docker-ce")


def test_hostile_text_is_text_in_every_file(tmp_path):
    run_dir = write(hostile_run(), tmp_path, {EVIL: EVIL})
    ElementTree.parse(run_dir / "junit.xml")
    page = Tags()
    text = (run_dir / "report.html").read_text()
    page.feed(text)
    assert "script" not in page.tags
    assert "&lt;script&gt;" in text
    assert "{{ 7*7 }}" in text
    for name in ("report.json", "junit.xml", "report.html"):
        assert "\x1b" not in (run_dir / name).read_text()
    assert load(tmp_path).hosts[0].name == EVIL


def test_a_state_directory_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises(ReportNotWritten) as caught:
        write(RUN, tmp_path, {})
    assert "runs" in caught.value.failure.message
    assert caught.value.failure.hint


def test_a_place_with_room_is_left_as_it_is(tmp_path):
    expect_room(tmp_path / "below" / ".provision")
    assert list(tmp_path.iterdir()) == []


def test_a_place_without_room_or_with_a_file_in_it_is_refused_by_name(tmp_path, monkeypatch):
    (tmp_path / ".provision").write_text("")
    with pytest.raises(StateUnusable, match="not a directory"):
        expect_room(tmp_path / ".provision" / "x")
    monkeypatch.setattr("provision.report.files.ROOM_BYTES", 1 << 60)
    with pytest.raises(StateUnusable, match="no room") as caught:
        expect_room(tmp_path / "x")
    assert caught.value.failure.hint == f"make room: df -h {tmp_path}"


def test_a_run_reads_back_as_it_was_recorded(tmp_path):
    write(RUN, tmp_path, {})
    again = load(tmp_path)
    assert [host.status for host in again.hosts] == [host.status for host in HOSTS]
    assert [check.passed for check in again.hosts[1].checks] == [True, False, None]
    assert again.hosts[1].checks[1].verdict is Verdict.FAILED
    assert again.hosts[2].failure.kind == "package"


def test_a_change_that_is_read_back_keeps_its_sign_and_what_it_disrupts():
    changes = (
        ChangeLine("setting daemon.json", "debug", "removes debug", sign="-"),
        ChangeLine("service docker", "", "restarted", disruptive=True, sign="~"),
    )
    earlier = Earlier("r", "ops@laptop", 1, "finished", changes)
    record = report_record(replace(RUN, hosts=(HostReport("el1", Status.OK, changes, earlier=(earlier,)),)))
    (again,) = report_from(record).hosts
    assert (again.changes, again.earlier[0].changes) == (changes, changes)
    assert [sign(change) for change in again.changes] == ["-", "!"]
    for change in record["hosts"][0]["changes"]:
        del change["sign"], change["disruptive"]
    assert report_from(record).hosts[0].changes[1] == ChangeLine("service docker", "", "restarted")


def test_a_report_of_before_that_knows_no_verdict_is_read():
    record = report_record(RUN)
    for check in record["hosts"][1]["checks"]:
        del check["verdict"]
    verdicts = [check.verdict for check in report_from(record).hosts[1].checks]
    assert verdicts == [Verdict.PASSED, Verdict.FAILED, Verdict.SKIPPED]


def test_an_advice_is_in_every_form_and_a_failure_in_none():
    check = Check("It lives on.", Verdict.ADVICE, "off by choice")
    run = replace(RUN, hosts=(HostReport("el1", Status.OK, checks=(CHECKS[0], check)),))
    record = report_record(run)
    told = {"name": "It lives on.", "passed": None, "verdict": "advice", "detail": "off by choice"}
    assert record["hosts"][0]["checks"][1] == told
    assert report_from(record).hosts[0].checks[1].verdict is Verdict.ADVICE
    suite = ElementTree.fromstring(junit_text(run))[0]
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    assert suite[1][0].attrib == {"message": "advice: off by choice"}
    page = page_text(run)
    assert "! advice It lives on." in page
    assert '<li class="bad"' not in page


def test_failed_hosts_of_the_last_run_and_of_a_named_one(tmp_path):
    write(RUN, tmp_path, {})
    write(replace(RUN, run="20261124-0300-aaaa", hosts=HOSTS[:1]), tmp_path, {})
    assert failed_hosts(tmp_path) == ()
    assert failed_hosts(tmp_path, RUN.run) == ("el2", "el3")


@pytest.mark.parametrize("run", ["20990101-0000-0000", "../..", "", ".."])
def test_a_run_that_is_not_there_is_a_usage_error(tmp_path, run):
    with pytest.raises(UsageError) as caught:
        failed_hosts(tmp_path, run)
    assert caught.value.failure.hint


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2}', '{"schema": 1}', "\xff"])
def test_a_report_that_cannot_be_read_is_a_usage_error(tmp_path, text):
    place = write(RUN, tmp_path, {}) / "report.json"
    place.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path)


def test_a_verify_is_compared_with_the_newest_run_that_checked(tmp_path):
    assert last_with_checks(tmp_path) is None
    write(RUN, tmp_path, {})
    write(replace(RUN, run="20261124-0300-aaaa", hosts=HOSTS[:1]), tmp_path, {})
    (write(replace(RUN, run="20261124-0400-bbbb"), tmp_path, {}) / "report.json").write_text("{")
    assert last_with_checks(tmp_path).run == RUN.run


def test_page_and_record_name_disruptions_and_the_fate_of_the_containers():
    harms = (harm(kept.RESTART, ("db", "<web>"), 2),)
    waits = HostReport(
        "el1", Status.CHANGED, (seen("restart", "docker"),), consent=Consent("d", ("i",), harms)
    )
    went = HostReport("el2", Status.FAILED, containers=Containers(3, ("db",), ("once",)))
    report = Report("r", "fab provision", "", "", 1.0, 2, (waits, went))
    page = page_text(report)
    assert "needs consent: 2 containers restart: db, &lt;web&gt;" in page
    assert "5 containers: 3 untouched, 1 restarted, 1 lost (once)" in page
    first, second = report_record(report)["hosts"]
    assert [(harm["what"], harm["count"]) for harm in first["disrupts"]] == [("containers restart", 2)]
    assert second["containers"] == {
        "untouched": 3, "restarted": ("db",), "lost": ("once",), "silent": ()
    }  # fmt: skip
    assert "running  5 containers: 3 untouched, 1 restarted, 1 lost (once)" in provision_text(report)
