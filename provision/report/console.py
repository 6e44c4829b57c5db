"""Choose colours, characters and width for a stream."""

import os
import shutil
from collections.abc import Mapping
from typing import TextIO

from provision.errors import UsageError
from provision.report.layout import Page

COLOUR_CHOICES = ("auto", "always", "never")
WIDTH_WITHOUT_TERMINAL = 100


def page_for(stream: TextIO, colour: str = "auto", environ: Mapping[str, str] = os.environ) -> Page:
    """Return the page for ``stream``; ``colour`` is the value of ``--color``.

    ``--color`` overrides ``NO_COLOR`` (https://no-color.org), which overrides the abilities of the terminal.
    Raises UsageError for a value that is not in COLOUR_CHOICES.
    """
    if colour not in COLOUR_CHOICES:
        raise UsageError(f"--color {colour} is not known", f"use one of {', '.join(COLOUR_CHOICES)}")
    width = shutil.get_terminal_size((80, 24)).columns if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    by_default = not environ.get("NO_COLOR") and is_live(stream, environ)
    has_colour = by_default if colour == "auto" else colour == "always"
    return Page(width, has_colour, not _speaks_unicode(stream))


def is_live(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether ``stream`` is a terminal on which lines can be redrawn."""
    return stream.isatty() and environ.get("TERM", "dumb") not in ("", "dumb")


def _speaks_unicode(stream: TextIO) -> bool:
    try:
        "·→…".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
