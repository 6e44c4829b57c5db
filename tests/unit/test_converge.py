"""How the answer of a shard becomes one Outcome a host, and what is asked of the host."""

import json
from pathlib import Path
from typing import Any

import pytest

from provision.converge import Order, job
from provision.converge.outcome import not_begun, of_answer, without_answer
from provision.host.ground.change import line
from provision.model import Earlier, Failure, Host, Outcome, Session, Status
from provision.verbs import VERBS
from tests.unit.changes import seen


def outcome(verb: str = "provision", **result: Any) -> Outcome:
    return of_answer("web1", VERBS[verb].words, {"host": "web1", "result": result})


def failure(verb: str = "provision", **answer: Any) -> Failure:
    found = of_answer("web1", VERBS[verb].words, answer).failure
    assert found
    return found


def test_a_host_whose_shard_ended_is_unknown() -> None:
    found = without_answer("web1", VERBS["provision"].words, cancelled=False).failure
    assert found
    assert (found.status, found.state.partition(":")[0]) == (Status.UNKNOWN, "unknown")


@pytest.mark.parametrize("said", ["ERROR! no such plugin\nplay ended\n", "trace\nERROR! no such plugin"])
def test_a_host_that_no_shard_took_has_failed_with_ansibles_reason(said: str) -> None:
    found = not_begun("web1", VERBS["provision"].words, said, cancelled=False).failure
    assert found
    assert (found.status, found.state) == (Status.FAILED, "nothing was changed")
    assert found.evidence == "ERROR! no such plugin"
    assert found.hint == "fab hosts.ping web1; then: fab provision --limit web1"


def test_an_interrupted_host_that_no_shard_took_is_unchanged() -> None:
    found = not_begun("web1", VERBS["provision"].words, "", cancelled=True).failure
    assert found
    assert (found.kind, found.state) == ("interrupted", "nothing was changed")


def test_the_result_says_what_changed() -> None:
    change = line("package", "docker-ce", "", "28.5.2", "+")
    found = outcome(changes=[change], system="CentOS Stream 10 (x86_64)")
    assert found.failure is None
    assert (found.system, found.changes[0].after) == ("CentOS Stream 10 (x86_64)", "28.5.2")


@pytest.mark.parametrize(("kind", "status"), [("not-root", Status.REFUSED), ("disk-full", Status.FAILED)])
def test_a_typed_error_keeps_its_kind_and_its_hint_names_the_host(kind: str, status: Status) -> None:
    refused = status is Status.REFUSED
    error = {
        "kind": kind,
        "refused": refused,
        "message": "m",
        "hint": "`fab hosts.shell {host}`",
        "evidence": "e",
        "state": "s",
    }
    found = failure(error=error)
    assert (found.kind, found.status) == (kind, status)
    assert (found.hint, found.state) == ("fab hosts.shell web1", "s")


def test_a_lost_connection_is_unreachable_and_a_stopped_run_is_not() -> None:
    stopped = without_answer("web1", VERBS["provision"].words, cancelled=True).failure
    assert stopped
    assert (failure(lost="ssh ended").kind, stopped.kind) == ("connection-lost", "interrupted")


@pytest.mark.parametrize(
    ("verb", "hint"),
    [
        ("provision", "fab hosts.ping web1; then: fab provision --limit web1"),
        ("uninstall", "fab hosts.ping web1; then: fab uninstall --limit web1"),
        # an undo that came to its end would be taken back by a second one
        ("hosts.undo", "fab hosts.ping web1; then: fab plan --limit web1"),
    ],
)
def test_what_to_type_for_a_lost_host_harms_nothing_that_came_to_its_end(verb: str, hint: str) -> None:
    assert failure(verb, lost="ssh ended").hint == hint


@pytest.mark.parametrize(
    ("verb", "again"), [("hosts.undo", "fab hosts.undo web1"), ("uninstall", "fab uninstall --limit web1")]
)
def test_the_advice_of_a_host_names_the_command_that_was_typed(verb: str, again: str) -> None:
    error = {"kind": "disk-full", "message": "m", "hint": "make room, then: `again`"}
    assert failure(verb, error=error).hint == f"make room, then: {again}"


@pytest.mark.parametrize(
    ("verb", "again"),
    [
        ("provision", "fab provision --limit web1"),
        ("hosts.undo", "fab hosts.undo web1"),
        ("uninstall", "fab uninstall --limit web1"),
    ],
)
def test_consent_is_advised_for_one_host_alone(verb: str, again: str) -> None:
    error = {"kind": "k", "message": "m", "hint": "`again {host} --allow-disruption` does it"}
    assert failure(verb, error=error).hint == f"{again} --allow-disruption does it"


def test_earlier_runs_of_a_host_come_with_its_outcome() -> None:
    change = line("file", "x", "", "1 key", "+")
    error = {"kind": "k", "message": "m", "hint": "then: fab provision"}
    runs = [
        {"run": "r1", "who": "w", "at": 5, "how": "finished", "changes": [change], "error": None},
        {"run": "r2", "who": "w", "at": 6, "how": "undone", "changes": [], "error": error},
    ]
    first, second = outcome(earlier=runs).earlier
    assert first == Earlier("r1", "w", 5, "finished", (seen("file", "x", "", "1 key", sign="+"),))
    assert second.failure
    assert second.failure.message == "m"


def request(desired: dict[str, Any], own: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    session = Session(Host("web1", "192.0.2.1", desired=desired), Path("/nowhere"))
    found = job((session, own or {}), Order("a-run", VERBS["uninstall"].words, values=values))
    assert found.answer is None
    return dict(found.request)


def test_what_the_command_asks_for_stands_above_the_inventory() -> None:
    desired = {"docker_engine_state": "present", "docker_engine_version": "28.5.2"}
    found = request(desired, state="absent", lock_timeout=7)
    assert (found["run"], found["what"], found["lock_timeout_s"]) == ("a-run", "uninstall", 7)
    assert (found["desired"]["state"], found["desired"]["version"]) == ("absent", "28.5.2")


def test_what_is_asked_of_one_host_stands_above_all() -> None:
    assert request({}, {"disruption": "allow"}, disruption="refuse")["disruption"] == "allow"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"docker_engine_lock_timeout": "soon"}, "bad-variable"),
        ({"docker_engine_gpg_key": "/nowhere/key"}, "no-key-file"),
    ],
)
def test_a_value_that_cannot_be_sent_is_that_hosts_error(value: dict[str, str], kind: str) -> None:
    session = Session(Host("web1", "192.0.2.1", desired=value), Path("/nowhere"))
    found = job((session, {}), Order("a-run", VERBS["provision"].words))
    assert found.answer
    assert found.answer["error"]["kind"] == kind


def test_a_secret_is_sent_by_its_name_alone() -> None:
    desired = {"docker_engine_daemon_options": {"proxies": {"http-proxy": {"secret": "proxy"}}}}
    session = Session(Host("web1", "192.0.2.1", desired=desired), Path("/nowhere"), None, {"proxy": "token"})
    found = job((session, {}), Order("a-run", VERBS["provision"].words))
    assert json.dumps(found.request).count('"secret": "proxy"') == 1
    assert found.row["secret_tokens"] == {"proxy": "token"}
