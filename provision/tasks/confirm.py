"""Ask a person at the terminal to agree, and take no answer that was typed before the question."""

import sys
import termios
from contextlib import suppress


def confirm(question: str, word: str = "yes") -> bool:
    """Return whether a person types ``word`` after ``question`` is on the screen.

    What was typed earlier is dropped: it cannot be an answer to what nobody had read. The caller has
    checked that there is a terminal; the end of the input is a no.
    """
    sys.stdout.flush()  # a plan that is asked about
    print(question, end=" ", file=sys.stderr, flush=True)
    _drop_typed_ahead()
    print(f"Type {word} to go on: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == word


def _drop_typed_ahead() -> None:
    # Standard input may be no terminal in a test, and then nothing is typed ahead.
    with suppress(OSError, ValueError, termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
