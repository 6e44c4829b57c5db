"""Detached work: on without its caller, but ended after its time or at a SIGTERM; and was it heard?"""

import os
import signal
import time

import pytest

from provision.host.ground.errors import HostError, as_host_error
from provision.host.runs import detach


def end_of(step):
    """Return the kind of the error that ends ``step``, as work reports it."""
    try:
        step()
    except Exception as error:
        return as_host_error(error).kind
    return "none"


def test_detached_work_gives_its_result():
    assert detach.run(lambda tell: {"a": ["…"]}) == {"a": ["…"]}


def test_detached_work_has_a_session_of_its_own():
    assert detach.run(lambda tell: os.getsid(0)) != os.getsid(0)


def test_detached_work_that_is_killed_is_an_error_of_its_own():
    with pytest.raises(HostError) as caught:
        detach.run(lambda tell: os.kill(os.getpid(), signal.SIGKILL))
    assert caught.value.kind == "killed"


def test_detached_work_that_takes_too_long_is_ended_by_an_error_in_it(monkeypatch):
    monkeypatch.setattr(detach, "WORK_LIMIT_S", 1)
    assert detach.run(lambda tell: end_of(lambda: (detach.limit(), time.sleep(30)))) == "timed-out"


def test_waiting_for_the_lock_is_not_counted(monkeypatch):
    monkeypatch.setattr(detach, "WORK_LIMIT_S", 1)
    assert detach.run(lambda tell: end_of(lambda: time.sleep(1.5))) == "none"
    detach.limit()
    assert signal.alarm(0) == 0


@pytest.mark.parametrize("number", detach.SIGNALS)
def test_a_second_signal_does_not_stop_what_the_first_began(number):
    def told_to_end():
        os.kill(os.getpid(), number)
        time.sleep(30)

    def work(tell):
        kind = end_of(told_to_end)
        os.kill(os.getpid(), number)
        return kind

    assert detach.run(work) == "terminated"


def test_after_no_limit_it_comes_to_its_own_end(monkeypatch):
    monkeypatch.setattr(detach, "WORK_LIMIT_S", 1)
    work = lambda: (detach.limit(), detach.no_limit(), time.sleep(1.5))  # noqa: E731
    assert detach.run(lambda tell: end_of(work)) == "none"


def test_detached_work_goes_on_when_its_caller_is_killed():
    begun, hold, ended = os.pipe(), os.pipe(), os.pipe()

    def work(tell):
        os.write(begun[1], b"1")
        os.read(hold[0], 1)
        os.write(ended[1], b"done")

    caller = os.fork()
    if caller == 0:
        detach.run(work)
        os._exit(0)
    os.read(begun[0], 1)
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    os.write(hold[1], b"1")
    assert os.read(ended[0], 4) == b"done"


def test_what_the_work_says_is_passed_on_while_it_goes_on():
    hold, heard = os.pipe(), []

    def work(tell):
        tell("packages")
        os.read(hold[0], 1)
        return "done"

    def told(words):
        heard.append(words)
        os.write(hold[1], b"1")

    assert detach.run(work, told) == "done"
    assert heard == ["packages"]
