"""live-restore for the time of a restart, over a played engine and a real daemon.json."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from provision.host.engine import daemon, live_restore, service
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Ran
from tests.unit.played_engine import FILE, PlayedEngine, played_engine

THEIRS = b'{ "labels":   ["rack=7"] }'


@pytest.fixture
def engine() -> Iterator[PlayedEngine]:
    with played_engine() as engine:
        yield engine


def write(engine: PlayedEngine, content: bytes) -> None:
    Path(engine.path(FILE)).write_bytes(content)


def mark(engine: PlayedEngine) -> bool:
    return Path(engine.path(live_restore.MARK)).exists()


def test_it_is_switched_on_and_put_back_to_the_operators_own_bytes(engine: PlayedEngine) -> None:
    write(engine, THEIRS)
    live_restore.hold(engine, True)
    assert (engine.live_restore, mark(engine)) == (True, True)
    assert json.loads(engine.text(FILE)) == {"labels": ["rack=7"], "live-restore": True}
    live_restore.release(engine, THEIRS)
    assert (engine.live_restore, mark(engine)) == (False, False)
    assert engine.read(FILE) == THEIRS


def test_without_a_file_there_is_none_afterwards(engine: PlayedEngine) -> None:
    Path(engine.path("/etc/docker")).rmdir()
    live_restore.hold(engine, True)
    assert engine.live_restore
    live_restore.release(engine, None)
    assert not engine.live_restore
    assert not Path(engine.path("/etc/docker")).exists()


def test_nothing_is_written_where_it_is_on_already(engine: PlayedEngine) -> None:
    content = b'{"live-restore": true}'
    write(engine, content)
    engine.live_restore = True
    live_restore.hold(engine, True)
    assert engine.read(FILE) == content
    assert (engine.calls, mark(engine)) == ([], False)


def test_a_reload_that_does_nothing_is_an_error(
    engine: PlayedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_restore, "RELOAD_TIMEOUT_S", 0)
    engine.reloads = False
    with pytest.raises(HostError, match="does not switch live-restore on"):
        live_restore.hold(engine, True)


def test_what_a_killed_run_left_is_put_back_by_the_next(engine: PlayedEngine) -> None:
    write(engine, THEIRS)
    live_restore.hold(engine, True)
    live_restore.finish(engine)
    assert (engine.read(FILE), engine.live_restore, mark(engine)) == (THEIRS, False, False)
    live_restore.finish(engine)


@pytest.mark.parametrize(
    ("theirs", "then"),
    [(THEIRS, {}), (b'{"live-restore": false}', {"live-restore": False}), (None, {})],
)
def test_later_edits_of_the_operator_stay_and_only_the_key_is_restored(
    engine: PlayedEngine, theirs: bytes | None, then: dict[str, bool]
) -> None:
    if theirs is not None:
        write(engine, theirs)
    live_restore.hold(engine, True)
    live_restore.hold(engine, False)
    live_restore.hold(engine, True)
    write(engine, b'{"live-restore": true, "dns": ["10.0.0.1"]}')
    live_restore.finish(engine)
    assert json.loads(engine.text(FILE)) == {"dns": ["10.0.0.1"]} | then
    assert (engine.live_restore, mark(engine)) == (False, False)


def test_a_file_that_the_operator_has_removed_or_put_right_since_is_left(engine: PlayedEngine) -> None:
    edited = b'{"dns":  ["10.0.0.1"]}'
    for content in (edited, None):
        write(engine, THEIRS)
        live_restore.hold(engine, True)
        Path(engine.path(FILE)).unlink()
        if content is not None:
            write(engine, content)
        live_restore.finish(engine)
        assert (engine.read(FILE), mark(engine)) == (content, False)


def test_a_file_that_an_edit_has_broken_since_is_told_of_and_left(engine: PlayedEngine) -> None:
    write(engine, THEIRS)
    live_restore.hold(engine, True)
    write(engine, b'{"live-restore": true,}')
    with pytest.raises(HostError, match="not valid JSON"):
        live_restore.finish(engine)
    assert (engine.read(FILE), mark(engine)) == (b'{"live-restore": true,}', True)


def test_whatever_we_wrote_last_is_put_back_byte_by_byte(engine: PlayedEngine) -> None:
    write(engine, THEIRS)
    for on in (True, False):
        live_restore.hold(engine, on)
    live_restore.note(engine, b'{"live-restore": true, "debug": true}')
    write(engine, b'{"live-restore": true, "debug": true}')
    live_restore.finish(engine)
    assert (engine.read(FILE), mark(engine)) == (THEIRS, False)


def test_a_mark_of_an_earlier_version_still_counts(engine: PlayedEngine) -> None:
    write(engine, THEIRS)
    live_restore.hold(engine, True)
    kept = json.loads(engine.text(live_restore.MARK))
    del kept["written"]
    Path(engine.path(live_restore.MARK)).write_text(json.dumps(kept))
    live_restore.finish(engine)
    assert engine.read(FILE) == THEIRS


def test_an_engine_that_is_down_starts_with_it(engine: PlayedEngine) -> None:
    write(engine, THEIRS)
    engine.answers = False
    live_restore.hold(engine, True)
    assert live_restore.is_on(engine.read(FILE))
    assert engine.calls == []


def test_a_file_that_is_no_json_is_not_written_over(engine: PlayedEngine) -> None:
    write(engine, b'{"data-root": "/srv",}')
    with pytest.raises(HostError) as caught:
        live_restore.hold(engine, True)
    assert caught.value.kind == "daemon-config-refused"
    assert engine.read(FILE) == b'{"data-root": "/srv",}'


def test_what_a_change_of_the_same_run_wrote_is_no_edit(engine: PlayedEngine) -> None:
    write(engine, THEIRS)
    live_restore.hold(engine, True)
    for change in daemon.plan(engine, {"daemon_options": {"debug": True}}):
        change.apply()
    live_restore.finish(engine)
    assert engine.read(FILE) == THEIRS


@pytest.mark.parametrize(("state", "starts"), [("inactive", True), ("active", False)])
def test_an_engine_that_died_before_its_reload_is_started(
    engine: PlayedEngine, monkeypatch: pytest.MonkeyPatch, state: str, starts: bool
) -> None:
    said = {"reload": Ran(1, "", "not active, cannot reload"), "is-active": Ran(0, f"{state}\n", "")}
    started: list[str] = []
    monkeypatch.setattr(engine, "run", lambda argv, *_: said.get(argv[1], Ran(0, "", "")))
    monkeypatch.setattr(service, "bring_up", lambda machine, verb, reload: started.append(verb))
    with nullcontext() if starts else pytest.raises(HostError, match="does not reload"):
        service.Reload(engine).apply()
    assert started == (["start"] if starts else [])
