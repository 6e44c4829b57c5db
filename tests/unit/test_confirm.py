"""A question at a terminal: what was typed before it is not an answer."""

import io
import os
import pty
import sys
import time

import pytest

from provision.workflows.consent import confirm

Terminal = tuple[int, int]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The two ends of a pseudo-terminal, whose far end is standard input and standard error."""
    person, program = pty.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(os.dup(program), "r"))
    monkeypatch.setattr(sys, "stderr", os.fdopen(os.dup(program), "w"))
    return person, program


def type_(person: int, text: str) -> None:
    os.write(person, text.encode())
    time.sleep(0.1)  # until the terminal has it


def test_an_answer_typed_before_the_question_is_dropped(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, _ = terminal
    type_(person, "yes\n")
    monkeypatch.setattr(sys, "stderr", Answering(sys.stderr, person, "no\n"))
    assert not confirm("This removes everything.")


def test_an_answer_to_the_question_counts(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    person, _ = terminal
    type_(person, "no\nyes")  # half a line is dropped, too
    monkeypatch.setattr(sys, "stderr", Answering(sys.stderr, person, "yes\n"))
    assert confirm("This removes everything.")


def test_another_word_can_be_wanted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert not confirm("All data goes.", "purge")
    assert "All data goes. Type purge to go on: " in capfd.readouterr().err


def test_the_end_of_the_input_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert not confirm("This removes everything.")


class Answering(io.TextIOBase):
    """Standard error on which a person answers as soon as the whole question is there."""

    def __init__(self, screen: io.TextIOBase, person: int, answer: str) -> None:
        self._screen, self._person, self._answer = screen, person, answer

    def write(self, text: str) -> int:
        written = self._screen.write(text)
        self._screen.flush()
        if "to go on: " in text:
            os.write(self._person, self._answer.encode())
        return written
