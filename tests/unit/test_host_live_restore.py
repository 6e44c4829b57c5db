"""live-restore for the time of a restart, over a played engine and a real daemon.json."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.host import live_restore
from provision.host.errors import HostError
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
