"""Whether containers live through a restart, and what a removal leaves of others."""

import time
from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.host import owned, plans
from provision.host.engine import kept, live_restore, purge, stop
from provision.host.engine.unit import NONE, State
from provision.host.ground.change import Change
from provision.host.ground.errors import HostError
from provision.host.ground.files import FileChange
from provision.host.packages.solver import Row
from tests.unit.played_engine import FILE, PlayedEngine, played_engine

INFO = {"LiveRestoreEnabled": False, "DockerRootDir": "/var/lib/docker"}
Unit = namedtuple("Unit", "active live_restore_flag command can_reload edited started_at")


@pytest.fixture
def engine() -> Iterator[PlayedEngine]:
    with played_engine() as engine:
        engine.add("web")
        yield engine


def settings(engine: PlayedEngine, old: bytes, new: bytes) -> list[Change]:
    Path(engine.path(FILE)).write_bytes(old)
    return [FileChange(engine, FILE, new)]


def moves(name: str, version: str, action: str = "upgrade") -> list[Change]:
    change = Change()
    change.rows = [Row(action, name, "x86_64", f"3:{version}-1.el10")]  # type: ignore[attr-defined]
    return [change]


def fate(
    engine: PlayedEngine, changes: list[Change], info: Any = None, flag: bool | None = None
) -> kept.Fate:
    found: kept.Fate = kept.fate(
        engine, Unit(True, flag, None, True, False, None), changes, INFO if info is None else info
    )
    return found


def test_live_restore_is_held_on_where_it_is_promised(engine: PlayedEngine) -> None:
    assert fate(engine, settings(engine, b"{}", b'{"log-driver": "local"}')) == (["web"], True, True, "")


def test_it_is_judged_by_what_the_engine_will_start_with(engine: PlayedEngine) -> None:
    running = INFO | {"LiveRestoreEnabled": True}
    goes = settings(engine, b'{"live-restore": true}', b'{"log-driver": "local"}')
    assert fate(engine, goes, running).during is True
    stays = settings(engine, b'{"live-restore": true}', b'{"live-restore": true, "debug": true}')
    assert fate(engine, stays, running).during is None


@pytest.mark.parametrize("key", ["bip", "storage-driver", "data-root", "userland-proxy"])
def test_other_bridge_or_storage_options_stop_containers(engine: PlayedEngine, key: str) -> None:
    found = fate(engine, settings(engine, b"{}", b'{"%s": "x"}' % key.encode()))
    assert (found.kept, found.during) == (False, None)


def test_a_restart_that_is_not_promised_is_made_without_live_restore(engine: PlayedEngine) -> None:
    old = b'{"live-restore": true}'
    changes = settings(engine, old, b'{"live-restore": true, "bip": "172.30.0.1/24"}')
    found = fate(engine, changes, INFO | {"LiveRestoreEnabled": True})
    assert (found.kept, found.during) == (False, False)


@pytest.mark.parametrize(
    ("installed", "wanted", "lives"),
    [("28.5.1", "28.5.2", True), ("28.5.2", "28.5.1", True), ("28.5.2", "28.6.0", False),
     ("26.1.5", "28.5.2", False), ("28.5.2", "26.1.5", False)],
)  # fmt: skip
def test_only_a_patch_release_keeps_containers(
    engine: PlayedEngine, monkeypatch: pytest.MonkeyPatch, installed: str, wanted: str, lives: bool
) -> None:
    monkeypatch.setattr(
        "provision.host.ground.rpmdb.installed", lambda machine, name: f"3:{installed}-1.el10.x86_64"
    )
    assert fate(engine, moves("docker-ce", wanted)).kept is lives


@pytest.mark.parametrize(
    ("info", "flag"),
    [
        (INFO | {"Swarm": {"LocalNodeState": "active"}}, None),
        (INFO, False),
        (INFO | {"DockerRootDir": "/srv"}, None),
    ],
)  # fmt: skip
def test_swarm_a_flag_and_a_data_root_elsewhere_stop_containers(
    engine: PlayedEngine, info: dict[str, Any], flag: bool | None
) -> None:
    assert not fate(engine, settings(engine, b"{}", b'{"debug": true}'), info, flag).kept


def test_the_record_comes_first_and_the_comparison_last(engine: PlayedEngine) -> None:
    changes = settings(engine, b"{}", b'{"log-driver": "local"}')
    names = [change.name for change in kept.around(engine, fate(engine, changes), changes)]
    assert names == [
        "live-restore docker",
        "live-restore docker",
        f"file {FILE}",
        "live-restore docker",
        "containers",
    ]


def test_what_stopped_in_the_middle_is_started_after_an_undo(engine: PlayedEngine) -> None:
    changes = settings(engine, b"{}", b'{"log-driver": "local"}')
    keep = kept.around(engine, fate(engine, changes), changes)[0]
    keep.apply()
    time.sleep(0.01)
    engine.stop("web", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    keep.undo()
    keep.settle()
    assert engine.started == ["web"]
    assert keep.outcome == {"untouched": 0, "restarted": ["web"], "lost": [], "silent": []}


def test_where_nothing_runs_nothing_is_said_and_nothing_is_switched(engine: PlayedEngine) -> None:
    engine.containers.clear()
    changes = settings(engine, b"{}", b'{"log-driver": "local"}')
    whole = kept.around(engine, fate(engine, changes), changes)
    for change in whole:
        change.apply()
    assert engine.calls == []
    assert [line for change in whole if change not in changes for line in change.lines()] == []
    assert [change.outcome for change in whole if change.outcome] == []


def test_an_engine_that_is_down_and_runs_nothing_has_no_fate(engine: PlayedEngine) -> None:
    engine.containers.clear()
    unit = Unit(False, None, None, True, False, None)
    assert kept.fate(engine, unit, [], None) is None


def not_promised(engine: PlayedEngine) -> list[Change]:
    changes = settings(engine, b"{}", b'{"bip": "172.30.0.1/24"}')
    whole: list[Change] = kept.around(engine, fate(engine, changes), changes)
    return whole


def test_an_engine_whose_containers_do_not_stop_is_not_replaced(
    engine: PlayedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(engine.path(FILE)).write_bytes(b'{"live-restore": true}')
    engine.live_restore = True
    monkeypatch.setattr(engine, "_stop_all", lambda names: None)
    with pytest.raises(HostError, match="could not stop every container") as caught:
        kept.clear(engine, SimpleNamespace(observe_more=lambda: None))
    assert (caught.value.evidence, engine.live_restore) == ("web", True)


def test_what_was_started_after_the_plan_does_not_stop_unasked(engine: PlayedEngine) -> None:
    keep = not_promised(engine)[0]
    engine.add("job")
    with pytest.raises(HostError) as caught:
        keep.apply()
    assert (caught.value.kind, caught.value.evidence) == ("plan-changed", "job")


def test_with_consent_what_starts_after_the_plan_is_watched_too(engine: PlayedEngine) -> None:
    keep = not_promised(engine)[0]
    keep.is_allowed = True
    engine.add("job")
    keep.apply()
    assert sorted(each.name for each in keep.watch.before) == ["job", "web"]


def test_one_that_took_the_place_of_another_is_no_stranger(engine: PlayedEngine) -> None:
    keep = not_promised(engine)[0]
    keep.watch.observe()
    engine.add("new")
    engine.containers["new"]["Name"] = "/web"
    keep.watch.observe_more()
    assert keep.watch.strangers() == []


def test_a_silent_engines_containers_are_named_and_live_restore_stays(
    engine: PlayedEngine,
) -> None:
    shim(engine, "moby")
    engine.answers = False
    changes = settings(engine, b'{"live-restore": true}', b'{"live-restore": true, "debug": true}')
    unit = Unit(True, None, None, True, False, None)
    found = kept.fate(engine, unit, changes, None)
    assert (found.kept, found.during) == (False, None)
    keep = kept.around(engine, found, changes)[0]
    assert keep.harms()[0] == (kept.RESTART, ["abc"])


def test_a_unit_that_cannot_reload_keeps_nothing_unless_it_is_on_already(engine: PlayedEngine) -> None:
    unit = Unit(True, None, None, False, False, None)
    changes = settings(engine, b"{}", b'{"log-driver": "local"}')
    found = kept.fate(engine, unit, changes, INFO)
    assert (found.kept, found.during) == (False, None)
    on = settings(engine, b'{"live-restore": true}', b'{"live-restore": true, "debug": true}')
    assert kept.fate(engine, unit, on, INFO | {"LiveRestoreEnabled": True}).kept


def test_edits_that_nobody_has_tried_yet_are_no_promise(engine: PlayedEngine) -> None:
    changes = settings(engine, b'{"bip": "172.30.0.1/24"}', b'{"bip": "172.30.0.1/24", "debug": true}')
    for unit, lives in (
        (Unit(True, None, None, True, False, time.time() + 60), True),
        (Unit(True, None, None, True, False, time.time() - 60), False),
        (Unit(True, None, None, True, True, time.time() + 60), False),
    ):
        assert kept.fate(engine, unit, changes, INFO).kept is lives


def test_a_hold_that_failed_is_not_tried_again_by_the_undo(
    engine: PlayedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_restore, "RELOAD_TIMEOUT_S", 0)
    engine.reloads = False
    changes = settings(engine, b"{}", b'{"log-driver": "local"}')
    keep = kept.around(engine, fate(engine, changes), changes)[0]
    with pytest.raises(HostError):
        keep.apply()
    keep.undo()
    keep.settle()
    assert (engine.read(FILE), engine.live_restore) == (b"{}", False)


def test_what_ran_is_in_the_journal_before_anything_is_touched(engine: PlayedEngine) -> None:
    changes = settings(engine, b"{}", b'{"log-driver": "local"}')
    (record,) = kept.around(engine, fate(engine, changes), changes)[0].records()
    assert [each[1] for each in record["containers"]] == ["web"]


def shim(engine: PlayedEngine, namespace: str) -> None:
    place = Path(engine.path("/proc/4711"))
    place.mkdir(parents=True, exist_ok=True)
    words = ("/usr/bin/containerd-shim-runc-v2", "-namespace", namespace, "-id", "abc", "")
    (place / "cmdline").write_text("\0".join(words))


def test_a_containerd_that_others_use_is_not_removed(engine: PlayedEngine) -> None:
    stop.refuse_others(engine, moves("containerd.io", "2.1.9", "remove"))
    shim(engine, "k8s.io")
    stop.refuse_others(engine, moves("docker-ce", "28.5.2", "remove"))
    with pytest.raises(HostError) as caught:
        stop.refuse_others(engine, moves("containerd.io", "2.1.9", "remove"))
    assert (caught.value.kind, caught.value.evidence) == ("containerd-in-use", "k8s.io/abc")


def test_containers_without_an_engine_are_not_left_behind(engine: PlayedEngine) -> None:
    engine.answers = False
    assert stop.plan(engine, SimpleNamespace(live_restore_flag=None, disturbed=list)) == []
    shim(engine, "moby")
    with pytest.raises(HostError) as caught:
        stop.plan(engine, SimpleNamespace(live_restore_flag=None, disturbed=list))
    assert caught.value.kind == "containers-without-engine"


def test_an_uninstall_leaves_a_containerd_running_that_ran_before(
    engine: PlayedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans.packages, "plan_absent", lambda *_: [])
    before = SimpleNamespace(
        unit=NONE._replace(helpers=["containerd.service"]), packages=[], files={}, key_trusted=False,
        content=lambda path: None, folders=lambda *_: [],
    )  # fmt: skip
    unit = SimpleNamespace(
        active=True, enabled=True, active_state="active", loaded=True,
        words=lambda: "", state=State(True, True, []),
        disturbed=list,
    )  # fmt: skip
    installed = SimpleNamespace(packages={}, keys=[])
    dnf = SimpleNamespace(program="dnf")
    changes = plans._ours(engine, unit, {"gpg_fingerprint": ""}, dnf, installed, before, False, True)
    next(change for change in changes if change.name == "service docker").apply()
    assert "systemctl stop docker.service docker.socket" in engine.calls


def test_only_dockerds_own_files_are_removed_from_a_chosen_data_root(engine: PlayedEngine) -> None:
    place = Path(engine.path("/srv/docker"))
    for name in ("overlay2", "volumes", "photographs"):
        (place / name).mkdir(parents=True)
    Path(engine.path("/proc/self")).mkdir()
    Path(engine.path("/proc/self/mounts")).touch()
    purge.Purge(engine, "/srv/docker").apply()
    assert [each.name for each in place.iterdir()] == ["photographs"]


def test_what_an_uninstall_left_is_ours_to_purge_later(
    engine: PlayedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owned.containers, "namespaces_of_others", lambda machine: [])
    engine.answers = False
    for place in ("/var/lib/docker/overlay2", "/var/lib/containerd/io", "/proc/self"):
        Path(engine.path(place)).mkdir(parents=True)
    Path(engine.path("/proc/self/mounts")).touch()
    before = SimpleNamespace(data=[], packages=["containerd.io", "docker-ce"])
    for step in owned.plan_absent(engine, before, False):
        step.apply()
    assert owned.data_left(engine) == ["/var/lib/containerd", "/var/lib/docker"]
    names = [step.name for step in purge.plan(engine, None, False, owned.data_left(engine))]
    assert names == ["data /var/lib/docker", "data /var/lib/containerd"]
    for step in owned.plan_absent(engine, None, True):
        step.apply()
    assert owned.data_left(engine) == []


def test_data_that_was_there_before_us_is_not_purged(engine: PlayedEngine) -> None:
    before = SimpleNamespace(data=["/var/lib/docker"], packages=[])
    with pytest.raises(HostError, match="held data before"):
        purge.plan(engine, before, False)
