"""A command that asks a question before its work (provision/host/ground/machine.py)."""

import os
import signal
import time

import pytest

from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine, Ran

ASKS = "printf 'rows\\nok? '; read word; echo \"heard ${word:-nothing}\" | tee %s; echo why >&2; exit 3"


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "run").mkdir()
    return Machine(str(tmp_path))


def test_the_answer_is_heard_and_the_whole_output_comes_back(machine, tmp_path):
    asking = machine.ask(["sh", "-c", ASKS % (tmp_path / "heard")])
    assert asking.until("ok? ", 10) == Ran(None, "rows\nok? ", "")
    assert asking.answer(b"y\n", 10) == Ran(3, "rows\nok? heard y\n", "why\n")


def test_a_command_that_ends_without_its_question_says_so(machine):
    assert machine.ask(["sh", "-c", "echo no; exit 4"]).until("ok? ", 10) == Ran(4, "no\n", "")


def test_a_command_that_never_asks_is_killed(machine):
    with pytest.raises(HostError, match="sleep did not finish in 0 s"):
        machine.ask(["sleep", "60"]).until("ok? ", 0)


def test_a_signal_while_it_works_kills_the_command(machine, tmp_path):
    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    heard = tmp_path / "heard"
    with pytest.raises(KeyboardInterrupt):
        machine.ask(["sh", "-c", f"sleep 1; touch {heard}"]).until("ok? ", 10)
    signal.signal(signal.SIGALRM, before)
    time.sleep(1)
    assert not heard.exists()


def test_an_open_question_is_ended_by_a_kill(machine, tmp_path):
    asking = machine.ask(["sh", "-c", ASKS % (tmp_path / "heard")])
    asking.until("ok? ", 10)
    assert asking.is_running()
    asking.end()
    assert not asking.is_running()
    assert not (tmp_path / "heard").exists()


def test_the_end_of_the_process_that_asked_is_no_answer(machine, tmp_path):
    heard = tmp_path / "heard"
    if os.fork() == 0:
        machine.ask(["sh", "-c", ASKS % heard]).until("ok? ", 10)
        os._exit(0)
    deadline = time.monotonic() + 10
    while not (heard.exists() and heard.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert heard.read_text() == "heard nothing\n"
