"""What is done is handed on while the rest is at work."""

import threading
from collections.abc import Callable

import pytest

from provision.run.batches import in_batches


def test_what_comes_together_is_handed_on_together() -> None:
    def work(hand_on: Callable[[int], None]) -> None:
        for number in range(5):
            hand_on(number)

    assert list(in_batches(work, 60, 60)) == [(0, 1, 2, 3, 4)]


def test_one_that_takes_its_time_holds_nobody() -> None:
    others_went_on = threading.Event()

    def work(hand_on: Callable[[str], None]) -> None:
        hand_on("quick")
        assert others_went_on.wait(60)
        hand_on("slow")

    batches = in_batches(work, 0.01, 60)
    assert next(batches) == ("quick",)
    others_went_on.set()
    assert list(batches) == [("slow",)]


def test_many_that_follow_each_other_do_not_hold_the_first() -> None:
    first_went_on = threading.Event()

    def work(hand_on: Callable[[str], None]) -> None:
        while not first_went_on.wait(0.01):
            hand_on("one")

    batches = in_batches(work, 60, 0.1)
    assert set(next(batches)) == {"one"}
    first_went_on.set()
    list(batches)


def test_what_goes_wrong_in_the_work_is_raised_after_what_was_done() -> None:
    def work(hand_on: Callable[[str], None]) -> None:
        hand_on("done")
        raise OSError("no room")

    batches = in_batches(work, 60, 60)
    assert next(batches) == ("done",)
    with pytest.raises(OSError, match="no room"):
        next(batches)


def test_who_stops_early_waits_for_the_end_of_the_work() -> None:
    ended, may_end = threading.Event(), threading.Event()

    def work(hand_on: Callable[[str], None]) -> None:
        hand_on("done")
        may_end.wait(60)
        ended.set()

    batches = in_batches(work, 0.01, 60)
    next(batches)
    threading.Timer(0.1, may_end.set).start()
    batches.close()
    assert ended.is_set()
