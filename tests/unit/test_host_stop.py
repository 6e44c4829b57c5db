"""Containers that are stopped before their engine goes: which, in which order, and what comes back."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.host import plans
from provision.host.engine import kept, stop
from provision.host.engine.unit import NONE, State
from provision.host.ground.errors import HostError
from provision.host.ground.files import FileChange
from tests.unit.played_engine import FILE, PlayedEngine, played_engine

UNIT: Any = SimpleNamespace(
    active=True, enabled=True, active_state="active", loaded=True, words=lambda: "", live_restore_flag=None,
    state=State(True, True, []), disturbed=list,
)  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "COMES_BACK_S", 0)


@pytest.fixture
def engine() -> Iterator[PlayedEngine]:
    with played_engine() as engine:
        engine.add("web", started="2026-01-01T00:00:02Z")
        engine.add("db", started="2026-01-01T00:00:01Z")
        yield engine


def test_what_was_stopped_is_started_again_in_its_original_order(engine: PlayedEngine) -> None:
    (step,) = stop.plan(engine, UNIT)
    (record,) = step.records()
    assert record["ids"] == ["db", "web"]
    step.apply()
    step.undo()
    assert engine.started == ["db", "web"]
    step.apply()
    (back,) = stop.plan_back(engine, record["ids"])
    back.apply()
    assert engine.started == ["db", "web"] * 2
    back.undo()
    assert not any(each["State"]["Running"] for each in engine.containers.values())


def test_a_container_started_with_rm_is_reported_lost_and_stays_gone(engine: PlayedEngine) -> None:
    engine.add("job", rm=True, started="2026-01-01T00:00:03Z")
    (step,) = stop.plan(engine, UNIT)
    assert step.harms() == [
        (stop.STOP, ["db", "web"]), (kept.LOST, ["job"]),
    ]  # fmt: skip
    assert step.records() == [{"kind": "containers", "ids": ["db", "web"]}]
    step.apply()
    step.undo()
    assert engine.started == ["db", "web"]


def test_a_container_that_fails_to_start_is_named_and_others_are_started(engine: PlayedEngine) -> None:
    (step,) = stop.plan(engine, UNIT)
    step.apply()
    engine.refuses = {"db"}
    with pytest.raises(HostError) as caught:
        step.undo()
    assert (caught.value.evidence, engine.started) == ("db (no such network)", ["web"])


def test_what_another_container_has_replaced_is_not_started_again(engine: PlayedEngine) -> None:
    (step,) = stop.plan(engine, UNIT)
    step.apply()
    engine.containers["db"] = {"Id": "new", "Name": "/db", "State": {"Running": True}}
    step.undo()
    assert engine.started == ["web"]


def test_a_container_that_somebody_starts_again_is_named(engine: PlayedEngine) -> None:
    engine.started_by_others = ["again"]
    (step,) = stop.plan(engine, UNIT)
    with pytest.raises(HostError) as caught:
        step.apply()
    assert (caught.value.kind, caught.value.evidence) == ("containers-come-back", "again")
    assert "stop the unit" in caught.value.hint


def test_a_unit_stops_before_its_container_and_starts_after_an_undo(
    engine: PlayedEngine,
) -> None:
    (step,) = stop.plan(engine, SimpleNamespace(live_restore_flag=None, disturbed=lambda: ["app.service"]))
    step.apply()
    step.undo()
    systemctl = [call for call in engine.calls if "app.service" in call or call.startswith("docker stop")]
    assert systemctl == [
        "systemctl stop app.service", "docker stop db web", "systemctl is-active app.service",
        "systemctl start app.service",
    ]  # fmt: skip


def test_a_container_that_swarm_starts_again_goes_with_its_engine(engine: PlayedEngine) -> None:
    (step,) = stop.plan(engine, UNIT)
    engine.add("task")
    engine.containers["task"]["Config"] = {"Labels": {"com.docker.swarm.service.name": "web"}}
    step.apply()


def test_a_list_that_is_late_is_not_believed(engine: PlayedEngine) -> None:
    (step,) = stop.plan(engine, UNIT)
    engine.lags = list(engine.containers)
    step.apply()
    engine.answers = False
    with pytest.raises(HostError, match="could not stop every container"):
        step.apply()


def test_a_container_that_the_engine_does_not_describe_counts_as_running(
    engine: PlayedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (step,) = stop.plan(engine, UNIT)
    monkeypatch.setattr(stop.api, "inspect", lambda machine, container: None)
    with pytest.raises(HostError, match="could not stop every container"):
        step.apply()


def test_a_container_that_does_not_stop_is_named(engine: PlayedEngine) -> None:
    (step,) = stop.plan(engine, UNIT)
    engine.started_by_others = ["db"]
    with pytest.raises(HostError) as caught:
        step.apply()
    assert caught.value.evidence == "db"


def test_an_engine_that_goes_keeps_no_container_alive(engine: PlayedEngine) -> None:
    held = b'{"live-restore": true}'
    Path(engine.path(FILE)).write_bytes(held)
    engine.live_restore = True
    (step,) = stop.plan(engine, UNIT)
    step.apply()
    assert (engine.live_restore, engine.read(FILE)) == (False, held)
    assert not engine.read("/var/lib/provision/live-restore.json")
    step.undo()
    assert (engine.live_restore, engine.read(FILE)) == (True, held)


def test_a_flag_of_the_unit_is_not_contradicted_by_the_file(engine: PlayedEngine) -> None:
    engine.live_restore = True
    (step,) = stop.plan(engine, SimpleNamespace(live_restore_flag=True, disturbed=list))
    step.apply()
    assert not any("reload" in call for call in engine.calls)


def test_containers_of_an_engine_stopped_before_us_are_stopped_by_name(
    engine: PlayedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = SimpleNamespace(
        unit=NONE, packages=[], data=[], files={}, key_trusted=False, gone=[],
        content=lambda path: None, folders=lambda *_: [],
    )  # fmt: skip
    installed = SimpleNamespace(packages={"docker-ce": "3:28.5.2-1.el10.x86_64"}, keys=[])
    monkeypatch.setattr(plans.packages, "Installed", lambda *_: installed)
    monkeypatch.setattr(plans.owned, "read", lambda machine: before)
    monkeypatch.setattr(plans.packages, "plan_absent", lambda *_: [])
    monkeypatch.setattr(plans.daemon, "plan_absent", lambda *_: [FileChange(engine, FILE, None)])
    Path(engine.path(FILE)).write_text('{"live-restore": true}')
    dnf = SimpleNamespace(program="dnf")
    changes = plans.absent(engine, UNIT, {"gpg_fingerprint": ""}, dnf, False)
    assert [change.name for change in changes][:2] == ["containers", "service docker"]
    assert changes[0].harms()[0] == (stop.STOP, ["db", "web"])
    assert "live-restore docker" not in [change.name for change in changes]
