"""What became of the containers after a restart, over a played engine."""

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from provision.host.engine import comeback
from provision.host.engine.comeback import Watch
from provision.host.engine.kept import Fate
from provision.host.ground.errors import HostError
from tests.unit.played_engine import PlayedEngine, played_engine

LONG_AGO = "2026-01-01T00:00:02.5Z"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comeback, "PATIENCE_S", 0.3)


@pytest.fixture
def engine() -> Iterator[PlayedEngine]:
    with played_engine() as engine:
        yield engine


def watched(engine: PlayedEngine, *, kept: bool) -> Watch:
    watch = Watch(engine, (), Fate(sorted(engine.containers), kept, None, ""))
    watch.observe()
    return watch


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.999Z", time.gmtime(time.time() + 1))


def test_containers_that_live_on_are_untouched(engine: PlayedEngine) -> None:
    engine.add("web")
    engine.add("db", policy="always")
    watch = watched(engine, kept=True)
    watch.bring_back()
    assert watch.outcome() == {"untouched": 2, "restarted": [], "lost": [], "silent": []}
    assert engine.started == []


def test_what_stopped_is_started_in_its_original_order(engine: PlayedEngine) -> None:
    engine.add("web", started="2026-01-01T00:00:09Z")
    engine.add("db", started="2026-01-01T00:00:01Z")
    watch = watched(engine, kept=False)
    for name in ("web", "db"):
        engine.stop(name, now())
    watch.bring_back()
    assert engine.started == ["db", "web"]
    assert watch.outcome() == {"untouched": 0, "restarted": ["db", "web"], "lost": [], "silent": []}


def test_a_container_that_fails_to_start_is_named_and_others_are_started(engine: PlayedEngine) -> None:
    engine.add("app")
    engine.add("web")
    watch = watched(engine, kept=False)
    for name in ("app", "web"):
        engine.stop(name, now())
    engine.refuses = {"app"}
    with pytest.raises(HostError) as caught:
        watch.bring_back()
    assert caught.value.kind == "containers-lost"
    assert caught.value.evidence == "app (no such network)"
    assert watch.outcome() == {"untouched": 0, "restarted": ["web"], "lost": ["app"], "silent": []}


def test_a_container_started_with_rm_is_lost_and_no_failure(engine: PlayedEngine) -> None:
    engine.add("job", rm=True)
    watch = watched(engine, kept=False)
    del engine.containers["job"]
    watch.bring_back()
    assert watch.outcome() == {"untouched": 0, "restarted": [], "lost": ["job"], "silent": []}


def test_a_container_that_had_ended_by_itself_is_not_started(engine: PlayedEngine) -> None:
    engine.add("job")
    watch = watched(engine, kept=False)
    engine.stop("job", LONG_AGO, code=0)
    watch.bring_back()
    assert engine.started == []


def test_a_job_that_ends_well_while_live_restore_keeps_it_is_not_started(engine: PlayedEngine) -> None:
    engine.add("job")
    watch = watched(engine, kept=True)
    engine.stop("job", now(), code=0)
    watch.bring_back()
    assert (engine.started, watch.outcome()["lost"]) == ([], [])


def test_what_a_killed_run_left_stopped_is_found_in_its_journal(engine: PlayedEngine) -> None:
    engine.add("web")
    record = {"kind": "running", "at": 100, "containers": watched(engine, kept=False).plain()}
    engine.stop("web", now())
    past = SimpleNamespace(touched=[({"records": [record]}, True)], last_at=time.time())
    stopped = comeback.earlier(engine, [past])
    assert [(each.name, since) for each, since in stopped] == [("web", 100)]
    Watch(engine, stopped).bring_back()
    assert engine.started == ["web"]


def killed(engine: PlayedEngine, *, hours_ago: float = 0) -> SimpleNamespace:
    """Return a run that was cut short, and before which everything ran that is there now."""
    record = {"kind": "running", "at": 100, "containers": watched(engine, kept=False).plain()}
    last_at = time.time() - 3600 * hours_ago
    return SimpleNamespace(touched=[({"records": [record]}, True)], last_at=last_at)


def test_what_was_removed_since_a_killed_run_is_not_missed(engine: PlayedEngine) -> None:
    engine.add("web")
    past = killed(engine)
    del engine.containers["web"]
    assert comeback.earlier(engine, [past]) == []


def test_what_somebody_stopped_long_after_a_killed_run_stays_stopped(engine: PlayedEngine) -> None:
    engine.add("web")
    past = killed(engine, hours_ago=2)
    engine.stop("web", now())
    assert comeback.earlier(engine, [past]) == []


def test_a_container_of_a_silent_engine_is_watched_by_its_id(engine: PlayedEngine) -> None:
    engine.add("web")
    engine.answers = False
    watch = Watch(engine, (), Fate(["web"], False, None, ""))
    engine.answers = True
    engine.stop("web", now())
    watch.bring_back()
    assert engine.started == ["web"]
    assert watch.outcome() == {"untouched": 0, "restarted": ["web"], "lost": [], "silent": []}


def test_a_container_of_a_silent_engine_that_lived_on_is_untouched(engine: PlayedEngine) -> None:
    engine.add("web")
    engine.answers = False
    watch = Watch(engine, (), Fate(["web"], False, None, ""))
    engine.answers = True
    watch.bring_back()
    assert watch.outcome() == {"untouched": 1, "restarted": [], "lost": [], "silent": []}


def test_a_restarted_container_whose_port_is_silent_is_told_and_no_failure(
    engine: PlayedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comeback, "PORT_PATIENCE_S", 0)
    monkeypatch.setattr("provision.host.engine.containers.port_answers", lambda address, port: True)
    engine.add("web")
    ports = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8081"}]}
    engine.containers["web"]["NetworkSettings"] = {"Ports": ports}
    watch = watched(engine, kept=False)
    engine.stop("web", now())
    monkeypatch.setattr("provision.host.engine.containers.port_answers", lambda address, port: False)
    watch.bring_back()
    assert watch.outcome() == {
        "untouched": 0, "restarted": ["web"], "lost": [], "silent": ["web (port 8081)"]
    }  # fmt: skip


def test_a_port_that_answered_has_to_answer_again(
    engine: PlayedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comeback, "PORT_PATIENCE_S", 0)
    monkeypatch.setattr("provision.host.engine.containers.port_answers", lambda address, port: True)
    engine.add("web")
    engine.containers["web"]["NetworkSettings"] = {
        "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8081"}]}
    }
    watch = watched(engine, kept=True)
    monkeypatch.setattr("provision.host.engine.containers.port_answers", lambda address, port: False)
    with pytest.raises(HostError) as caught:
        watch.bring_back()
    assert caught.value.evidence == "web (its port 8081 does not answer)"


def task(engine: PlayedEngine, name: str) -> None:
    engine.add(name)
    engine.containers[name]["Config"] = {"Labels": {"com.docker.swarm.service.name": "web"}}


def test_swarm_starts_another_container_in_place_of_its_own(engine: PlayedEngine) -> None:
    task(engine, "web.1.old")
    watch = watched(engine, kept=False)
    engine.stop("web.1.old", now())
    task(engine, "web.1.new")
    watch.bring_back()
    assert engine.started == []
    assert watch.outcome() == {"untouched": 0, "restarted": ["web.1.old"], "lost": [], "silent": []}


def test_a_service_that_swarm_does_not_start_again_is_named(engine: PlayedEngine) -> None:
    task(engine, "web.1.old")
    watch = watched(engine, kept=False)
    engine.stop("web.1.old", now())
    with pytest.raises(HostError, match="1 of 1"):
        watch.bring_back()
    assert watch.outcome()["lost"] == ["web.1.old"]
