"""The leak gate's own eyes: a planted leak is seen in every place and form, and nothing else is."""

import base64
import html
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.leak import search
from tests.leak.canaries import Canary, Needles
from tests.leak.watch import Hit, Watch

Form = Callable[[str], str]


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS: dict[str, Form] = {
    "plain": str,
    "json": json.dumps,
    "json of unicode": lambda text: json.dumps(text, ensure_ascii=False),
    "json in json": lambda text: json.dumps(json.dumps({"password": text})),
    "url": quote,
    "url form": quote_plus,
    "html": html.escape,
    "python": repr,
    "base64": in_base64,
    "base64 for urls": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 after a name": lambda text: in_base64(f"root:{text}"),
    "base64 after a longer name": lambda text: in_base64(f"admin:{text}\n"),
    "base64 of json": lambda text: in_base64(json.dumps([text])),
    "hexadecimal": lambda text: text.encode().hex(),
    "a part of it": lambda text: text[10:-3],
}


@pytest.fixture
def canary() -> Canary:
    return Canary.new("password")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", range(3))
def test_a_secret_is_seen_in_every_form(canary: Canary, form: str, before: int) -> None:
    text = "." * before + FORMS[form](canary.secret.reveal())
    assert Needles([canary, Canary.new("another")]).find(text.encode()) == {"password"}


def test_base64_is_seen_at_each_place_in_a_text(canary: Canary) -> None:
    for before in range(7):
        for after in range(4):
            text = in_base64("a" * before + canary.marker + "z" * after)
            assert Needles([canary]).find(text.encode()) == {"password"}


def found(canary: Canary, place: Path, since_s: float = 0) -> set[Hit]:
    return search.search(Needles([canary]), [place], since_s)


def test_a_leak_in_a_log_line_is_found(canary: Canary, tmp_path: Path) -> None:
    log = tmp_path / "a b" / "log"
    log.parent.mkdir()
    log.write_text(f"fine\n2026-11-24 login with {canary.secret.reveal()}\nfine\n")
    assert found(canary, tmp_path) == {Hit("password", str(log))}


def test_a_leak_in_shared_memory_is_found(canary: Canary) -> None:
    file = Path(f"/dev/shm/leak-{os.getpid()}")
    file.write_text(canary.marker)
    try:
        assert Path("/dev/shm") in search.roots([])
        assert found(canary, Path("/dev/shm"), time.time() - 60) == {Hit("password", str(file))}
    finally:
        file.unlink()


def test_a_leak_among_bytes_that_are_no_text_is_found(canary: Canary, tmp_path: Path) -> None:
    core = tmp_path / "core"
    core.write_bytes(bytes(range(256)) * 999 + canary.marker.encode() + bytes(99_999))
    assert found(canary, tmp_path) == {Hit("password", str(core))}


def test_a_leak_in_the_name_of_a_file_is_found(canary: Canary, tmp_path: Path) -> None:
    (tmp_path / canary.marker).touch()
    assert len(found(canary, tmp_path)) == 1


def test_a_leak_among_very_many_files_is_found(canary: Canary, tmp_path: Path) -> None:
    for number in range(2 * search.FILES_AT_ONCE + 1):
        (tmp_path / f"{number:05}").touch()
    last = tmp_path / f"{2 * search.FILES_AT_ONCE:05}"
    last.write_text(canary.marker)
    assert found(canary, tmp_path) == {Hit("password", str(last))}


def test_only_what_changed_since_the_secret_was_made_is_read(canary: Canary, tmp_path: Path) -> None:
    (tmp_path / "old").write_text(canary.marker)
    assert found(canary, tmp_path, time.time() + 60) == set()


def test_nothing_is_found_where_nothing_is(canary: Canary, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(Canary.new("another").secret.reveal())
    assert found(canary, tmp_path) == set()


@pytest.mark.parametrize("place", ["cmdline", "environ"])
def test_a_leak_in_arguments_and_in_an_environment_is_seen(canary: Canary, place: str) -> None:
    told = {"cmdline": ([canary.marker], {}), "environ": ([], {"TOLD": canary.marker})}
    words, environment = told[place]
    with Watch() as watch:
        subprocess.run(["sh", "-c", "sleep 0.5; true", *words], env=environment, check=True)
    assert Hit("password", f"{place} of sh") in watch.hits(Needles([canary]))


def test_a_file_that_is_there_for_a_moment_is_seen(canary: Canary, tmp_path: Path) -> None:
    file = tmp_path / "runner" / "artifacts"
    with Watch(tmp_path) as watch:
        file.parent.mkdir()
        file.write_text(canary.marker)
        time.sleep(0.5)
        file.unlink()
    assert watch.hits(Needles([canary])) == {Hit("password", str(file))}


def test_a_file_that_grows_is_seen_to_its_end(canary: Canary, tmp_path: Path) -> None:
    log, half = tmp_path / "log", len(canary.marker) // 2
    watch = Watch(tmp_path)
    log.write_text("x" * 9999 + canary.marker[:half])
    watch.look()
    with log.open("a") as file:
        file.write(canary.marker[half:])
    watch.look()
    assert watch.hits(Needles([canary])) == {Hit("password", str(log))}


def test_the_watching_takes_a_small_part_of_a_core() -> None:
    started = time.process_time()
    with Watch() as watch:
        time.sleep(1)
    assert watch.looks > 3
    assert time.process_time() - started < 0.5


def test_a_hit_and_a_canary_show_no_secret(canary: Canary) -> None:
    assert canary.marker not in repr(canary) + str(canary)
