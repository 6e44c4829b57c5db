"""How Ansible's events become one Outcome a host."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from provision.converge import Listener, Order, _inventory
from provision.host.ground.change import line
from provision.model import Earlier, Host, Outcome, Session, Status
from provision.verbs import VERBS
from tests.unit.changes import seen


def event(kind: str, host: str = "web1", action: str = "docker_engine", **result: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"host": host, "task_action": action, "res": result}}


def outcome(
    *events: dict[str, Any], said: str = "", cancelled: bool = False, verb: str = "provision"
) -> Outcome:
    heard: dict[str, Outcome] = {}
    listener = Listener(heard.__setitem__, lambda: cancelled, VERBS[verb].words)
    for one in events:
        assert listener.hear(one) is False
    assert listener.all_of(("web1",), said) == heard
    return heard["web1"]


def test_a_task_before_ours_says_nothing_of_the_host() -> None:
    validated = event("runner_on_ok", action="ansible.builtin.validate_argument_spec", changed=False)
    found = outcome(validated, said="ERROR! ansible-playbook was killed\n")
    assert found.failure
    assert (found.failure.status, found.failure.evidence) == (
        Status.UNKNOWN,
        "ERROR! ansible-playbook was killed",
    )


def test_our_task_says_what_changed() -> None:
    change = line("package", "docker-ce", "", "28.5.2", "+")
    found = outcome(event("runner_on_ok", changes=[change], system="CentOS Stream 10 (x86_64)"))
    assert found.failure is None
    assert (found.system, found.changes[0].after) == ("CentOS Stream 10 (x86_64)", "28.5.2")


def test_a_failure_of_any_task_is_a_failure_of_the_host() -> None:
    failed = event("runner_on_failed", action="ansible.builtin.validate_argument_spec", msg="bad argument")
    found = outcome(failed)
    assert found.failure
    assert (found.failure.kind, found.failure.message) == ("unexpected", "bad argument")


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
    found = outcome(event("runner_on_failed", error=error))
    assert found.failure
    assert (found.failure.kind, found.failure.status) == (kind, status)
    assert (found.failure.hint, found.failure.state) == ("fab hosts.shell web1", "s")


def test_a_lost_connection_is_unreachable_unless_the_run_was_stopped() -> None:
    lost = event("runner_on_unreachable", msg="Shared connection closed")
    found, stopped = outcome(lost), outcome(lost, cancelled=True)
    assert found.failure
    assert stopped.failure
    assert (found.failure.kind, stopped.failure.kind) == ("connection-lost", "interrupted")


LOST = event("runner_on_unreachable", msg="Shared connection closed")


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
    failure = outcome(LOST, verb=verb).failure
    assert failure
    assert failure.hint == hint


@pytest.mark.parametrize(
    ("verb", "again"), [("hosts.undo", "fab hosts.undo web1"), ("uninstall", "fab uninstall --limit web1")]
)
def test_the_advice_of_a_host_names_the_command_that_was_typed(verb: str, again: str) -> None:
    error = {"kind": "disk-full", "message": "m", "hint": "make room, then: `again`"}
    failure = outcome(event("runner_on_failed", error=error), verb=verb).failure
    assert failure
    assert failure.hint == f"make room, then: {again}"


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
    failure = outcome(event("runner_on_failed", error=error), verb=verb).failure
    assert failure
    assert failure.hint == f"{again} --allow-disruption does it"


def test_earlier_runs_of_a_host_come_with_its_outcome() -> None:
    change = line("file", "x", "", "1 key", "+")
    error = {"kind": "k", "message": "m", "hint": "then: fab provision"}
    runs = [
        {"run": "r1", "who": "w", "at": 5, "how": "finished", "changes": [change], "error": None},
        {"run": "r2", "who": "w", "at": 6, "how": "undone", "changes": [], "error": error},
    ]
    first, second = outcome(event("runner_on_ok", earlier=runs)).earlier
    assert first == Earlier("r1", "w", 5, "finished", (seen("file", "x", "", "1 key", sign="+"),))
    assert second.failure
    assert second.failure.message == "m"


def test_what_the_command_asks_for_stands_above_the_inventory() -> None:
    desired = {"docker_engine_state": "present", "docker_engine_version": "28.5.2"}
    session = Session(Host("web1", "192.0.2.1", desired=desired), Path("/nowhere"))
    order = Order("a-run", VERBS["uninstall"].words, values={"state": "absent", "lock_timeout": 7})
    text = _inventory((session,), order).replace("!unsafe", "")
    values = yaml.safe_load(text)["all"]["hosts"]["web1"]
    assert {name: value for name, value in values.items() if name.startswith("docker_engine_")} == {
        "docker_engine_run": "a-run",
        "docker_engine_what": "uninstall",
        "docker_engine_state": "absent",
        "docker_engine_lock_timeout": 7,
        "docker_engine_version": "28.5.2",
    }
