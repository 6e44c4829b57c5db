"""The texts at the end of a run, against the mock-ups they are made after."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.hints import Command, parse, render
from provision.model import ChangeLine, Check, Earlier, Failure, HostReport, Report, Stage, Status, Verdict
from provision.report import advice
from provision.report.exit_code import exit_code
from provision.report.layout import Page
from provision.report.text import ping_text, plan_text, provision_text, verify_text
from provision.verbs import VERBS
from tests.unit.changes import seen

PROVEN = tuple(Check(f"Check number {number}.", Verdict.PASSED) for number in range(31))
SYSTEM = "CentOS Stream 9 (x86_64)"
NEW = (
    seen("repository", "docker-ce (centos/9)", after="key 060A…9F35"),
    seen("package", "docker-ce", after="28.5.2"),
    seen("package", "docker-ce-cli", after="28.5.2"),
    seen("package", "containerd.io", after="2.1.9"),
    seen("package", "docker-buildx-plugin", after="0.29.1"),
    seen("package", "docker-compose-plugin", after="2.40.3"),
    seen("file", "/etc/docker/daemon.json", after="7 keys", diff='+ "live-restore": true'),
    seen("service", "docker", after="enabled and started", brief="started"),
)
UPGRADE = (
    seen("package", "docker-ce", "26.1.5", "28.5.2"),
    seen("file", "/etc/docker/daemon.json", "log-driver json-file", "local"),
    seen("restart", "docker", "", "6 containers run; live-restore keeps them", disruptive=True),
)
RIGHT_NAMES = "web-01 web-02 app-01 app-03 db-01 db-03 cache-01 cache-02"
RIGHT = tuple(HostReport(name, Status.OK) for name in RIGHT_NAMES.split())


def changed(name: str, changes: tuple[ChangeLine, ...] = NEW, **values: object) -> HostReport:
    return HostReport(name, Status.CHANGED, changes, **values)  # type: ignore[arg-type]


def report(*hosts: HostReport, command: str = "fab provision", seconds: float = 151.0) -> Report:
    words = VERBS[advice.verb(command)].words
    return Report(
        "20261124-0218-7f3a", command, "inventory/hosts.yml", "2026-11-24T02:18:00Z", seconds, 0, hosts,
        words=words,
    )  # fmt: skip


def silent(name: str, address: str) -> HostReport:
    failure = Failure(
        "no-answer",
        f"no answer on {address}:22, 3 tries in 30 s",
        parse(f"`fab hosts.ping {name}`"),
        Stage.CONNECT,
        meaning="the packet is dropped: host down or security group; not a login problem",
        status=Status.UNREACHABLE,
    )
    return HostReport(name, Status.UNREACHABLE, failure=failure)


def without_repository(name: str) -> HostReport:
    failure = Failure(
        "package",
        "dnf: Curl error (28): Timeout was reached for https://download.docker.com/…",
        parse(f"open egress to 443, or set docker_engine_mirror; then `fab provision --limit {name}`"),
        Stage.CONVERGE,
        meaning="this host cannot reach the repository; web-03 and web-04 can",
        state="undone: nothing changed, its 6 containers run",
    )
    return HostReport(name, Status.FAILED, failure=failure, seconds=72.0)


def broken(name: str) -> HostReport:
    failed = Check("The engine keeps containers alive over a restart.", Verdict.FAILED, "want true is false")
    skipped = Check("A restart policy holds.", Verdict.SKIPPED, "7 other containers run")
    return HostReport(name, Status.FAILED, checks=(*PROVEN[:29], failed, skipped))


PLAN = """\
12 hosts · inventory/hosts.yml

  2 hosts   web-03 web-04                         CentOS Stream 9 (x86_64)
    + repository  docker-ce (centos/9), key 060A…9F35
    + package     docker-ce 28.5.2, docker-ce-cli 28.5.2, containerd.io 2.1.9, +2 plugins
    + file        /etc/docker/daemon.json                              7 keys
    + service     docker                                  enabled and started
  1 host    app-02                                Rocky Linux 9.6 (x86_64)
    ~ package     docker-ce 26.1.5 → 28.5.2
    ~ file        /etc/docker/daemon.json        log-driver json-file → local
    ! restart     docker            6 containers run; live-restore keeps them
  signs     + new  ~ changed  - removed  ! stops or restarts something
  8 hosts up to date       web-01 web-02 app-01 app-03 db-01 db-03 cache-01 cache-02
  1 host  unreachable      db-02    10.0.3.12:22 no answer in 10 s

Plan   3 to change · 8 up to date · 1 unreachable · 12 hosts            4.2 s
Next   fab provision      details: fab plan --diff
"""

RESULT = """\
12 hosts · inventory/hosts.yml · run 20261124-0218-7f3a

UP TO DATE     8   web-01 web-02 app-01 app-03 db-01 db-03 cache-01 cache-02
CHANGED        2   web-03 web-04      5 packages, daemon.json, docker started
                   verified: 31 checks passed each
UNREACHABLE    1
  db-02    no answer on 10.0.3.12:22, 3 tries in 30 s
           means  the packet is dropped: host down or security group; not a login problem
           next   fab hosts.ping db-02
FAILED         1
  app-02   converge · package · after 1 m 12 s
           dnf: Curl error (28): Timeout was reached for https://download.docker.com/…
           means  this host cannot reach the repository; web-03 and web-04 can
           state  undone: nothing changed, its 6 containers run
           next   open egress to 443, or set docker_engine_mirror; then
                  fab provision --limit app-02

Result   8 up to date · 2 changed · 1 failed · 1 unreachable · 12 hosts    2 m 31 s
Report   .provision/latest/report.html
Again    fab provision --limit @last.failed
"""

VERIFY = """\
4 hosts · inventory/hosts.yml · run 20261124-0218-7f3a

VERIFIED       2   el1 el2            31 checks passed each
NOT VERIFIED   2
  el3 el4  29 checks passed, 1 failed, 1 skipped
           failed   The engine keeps containers alive over a restart.
                    want true is false
           skipped  A restart policy holds. (7 other containers run)

Result   2 verified · 2 not verified · 4 hosts                           12 s
Since    run 20261124-0218-7f3a: 1 fixed · 1 drifted · 1 same · 1 new
Report   .provision/latest/report.html
Again    fab verify --limit @last.failed
"""


def test_a_plan_groups_hosts_by_changes_and_ends_with_the_next_command():
    lost = Failure("no-answer", "10.0.3.12:22 no answer in 10 s")
    hosts = (
        changed("web-03", system=SYSTEM),
        changed("web-04", system=SYSTEM),
        changed("app-02", UPGRADE, system="Rocky Linux 9.6 (x86_64)"),
        *RIGHT,
        HostReport("db-02", Status.UNREACHABLE, failure=lost),
    )
    assert plan_text(report(*hosts, command="fab plan", seconds=4.2), width=90) == PLAN


def test_a_run_puts_failures_last_and_says_what_to_type_next():
    proven = [changed(name, checks=PROVEN) for name in ("web-03", "web-04")]
    hosts = (*RIGHT, *proven, silent("db-02", "10.0.3.12"), without_repository("app-02"))
    assert provision_text(report(*hosts), width=90) == RESULT


def test_a_verify_says_what_is_proven_and_what_is_new_since_the_last_run():
    good = [HostReport(name, Status.OK, checks=PROVEN) for name in ("el1", "el2", "el3")]
    before = report(good[0], broken("el2"), good[2])
    now = report(*good[:2], broken("el3"), broken("el4"), command="fab verify", seconds=12.0)
    assert verify_text(now, previous=before) == VERIFY


def test_one_cause_on_several_hosts_is_said_once_with_all_names():
    text = provision_text(report(silent("db-02", "10.0.3.12"), silent("db-04", "10.0.3.14")))
    assert text.count("no answer on") == 1
    assert "  db-02 db-04\n" in text
    assert "fab hosts.ping db-02,db-04" in text


def test_a_name_inside_a_sentence_is_joined_without_its_mark():
    hosts = [
        HostReport(
            name, Status.FAILED, failure=Failure("k", "gone", parse(f"`fab hosts.ping {name}`; then look"))
        )
        for name in ("el1", "el2")
    ]
    assert "next   fab hosts.ping el1,el2; then look" in provision_text(report(*hosts))


def test_a_ping_says_who_answers_and_who_does_not():
    hosts = (HostReport("el1", Status.OK), HostReport("el2", Status.OK), silent("db-02", "10.0.3.12"))
    text = ping_text(report(*hosts, command="fab hosts.ping all --via private"))
    assert "ANSWERING      2   el1 el2\n" in text
    assert "UNREACHABLE    1\n  db-02    no answer on 10.0.3.12:22" in text
    assert "Result   2 answering · 1 unreachable · 3 hosts" in text
    assert text.endswith("Again    fab hosts.ping @last.failed --via private\n")


def test_different_causes_are_never_said_as_one():
    one, other = (
        HostReport(name, Status.FAILED, failure=Failure("package", f"dnf: Curl error ({code})"))
        for name, code in (("a1", 28), ("a2", 6))
    )
    text = provision_text(report(one, other))
    assert "Curl error (28)" in text
    assert "Curl error (6)" in text


def test_a_plan_with_diff_names_every_package_and_shows_the_file():
    text = plan_text(report(changed("web-03"), command="fab plan"), diff=True)
    assert "docker-buildx-plugin 0.29.1" in text
    assert '+ "live-restore": true' in text
    assert "details:" not in text


def test_a_plan_marks_what_goes_away_with_a_minus():
    gone = (seen("package", "docker-ce", "28.5.2", "removed"), seen("file", "/etc/x.json", "", "removed"))
    text = plan_text(report(changed("web-03", gone), command="fab plan"))
    assert "    - package     docker-ce 28.5.2\n" in text
    assert "    - file        /etc/x.json\n" in text
    done = provision_text(report(changed("web-03", gone)))
    assert "x.json removed" in done
    assert "1 package removed" in done


def test_a_repository_that_is_passed_over_is_told_in_the_plan_and_after_it():
    file = "/etc/yum.repos.d/theirs.repo: [docker-ce-stable] https://theirs.example (disabled)"
    host = dataclasses.replace(changed("web-03"), passed_over=(file,))
    for text in (plan_text(report(host, command="fab plan")), provision_text(report(host))):
        assert f"not used: {file}" in " ".join(text.split())


def test_a_refused_host_in_a_plan_keeps_its_next_step():
    failure = Failure("unknown-host-key", "no pin for web1", parse("`fab hosts.trust web1`"), Stage.TRUST)
    text = plan_text(report(HostReport("web1", Status.REFUSED, failure=failure), command="fab plan"))
    assert "  1 host  not touched      web1\n            no pin for web1\n" in text
    assert "next   fab hosts.trust web1" in text


def test_an_error_block_has_cause_evidence_meaning_state_and_next():
    failure = Failure(
        "k", "the cause", ("the hint",), Stage.CONVERGE, "the evidence\nmore", "the meaning", "the state"
    )
    text = provision_text(report(HostReport("a1", Status.FAILED, failure=failure)))
    parts = [
        "converge · k",
        "the cause",
        "the evidence\n",
        "means  the meaning",
        "state  the state",
        "next   the hint",
    ]
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
    assert "more" not in text


def test_a_good_run_ends_with_a_next_command_too():
    assert provision_text(report(*RIGHT)).endswith("Next     fab verify\n")


def test_a_host_with_a_failed_check_is_never_right():
    text = provision_text(
        report(HostReport("el1", Status.OK, checks=(Check("It runs.", Verdict.FAILED, "want a is b"),)))
    )
    assert "FAILED         1" in text
    assert "1 failed · 1 host" in text
    assert "want a is b" in text


def test_a_host_without_any_passed_check_is_not_verified():
    skipped = HostReport("el2", Status.OK, checks=(Check("It runs.", Verdict.SKIPPED, "no engine"),))
    text = verify_text(report(HostReport("el1", Status.OK), skipped, command="fab verify"))
    assert "2 not verified · 2 hosts" in text
    assert "no check was run" in text
    assert "no check passed" in text


def test_skipped_checks_of_a_verified_host_keep_their_reason():
    host = HostReport(
        "el1", Status.OK, checks=(*PROVEN, Check("It restarts.", Verdict.SKIPPED, "6 containers run"))
    )
    text = verify_text(report(host, command="fab verify"))
    assert "31 checks passed, 1 skipped\n" in text
    assert "skipped  It restarts. (6 containers run)" in text


def test_an_advice_is_told_and_its_host_is_verified():
    said = "live-restore is off by choice (docker_engine_daemon_options); containers stop with the engine"
    host = HostReport("el1", Status.OK, checks=(*PROVEN, Check("Containers live on.", Verdict.ADVICE, said)))
    for text in (verify_text(report(host, command="fab verify")), provision_text(report(host))):
        assert "31 checks passed, 1 advice\n" in text
        assert f"advice   {said}" in " ".join(text.split()).replace("advice live", "advice   live")
    assert "1 verified · 1 host" in verify_text(report(host, command="fab verify"))


def test_many_right_hosts_are_named_up_to_a_few_lines():
    hosts = [HostReport(f"web-{number:04}", Status.OK) for number in range(1000)]
    text = provision_text(report(*hosts))
    assert len(text.splitlines()) < 20
    shown = len(re.findall(r"web-\d", text))
    assert f"… and {1000 - shown} more" in text


def test_every_failed_host_is_named_however_many_there_are():
    text = provision_text(report(*(without_repository(f"web-{number:04}") for number in range(300))))
    assert all(f"web-{number:04}" in text for number in range(300))


def test_nothing_from_a_host_acts_on_the_terminal():
    evil = "\x1b[2J\x1b]0;owned\x07\u202e\r\n\ud800\x9b31m"
    failure = Failure(evil, evil, (evil, Command(evil)), Stage.CONVERGE, evil, evil, evil)
    check = Check(evil, Verdict.FAILED, evil)
    change = ChangeLine(evil, evil, evil, diff=evil)
    host = HostReport(evil, Status.FAILED, (change,), (check,), failure, evil)
    todo = HostReport(evil, Status.CHANGED, (seen("file", f"{evil}", evil, evil, diff=evil),), system=evil)
    for text in (
        provision_text(report(host, todo)),
        verify_text(report(host)),
        plan_text(report(host, todo), diff=True),
    ):
        assert all(line.isprintable() for line in text.split("\n"))


def test_a_message_of_many_lines_cannot_look_like_a_line_of_ours():
    failure = Failure("k", "first\nResult   12 up to date")
    text = provision_text(report(HostReport("a1", Status.FAILED, failure=failure)))
    assert len(re.findall("^Result", text, re.MULTILINE)) == 1


def test_without_colour_there_is_no_escape_and_the_words_are_the_same():
    run = report(*RIGHT, changed("web-03"), silent("db-02", "10.0.3.12"), without_repository("app-02"))
    plain, coloured = provision_text(run), provision_text(run, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain
    plan = plan_text(run, colour=True, diff=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", plan) == plan_text(run, diff=True)


def test_ascii_pages_hold_only_ascii():
    run = report(*RIGHT, changed("web-03", NEW), without_repository("app-02"), command="fab plan")
    for text in (plan_text(run, ascii=True), provision_text(run, ascii=True), verify_text(run, ascii=True)):
        assert text.isascii()
    assert "Plan   1 to change - 8 up to date" in plan_text(run, ascii=True)


def test_lines_fit_a_narrow_terminal():
    text = provision_text(report(*RIGHT, changed("web-03"), without_repository("app-02")), width=60)
    assert max(map(len, text.splitlines())) <= 60


@given(st.lists(st.sampled_from(Status), min_size=1, max_size=40))
def test_each_host_is_in_one_bucket_and_buckets_sum_to_the_total(statuses):
    hosts = [HostReport(f"h{number}", status) for number, status in enumerate(statuses)]
    run = report(*hosts)
    for make, label in ((plan_text, "Plan"), (provision_text, "Result"), (verify_text, "Result")):
        text = make(run, width=200)
        (total,) = re.findall(rf"^{label}   (.*hosts?) ", text, re.MULTILINE)
        numbers = [int(number) for number in re.findall(r"\d+", total)]
        assert sum(numbers[:-1]) == numbers[-1] == len(hosts)
        assert all(len(re.findall(rf"\b{host.name}\b", text.split(f"\n{label}")[0])) == 1 for host in hosts)


@given(st.lists(st.sampled_from(Status), max_size=10))
def test_only_hosts_in_their_good_state_exit_with_zero(statuses):
    hosts = [HostReport(str(number), status) for number, status in enumerate(statuses)]
    good = bool(statuses) and set(statuses) <= {Status.OK, Status.CHANGED}
    assert (exit_code(hosts) == 0) is good


@pytest.mark.parametrize(
    ("typed", "hint", "said"),
    [
        ("fab plan --limit web1", "`fab hosts.trust web1`", "fab hosts.trust web1"),
        (
            "provision plan --limit web1",
            "`fab hosts.ping web1`; then look",
            "provision hosts.ping web1; then look",
        ),
        (  # what it has already is not said twice
            "fab uninstall --inventory prod.yml --keyring kdbx",
            "`fab uninstall --limit web1 --inventory prod.yml --plan` shows it; "
            "`fab uninstall --yes` does it",
            "fab uninstall --keyring kdbx --limit web1 --inventory prod.yml --plan shows it; "
            "fab uninstall --inventory prod.yml --keyring kdbx --yes does it",
        ),
        (
            "fab credentials.check -i one.yml --inventory=two.yml",
            "`fab credentials.init`, then `fab credentials.set web1`",
            "fab credentials.init -i one.yml --inventory=two.yml, "
            "then fab credentials.set -i one.yml --inventory=two.yml web1",
        ),
        (
            "provision credentials.set web1",
            "`fab credentials.set web1 -i x`",
            "provision credentials.set web1 -i x",
        ),
        (
            "fab provision --inventory prod.yml --keyring kdbx",
            "`fab credentials.set web1 --kind sudo`",
            "fab credentials.set --inventory prod.yml --keyring kdbx web1 --kind sudo",
        ),
        (
            "provision lab.up",
            "`fab lab.down`, then `fab lab.up`",
            "provision lab.down, then provision lab.up",
        ),
        # not a command: no backticks, or another program
        ("provision plan", "in prose, fab plan shows `df -h`", "in prose, fab plan shows `df -h`"),
        (  # the address that was dialled is the one to go on with, where a command has the option
            "fab provision --via private",
            "`fab hosts.trust web1`, `fab credentials.rotate web1` or `fab credentials.set web1`",
            "fab hosts.trust --via private web1, fab credentials.rotate --via private web1 "
            "or fab credentials.set web1",
        ),
        ("fab plan --via=private", "`fab hosts.ping web1 --via public`", "fab hosts.ping web1 --via public"),
    ],
)
def test_a_hint_is_told_in_the_words_of_the_command_that_was_typed(typed: str, hint: str, said: str) -> None:
    assert render(advice.as_typed(parse(hint), typed)) == said


def told(how: str, failure: Failure | None = None) -> tuple[Earlier, ...]:
    return (
        Earlier("20261124-0100-aaaa", "ops@laptop", 1795485600, how, NEW if not failure else (), failure),
    )


@pytest.mark.parametrize(
    ("earlier", "said"),
    [
        (
            told("finished"),
            "finished without its controller: 5 packages, daemon.json, docker started",
        ),
        (
            told("completed"),
            "was interrupted, and this run completed it: 5 packages, daemon.json, docker started",
        ),
        (told("undone", Failure("k", "the disk is full")), "was undone: the disk is full"),
        (told("finished", Failure("k", "no net")), "failed without its controller: no net"),
    ],
)
def test_a_run_of_before_is_told_under_each_host(earlier: tuple[Earlier, ...], said: str) -> None:
    right = HostReport("web-01", Status.OK, earlier=earlier)
    bad = HostReport("web-02", Status.FAILED, failure=Failure("k", "gone"), earlier=earlier)
    lines = provision_text(report(right, bad), width=160).splitlines()
    assert [line.strip() for line in lines if "earlier" in line] == [
        f"earlier  run 20261124-0100-aaaa of ops@laptop {said}"
    ] * 2


def test_hosts_that_differ_in_what_happened_before_do_not_stand_together() -> None:
    right = HostReport("web-01", Status.OK), HostReport("web-02", Status.OK, earlier=told("finished"))
    assert "web-01 web-02" not in provision_text(report(*right))
    failure = Failure("k", "gone")
    bad = tuple(HostReport(h.name, Status.FAILED, failure=failure, earlier=h.earlier) for h in right)
    assert "web-01 web-02" not in provision_text(report(*bad))


@pytest.mark.parametrize(
    ("command", "label", "counted", "following"),
    [
        (
            "fab hosts.undo all --plan",
            "nothing to undo",
            "1 to change · 1 nothing to undo",
            "fab hosts.undo all",
        ),
        (
            "fab uninstall --limit all --plan --lock-timeout 5",
            "nothing to remove",
            "1 to change · 1 nothing to remove",
            "fab uninstall --limit all --lock-timeout 5",
        ),
    ],
)
def test_the_plan_of_an_undo_and_of_an_uninstall_have_their_own_words(
    command: str, label: str, counted: str, following: str
) -> None:
    planned = report(changed("web-01"), HostReport("web-02", Status.OK), command=command)
    text = plan_text(planned)
    assert f"1 host {label}" in text
    assert counted in text
    assert text.endswith(f"Next   {following}\n")
    assert "Next" not in plan_text(planned, asks=True)


def test_a_plan_that_asks_and_finds_nothing_to_do_says_what_is_next() -> None:
    idle = report(HostReport("web-02", Status.OK), command="fab hosts.undo web-02 --plan")
    assert plan_text(idle, asks=True).endswith("Next   fab verify --limit web-02\n")


def test_an_undo_says_what_was_undone_and_what_to_type_next() -> None:
    command = "fab hosts.undo --yes web-01,web-02 --lock-timeout 9"
    hosts = changed("web-01"), HostReport("web-02", Status.OK)
    good = provision_text(report(*hosts, command=command))
    assert "UNDONE         1   web-01" in good
    assert "UNCHANGED      1   web-02" in good
    assert good.endswith("Next     fab plan --limit web-01,web-02\n")
    bad = provision_text(report(changed("web-01"), without_repository("web-02"), command=command))
    assert bad.endswith("Again    fab hosts.undo @last.failed --yes --lock-timeout 9\n")


def plan_of(*changes: ChangeLine) -> str:
    return plan_text(report(changed("web1", changes), command="fab plan"), width=100)


def test_the_sign_is_the_one_that_the_host_gives():
    words = "changes log-opts, removes debug, default-address-pools"
    text = plan_of(seen("file", "/etc/docker/daemon.json", "", words, sign="~"))
    assert re.search(rf"  ~ file +/etc/docker/daemon.json +{words}\n", text)


def test_what_stops_something_is_marked_whatever_its_sign():
    assert "    ! service     docker" in plan_of(seen("service", "docker", "", "stopped", True, sign="~"))


def test_a_report_without_signs_is_read_by_its_values():
    assert "    - file        /etc/x\n" in plan_of(seen("file", "/etc/x", "there", "removed"))
    assert "    ~ file        /etc/x" in plan_of(seen("file", "/etc/x", "2 keys", "3 keys"))


@pytest.mark.parametrize(
    ("before", "after", "is_said"),
    [
        ("28.5.2", "26.1.5", True),
        ("26.1.5", "28.5.2", False),
        ("9.10.1", "9.9.3", True),
        ("9.9", "9.10", False),
        ("2.0", "2.0~rc1", False),
        ("28.5.2", "installed again", False),
    ],
)
def test_a_downgrade_is_called_one(before: str, after: str, is_said: bool):
    text = plan_of(seen("package", "docker-ce", before, after, sign="~"))
    assert (f"docker-ce {before} → {after} (downgrade)" in text) is is_said


def test_that_a_file_exists_is_not_said_of_one_that_goes():
    text = plan_of(seen("file", "/etc/yum.repos.d/docker-ce.repo", "there", "removed", sign="-"))
    assert "    - file        /etc/yum.repos.d/docker-ce.repo\n" in text


def test_the_signs_are_explained_only_where_there_are_some():
    right = plan_text(report(HostReport("web1", Status.OK), command="fab plan"))
    assert "! stops or restarts something" in plan_of(*UPGRADE)
    assert "signs" not in right


def test_prose_around_a_command_is_folded_and_the_command_stays_whole() -> None:
    hint = parse(
        "see what it says, then: `fab provision --limit web1 --allow-disruption` does it all the same"
    )
    lines = Page(60).hint("next", hint, 2)
    assert [line.strip() for line in lines] == [
        "next   see what it says, then:",
        "fab provision --limit web1 --allow-disruption does",
        "it all the same",
    ]
