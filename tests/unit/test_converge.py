"""How Ansible's events become one Outcome a host."""

from typing import Any

import pytest

from provision.converge import Listener
from provision.model import Outcome, Status


def event(kind: str, host: str = "web1", action: str = "docker_engine", **result: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"host": host, "task_action": action, "res": result}}


def outcome(*events: dict[str, Any], said: str = "", cancelled: bool = False) -> Outcome:
    heard: dict[str, Outcome] = {}
    listener = Listener(heard.__setitem__, lambda: cancelled)
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
    change = {"name": "package docker-ce", "before": "", "after": "28.5.2", "disruptive": False, "diff": ""}
    found = outcome(event("runner_on_ok", changes=[change], system="CentOS Stream 10 (x86_64)"))
    assert found.failure is None
    assert (found.system, found.changes[0].after) == ("CentOS Stream 10 (x86_64)", "28.5.2")


def test_a_failure_of_any_task_is_a_failure_of_the_host() -> None:
    failed = event("runner_on_failed", action="ansible.builtin.validate_argument_spec", msg="bad argument")
    found = outcome(failed)
    assert found.failure
    assert (found.failure.kind, found.failure.message) == ("unexpected", "bad argument")


@pytest.mark.parametrize(("kind", "status"), [("lock-held", Status.REFUSED), ("disk-full", Status.FAILED)])
def test_a_typed_error_keeps_its_kind_and_its_hint_names_the_host(kind: str, status: Status) -> None:
    error = {"kind": kind, "message": "m", "hint": "fab hosts.shell NAME", "evidence": "e", "state": "s"}
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
