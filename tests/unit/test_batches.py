"""What arrives is handed on in batches while the rest is on its way."""

import threading
from collections.abc import Iterator

import pytest

from provision.run.batches import in_batches


def test_what_has_come_in_the_meantime_is_handed_on_together() -> None:
    first_is_out, all_are_here = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 0
        assert first_is_out.wait(60)
        yield from range(1, 5)
        all_are_here.set()

    batches = in_batches(items())
    assert next(batches) == (0,)
    first_is_out.set()
    assert all_are_here.wait(60)
    assert list(batches) == [(1, 2, 3, 4)]


def test_nothing_is_no_batch() -> None:
    assert list(in_batches(())) == []


def test_one_that_takes_its_time_holds_nobody() -> None:
    others_went_on = threading.Event()

    def items() -> Iterator[str]:
        yield "quick"
        assert others_went_on.wait(60)
        yield "slow"

    batches = in_batches(items())
    assert next(batches) == ("quick",)
    others_went_on.set()
    assert list(batches) == [("slow",)]


def test_an_error_is_raised_after_what_came_before_it() -> None:
    def items() -> Iterator[str]:
        yield "done"
        raise OSError("no room")

    batches = in_batches(items())
    assert next(batches) == ("done",)
    with pytest.raises(OSError, match="no room"):
        next(batches)


def test_who_stops_early_waits_for_the_end_of_the_items() -> None:
    ended, may_end = threading.Event(), threading.Event()

    def items() -> Iterator[str]:
        yield "done"
        may_end.wait(60)
        ended.set()

    batches = in_batches(items())
    next(batches)
    threading.Timer(0.1, may_end.set).start()
    batches.close()
    assert ended.is_set()
