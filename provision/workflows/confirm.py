"""Ask a person at the terminal to agree; answers typed before the question do not count."""

import sys
import termios
from contextlib import suppress


def confirm(question: str, word: str = "yes") -> bool:
    """Return whether a person types ``word`` after ``question`` is on the screen.

    Earlier input is dropped, as it cannot answer a question that was not read yet. The caller checks that
    there is a terminal; the end of the input means no.
    """
    sys.stdout.flush()  # the plan that the question is about
    print(question, end=" ", file=sys.stderr, flush=True)
    _drop_typed_ahead()
    print(f"Type {word} to go on: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == word


def _drop_typed_ahead() -> None:
    # In a test standard input may not be a terminal, and then nothing is typed ahead.
    with suppress(OSError, ValueError, termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
