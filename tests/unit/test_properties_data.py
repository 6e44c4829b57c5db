"""What goes in as data comes out as data: YAML for Ansible, HTML, JUnit, JSON, pins, what a host answers."""

import base64
import io
import json
import re
import shlex
import subprocess
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provision import converge, trust
from provision.checks import facts
from provision.checks.questions import Answer
from provision.converge.outcome import of_answer
from provision.errors import InventoryError, UsageError
from provision.hints import Command
from provision.inventory import host_values
from provision.model import (
    ChangeLine,
    Check,
    Credential,
    Failure,
    Host,
    HostKey,
    HostReport,
    Outcome,
    Report,
    Secret,
    Session,
    Stage,
    Status,
    Verdict,
)
from provision.report import past
from provision.report.files import write
from provision.report.jsonl import Stream
from provision.report.junit import junit_text
from provision.report.layout import clean, clean_lines
from provision.report.record import report_from, report_record
from provision.report.text import plan_text, provision_text, verify_text
from provision.report.webpage import page_text
from provision.ssh import answer, errors
from provision.wording import EARLIER
from tests.unit import hostile

STEPS = settings(max_examples=50)


# --- JSON: what is asked of a host, on its way through a shard ----------------------------------------------


@STEPS
@given(hostile.os_text, hostile.json_of(hostile.os_text))
@example("{{ 7*7 }}", {"{{ 7*7 }}": ["{{ lookup('pipe', 'id') }}", "{% raw %}"]})
@example("!unsafe x", {"a: b": "- c", "no": None, "0x1": "1e3", "x": "2001-01-01"})
def test_every_value_reaches_the_host_code_as_it_was(text, value):
    options = {"key": value}
    desired = {"docker_engine_version": text, "docker_engine_daemon_options": options}
    session = Session(Host("web1", "192.0.2.1", desired=desired), Path("/nowhere"))
    found = converge.job((session, {}), converge.Order("a-run", EARLIER))
    line = json.dumps({"session": found.row, "request": found.request}).encode() + b"\n"
    assert line.count(b"\n") == 1
    sent = json.loads(line)["request"]["desired"]
    assert (sent["version"], sent["daemon_options"]) == (text, json.loads(json.dumps(options)))


@given(hostile.json_value)
def test_an_accepted_value_holds_no_template_and_no_control_character(value):
    with suppress(InventoryError):
        values = {"docker_engine_x": value}
        host = host_values.host("web1", {"ansible_host": "192.0.2.1", **values}, (), "public")
        assert dict(host.desired) == values
        text = json.dumps(value, ensure_ascii=False)
        assert not {"{{", "{%", "{#"} & {text[at : at + 2] for at in range(len(text))}


# --- a report: HTML, JUnit XML, JSON, the terminal ----------------------------------------------------------

WORDS = hostile.text
HINTS = st.lists(WORDS | st.builds(Command, WORDS), max_size=3).map(tuple)
FAILURES = st.builds(
    Failure, kind=WORDS, message=WORDS, next=HINTS, stage=st.sampled_from(Stage), evidence=WORDS,
    meaning=WORDS, state=WORDS, status=st.sampled_from([Status.FAILED, Status.REFUSED, Status.UNREACHABLE]),
)  # fmt: skip
CHANGES = st.builds(
    ChangeLine, name=WORDS, before=WORDS, after=WORDS, disruptive=st.booleans(), diff=WORDS, sign=WORDS,
    kind=WORDS, subject=WORDS, brief=WORDS, implied=st.lists(WORDS, max_size=2).map(tuple),
)  # fmt: skip
CHECKS = st.builds(Check, name=WORDS, verdict=st.sampled_from(Verdict), detail=WORDS)
HOSTS = st.builds(
    HostReport, name=WORDS, status=st.sampled_from(Status), changes=st.lists(CHANGES, max_size=2).map(tuple),
    checks=st.lists(CHECKS, max_size=2).map(tuple), failure=st.none() | FAILURES, system=WORDS,
    seconds=st.floats(0, 1e5),
)  # fmt: skip
TYPED = st.lists(hostile.os_text, max_size=2).map(lambda words: shlex.join(["fab", "verify", *words]))
REPORTS = st.builds(
    Report, run=st.just("20261124-0218-7f3a"), command=TYPED, inventory=WORDS,
    started=st.just("2026-11-24T02:18:00Z"), seconds=st.floats(0, 1e5), exit_code=st.integers(0, 63),
    hosts=st.lists(HOSTS, min_size=1, max_size=2, unique_by=lambda host: host.name).map(tuple),
    stages=st.just({"read": 0.5}),
)  # fmt: skip


class Page(HTMLParser):
    """Keeps a page's tags and its text apart."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, *attributes))

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.tags.append(("comment", data))

    def handle_pi(self, data):
        self.tags.append(("instruction", data))


TAGS = {"html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "ul", "li", "b", "code",
        "main", "details", "summary", "span", "pre", "dl", "dt", "dd", "br"}  # fmt: skip


@STEPS
@given(REPORTS)
def test_a_page_holds_a_hosts_words_as_text_and_never_as_a_tag(report):
    page = Page(page_text(report))
    assert {tag for tag, *_ in page.tags} <= TAGS
    attributes = {name for _, *rest in page.tags for name, _ in rest}
    assert attributes <= {"lang", "charset", "name", "content", "http-equiv", "class", "open"}
    shown = " ".join(page.text.split())
    for failure in (host.failure for host in report.hosts if host.failure):
        assert " ".join(clean(failure.message).split()) in shown


@STEPS
@given(REPORTS)
def test_junit_gives_every_word_back(report):
    root = ElementTree.fromstring(junit_text(report))
    assert root.get("name") == clean(report.command)
    for suite, host in zip(root, report.hosts, strict=True):
        cases = suite.findall("testcase")
        assert [case.get("name") for case in cases[: len(host.checks)]] == [
            clean(c.name) for c in host.checks
        ]
        details = [case.find("*").get("message") for case in cases if case.find("failure") is not None]
        assert details == [clean(check.detail) for check in host.checks if check.verdict is Verdict.FAILED]
        if host.failure:
            error = cases[-1].find("error")
            assert (error.get("message"), error.get("type")) == (
                clean(host.failure.message),
                clean(host.failure.kind),
            )
            assert clean_lines(host.failure.evidence) in (error.text or "")


@STEPS
@given(REPORTS, st.sampled_from([plan_text, provision_text, verify_text]), st.booleans())
def test_nothing_that_a_host_says_acts_on_a_terminal(report, make, ascii_only):
    text = make(report, width=80, ascii=ascii_only)
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.isascii() or not ascii_only


@settings(max_examples=25)
@given(REPORTS)
def test_a_report_is_read_back_as_it_was_written(tmp_path_factory, report):
    state = tmp_path_factory.mktemp("state")
    place = write(report, state, {host.name: host.system for host in report.hosts})
    assert report_record(past.load(state)) == report_record(report)
    logs = {path.name for path in (place / "hosts").iterdir()}
    assert len(list(place.rglob("*"))) == 4 + len(logs)


@STEPS
@given(
    hostile.json_value,
    st.dictionaries(st.sampled_from(["hosts", "schema", "run", "stages"]), hostile.json_value),
)
def test_a_report_of_any_shape_is_read_or_refused(tmp_path_factory, value, parts):
    state = tmp_path_factory.mktemp("state")
    (state / "latest").mkdir()
    whole = {
        "schema": 1,
        "run": "r",
        "command": "c",
        "started": "s",
        "seconds": 1,
        "exit_code": 0,
        "hosts": [],
    }
    for record in (value, whole | parts, whole | {"hosts": [value]}):
        (state / "latest/report.json").write_text(json.dumps(record))
        with suppress(UsageError):
            past.failed_hosts(state)


@given(REPORTS)
def test_each_line_of_the_stream_is_one_object(report):
    out = io.StringIO()
    Stream(out).finish(report)
    lines = [json.loads(line) for line in out.getvalue().split("\n") if line]
    assert [line["name"] for line in lines[:-1]] == [host.name for host in report.hosts]
    assert lines[-1]["command"] == report.command


# --- pins ---------------------------------------------------------------------------------------------------

BLOBS = st.binary(min_size=32, max_size=32).map(lambda seed: b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + seed)
KEYS = BLOBS.map(lambda blob: base64.b64encode(blob).decode())
COMMENT = hostile.os_text.map(lambda text: "# " + text.replace("\n", "").replace("\r", ""))


@pytest.fixture(scope="module")
def quick():
    """Do not wait for the disk; whether data survive a power cut is not the question here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield


@pytest.mark.usefixtures("quick")
@STEPS
@given(st.lists(COMMENT, max_size=3), hostile.name, st.lists(KEYS, min_size=2, max_size=2, unique=True))
def test_a_pin_is_read_back_and_the_other_lines_stay(tmp_path_factory, comments, name, keys):
    pins = tmp_path_factory.mktemp("pins") / "known_hosts"
    pins.write_text("".join(f"{line}\n" for line in comments), newline="")
    old, new = (HostKey(name, "ssh-ed25519", key, "tofu") for key in keys)
    trust.record(pins, old)
    trust.record(pins, new, replace=old.fingerprint)
    assert trust.read_pins(pins) == {name: (new,)}
    with pins.open(newline="") as file:
        assert file.read().split("\n")[:-2] == comments


@pytest.mark.usefixtures("quick")
@settings(max_examples=15)
@given(hostile.name, KEYS)
def test_openssh_finds_the_pin_that_was_recorded(tmp_path_factory, name, key):
    pins = tmp_path_factory.mktemp("pins") / "known_hosts"
    trust.record(pins, HostKey(name, "ssh-ed25519", key))
    trust.record(pins, HostKey("other", "ssh-ed25519", key)) if name.lower() != "other" else None
    done = subprocess.run(["ssh-keygen", "-F", name, "-f", pins], capture_output=True, text=True, check=True)
    assert [line for line in done.stdout.splitlines() if line[0] != "#"] == [
        f"{name} ssh-ed25519 {key} trust=console"
    ]


@given(hostile.text)
@example("web1 ssh-ed25519 AAAA")
@example("* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==")
def test_any_pins_file_is_read_or_refused(tmp_path_factory, text):
    pins = tmp_path_factory.mktemp("pins") / "known_hosts"
    pins.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(InventoryError):
        assert all(host_values.check_name(name) is None for name in trust.read_pins(pins))


# --- what a host, or ssh, says ------------------------------------------------------------------------------


ANSWER = {
    "changed": True, "changes": [], "earlier": [], "error": None, "system": "s", "undone": [],
    "installed": False, "consent": None, "containers": None, "waited": [], "mirrors": [], "passed_over": [],
    "locked": None, "reboot": None,
}  # fmt: skip
STEP = {"name": "n", "before": "", "after": "a", "disruptive": False, "diff": "", "sign": "+"}
ERROR = {"kind": "k", "message": "m", "hint": "", "evidence": "", "meaning": "", "state": ""}
RUN = {"run": "r", "who": "w", "at": 5, "how": "finished", "changes": [STEP], "error": ERROR}


def bent(record):
    """Return ``record`` with some values replaced by anything, and maybe one more."""
    more = st.dictionaries(hostile.text, hostile.json_value, max_size=1)
    words = dict.fromkeys(record, hostile.text | hostile.json_value)
    return st.tuples(st.fixed_dictionaries({}, optional=words), more).map(lambda p: record | p[0] | p[1])


LINES = st.fixed_dictionaries({}, optional={
    "changes": st.lists(bent(STEP), max_size=2) | hostile.json_value,
    "error": bent(ERROR) | hostile.json_value,
    "system": hostile.json_value,
    "undone": st.lists(hostile.text, max_size=2) | hostile.json_value,
    "locked": hostile.json_value,
    "reboot": hostile.json_value,
    "earlier": st.lists(bent(RUN), max_size=2) | hostile.json_value,
    "ansible_facts": st.just({"ansible_connection": "local"}),
})  # fmt: skip


@settings(max_examples=150)
@given(LINES, WORDS)
@example({"ansible_facts": {"x": 1}, "add_host": {}}, "")
@example({"changes": [{"name": 5, "before": None, "after": [], "diff": {}}]}, "")
@example({"earlier": [RUN | {"at": float("inf")}]}, "")
def test_whatever_a_host_answers_is_words_in_the_report(lines, noise):
    result = answer.task_result(answer.read(f"{noise}\n{json.dumps(ANSWER | lines)}\n{noise}", noise))
    assert set(result) <= {*ANSWER, "heard", "diff", "failed", "msg"}
    outcome = of_answer("web1", EARLIER, {"result": result})
    text_only(outcome)
    host = HostReport(
        "web1", Status.FAILED, outcome.changes, (), outcome.failure, outcome.system, 1.0, outcome.earlier
    )
    report = Report("r", "fab plan", "", "", 0, 0, (host,))
    page_text(report)
    plan_text(report, width=80, diff=True)
    assert report_from(json.loads(json.dumps(report_record(report)))).hosts[0].name == "web1"


def text_only(outcome: Outcome):
    words = [outcome.system, *(word for run in outcome.earlier for word in (run.run, run.who, run.how))]
    for end in (outcome, *outcome.earlier):
        words += [word for c in end.changes for word in (c.name, c.before, c.after, c.diff)]
        if end.failure:
            f = end.failure
            words += [f.kind, f.message, f.hint, f.evidence, f.meaning, f.state]
    assert {type(word) for word in words} == {str}
    assert not [word for word in words if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", word)]


@given(WORDS, WORDS)
def test_an_answer_is_found_among_whatever_else_a_host_prints(before, after):
    line = json.dumps(ANSWER, sort_keys=True)
    assert answer.read(f"{before}\n{line}\n{after}", "") == ANSWER | {"heard": True}


@given(WORDS, st.sampled_from([Credential(), Credential(password=Secret("x"))]))
@example("root@x: Permission denied (publickey).{0} {name}", Credential())
def test_whatever_ssh_says_is_one_typed_error(said, credential):
    key = HostKey("web1", "ssh-ed25519", "AAAA")
    failure = errors.explain(Host("web1", "192.0.2.1"), key, credential, said).failure
    assert failure.message
    assert failure.hint
    assert len(failure.evidence) <= 200


FACTS = ("info", "silence", "client_version", "owners", "signing_keys", "trusted_keys", "units",
         "docker_repositories", "main", "daemon", "security", "can_validate", "refuses_configuration",
         "is_swarm")  # fmt: skip
INFO = st.fixed_dictionaries({}, optional={
    "ServerVersion": WORDS, "ServerErrors": st.lists(WORDS), "SecurityOptions": st.lists(WORDS, max_size=2),
    "Swarm": st.dictionaries(WORDS, WORDS, max_size=2),
})  # fmt: skip
SAID = WORDS | hostile.json_value.map(json.dumps) | INFO.map(json.dumps)


@given(st.lists(SAID, min_size=len(facts.PROBE), max_size=len(facts.PROBE)))
def test_whatever_a_host_says_of_itself_can_be_read(said):
    found = facts.Facts({name: Answer(0, text) for name, text in zip(facts.PROBE, said, strict=True)})
    for name in FACTS:
        getattr(found, name)
