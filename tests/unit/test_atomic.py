"""A file is replaced as a whole, or stays as it was."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from provision import atomic


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "pins"
    place.write_text("old")
    return place


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def fill(file: Path) -> None:
    with atomic.replacing(file) as out:
        out.write(b"half of the n")
        raise OSError("no room")


def alone(file: Path) -> bool:
    return list(file.parent.iterdir()) == [file]


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(("asked", "mode"), [(atomic.SHARED, 0o640), (atomic.PRIVATE, 0o600)])
def test_the_new_file_has_the_mode_that_is_asked_for(file: Path, asked: int, mode: int) -> None:
    atomic.replace(file, b"new", asked)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", mode)
    assert alone(file)


def test_after_an_error_the_old_file_is_there_and_nothing_else(file: Path) -> None:
    with pytest.raises(OSError, match="no room"):
        fill(file)
    assert file.read_text() == "old"
    assert alone(file)


def test_what_a_killed_process_left_is_no_part_of_the_file(file: Path) -> None:
    file.with_name(".pins.new").write_text("much longer than the new one")
    atomic.replace(file, b"new")
    assert file.read_text() == "new"
    assert alone(file)


def test_the_old_file_is_in_its_place_until_all_is_written(file: Path) -> None:
    seen: list[tuple[str, str]] = []

    def look() -> None:
        seen.append((file.read_text(), file.with_name(".pins.new").read_text()))

    with atomic.replacing(file, before=look) as out:
        out.write(b"new")
    assert seen == [("old", "new")]


def test_of_two_at_once_one_is_told_and_the_other_is_whole(file: Path) -> None:
    first = ExitStack()
    first.enter_context(atomic.replacing(file)).write(b"first")
    with atomic.replacing(file) as second:
        second.write(b"half of it, ")
        second.flush()
        with pytest.raises(OSError, match="another process"):
            first.close()
        assert file.read_text() == "old"
        second.write(b"and all")
    assert file.read_text() == "half of it, and all"
    assert alone(file)
