"""Show an error of the command itself, not of a host."""

from provision.model import Failure
from provision.report.failures import cause_lines
from provision.report.layout import Page

COLUMN = 7


def error_text(failure: Failure, *, width: int = 80, colour: bool = False, ascii: bool = False) -> str:
    """Return message, evidence and meaning, and last the hint."""
    page = Page(width, colour, ascii)
    first, *rest = cause_lines(page, failure, COLUMN)
    head = page.paint("Error", "bad") + "  " + first[COLUMN:]
    hint = page.hint("Next", failure.next, 0, COLUMN)
    return "".join(f"{line.rstrip()}\n" for line in [head, *rest, *hint])
