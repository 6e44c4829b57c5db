"""A plan that is carried out always ends with a result, whatever cannot be looked at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision.host.engine.service import Enabled
from provision.host.ground.change import Change
from provision.host.ground.errors import HostError, as_host_error
from provision.host.ground.machine import Machine, Ran
from provision.host.runs import history, run


class Step(Change):
    """A Change of which nothing is known to work."""

    name = "service docker"
    after = "started"

    def __init__(self, apply: Callable[[], Any] = str, look: Callable[[], Any] = str) -> None:
        self.apply = apply  # type: ignore[method-assign]
        self.look = look  # type: ignore[method-assign]

    def undo(self) -> None:
        """Do nothing."""


class Watching(Step):
    """A Change that cannot say what became of the containers."""

    @property
    def outcome(self) -> Any:  # type: ignore[override]
        """Fail."""
        return _late()


def _late() -> Any:
    raise HostError("timed-out", "systemctl did not finish in 60 s")


def carried_out(tmp_path: Path, *steps: Change) -> tuple[dict[str, Any], history.Past]:
    machine, result = Machine(str(tmp_path)), {"error": None, "changed": False}
    run.carry_out(machine, {"run": "r1", "who": "me", "lock_timeout_s": 0}, list(steps), result)
    return result, history.Past(machine, "r1")


def test_what_cannot_be_examined_after_an_undo_is_unknown_in_the_result(tmp_path: Path) -> None:
    result, past = carried_out(tmp_path, Step(look=_late), Step(apply=_late))
    assert result["error"]["state"] == (
        "not known to be as it was: service docker (systemctl did not finish in 60 s)"
    )
    assert (result["undone"], result["changed"]) == (["service docker"] * 2, True)
    assert past.result == result


def test_what_is_not_back_is_said_before_what_could_not_be_looked_at(tmp_path: Path) -> None:
    result, _ = carried_out(tmp_path, Step(look=_late), Step(look=lambda: "file /x"), Step(apply=_late))
    assert result["error"]["state"] == (
        "not undone: file /x; not known to be as it was: service docker (systemctl did not finish in 60 s)"
    )


def test_a_run_whose_containers_cannot_be_examined_still_has_a_result(tmp_path: Path) -> None:
    for steps in ((Watching(),), (Watching(), Step(apply=_late))):
        result, past = carried_out(tmp_path, *steps)
        assert result["containers"] is None
        assert past.result == result


def test_the_changes_are_described_as_they_were_planned(tmp_path: Path) -> None:
    step = Step()
    step.apply = lambda: setattr(step, "before", "started")  # type: ignore[method-assign]
    result, _ = carried_out(tmp_path, step)
    assert result["changes"][0]["before"] == ""


class Systemctl(Machine):
    """A systemd that refuses to enable, or disable, a unit."""

    def run(self, argv: list[str], *_: Any, **__: Any) -> Ran:  # type: ignore[override]
        """Answer systemctl."""
        if argv[1] == "show":
            return Ran(
                0, "Id=docker.service\nLoadState=loaded\nActiveState=active\nUnitFileState=disabled\n", ""
            )
        return Ran(1, "", "Failed to enable unit: Access denied\n")


def test_a_unit_that_cannot_be_enabled_is_a_failure_and_looked_at(tmp_path: Path) -> None:
    machine = Systemctl(str(tmp_path))

    class Found:
        enabled = True

        def words(self) -> str:
            return "enabled and started"

    step = Enabled(machine, Found(), False)
    with pytest.raises(HostError) as caught:
        step.apply()
    assert caught.value.evidence == "Failed to enable unit: Access denied"
    assert step.look() == "docker is disabled and started"


class Unspeakable(Exception):
    """As on Python 2.7, where the text of an exception has to be ASCII."""

    def __str__(self) -> str:
        return "ü".encode("ascii").decode()


def test_an_exception_that_cannot_be_told_is_told_by_its_repr() -> None:
    assert as_host_error(Unspeakable("größe")).evidence == "Unspeakable: Unspeakable('größe')"
