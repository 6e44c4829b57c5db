"""Lay text out on a page with its width, colours and characters, and make text from a host safe to show."""

import textwrap
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, repeat

from provision.hints import Command, Hint

RIGHT_EDGE = 77
BELOW_COLUMN = 18
LEAST_TEXT_WIDTH = 24

# Stands for a blank in a line that stays whole; no text of ours has it.
_JOINT = "\ue000"
_STYLES = {"good": "32", "changed": "33", "bad": "1;31", "away": "35", "strong": "1", "weak": "2"}
_ASCII = str.maketrans(
    {"·": "-", "→": "->", "…": "...", "—": "-", "\u2013": "-", "\u2018": "'", "\u2019": "'", "\u00d7": "x"}
)


class _Visible(dict[int, str]):
    """A translation table that fills itself: control and invisible characters become escapes."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character.isprintable():
            shown = character
        elif character == "\t" or unicodedata.category(character) == "Zs":
            shown = " "
        else:
            shown = character.encode("unicode_escape").decode()
        self[code] = shown
        return shown


_TABLE = _Visible()


def clean(text: str) -> str:
    r"""Return ``text`` as one line that is safe for terminals, pages and XML parsers.

    Control characters, invisible and direction-changing characters and lone surrogates are escaped (``\x1b``,
    ``\u202e``); tabs and unusual spaces become a space.
    """
    return text if text.isprintable() else text.translate(_TABLE)


def clean_lines(text: str) -> str:
    """Return ``text`` with every line cleaned and the line ends kept; for logs and diffs."""
    return "\n".join(clean(line) for line in text.replace("\r\n", "\n").split("\n"))


@dataclass(frozen=True)
class Page:
    """How text is shown; ``width`` in columns, ``ascii`` where other characters cannot be."""

    width: int = 80
    colour: bool = False
    ascii: bool = False

    def plain(self, text: str) -> str:
        """Return ``text`` as one safe line in the characters that this page can show."""
        shown = clean(text)
        if not self.ascii or shown.isascii():
            return shown
        return shown.translate(_ASCII).encode("ascii", "backslashreplace").decode()

    def paint(self, text: str, style: str) -> str:
        """Colour ``text``, which is plain and padded already, when the page has colours."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colour and text else text

    def wrap(self, text: str, column: int) -> list[str]:
        """Break ``text`` into plain lines that fit right of ``column``; words stay whole."""
        room = max(self.width - column, LEAST_TEXT_WIDTH)
        lines = clean_lines(text).strip().split("\n")
        return [part for line in lines for part in _fold(self.plain(line), room)]

    def block(self, text: str, column: int) -> list[str]:
        """Break ``text`` and indent every line to ``column``."""
        return [" " * column + line for line in self.wrap(text, column)]

    def labelled(self, label: str, text: str, column: int, width: int = 7) -> list[str]:
        """Return the lines of ``text`` under each other, with ``label`` before the first."""
        lines = self.wrap(text, column + width) if text.strip() else []
        return _under(label.ljust(width), lines, column)

    def hint(self, label: str, hint: Hint, column: int, width: int = 7) -> list[str]:
        """Return ``hint`` as lines after ``label``; a command that does not fit starts on a new line."""
        room = max(self.width - column - width, LEAST_TEXT_WIDTH)
        said = "".join(map(self._said, hint)).split("\n")
        lines = [line for text in said for line in _fold(text, room)]
        return _under(label.ljust(width), [line.replace(_JOINT, " ") for line in lines], column)

    def _said(self, part: str | Command) -> str:
        # A command stays whole: textwrap would break it between its words.
        if isinstance(part, Command):
            return self.plain(str(part)).replace(" ", _JOINT)
        return "\n".join(map(self.plain, part.split("\n")))

    def flow(self, items: Iterable[str], column: int) -> list[str]:
        """Return ``items`` as lines with commas at ``column``; an item stays whole."""
        lines = [""]
        for item in map(self.plain, items):
            grown = f"{lines[-1]}, {item}" if lines[-1] else item
            if lines[-1] and column + len(grown) > self.width - 1:
                lines[-1] += ","
                lines.append(item)
            else:
                lines[-1] = grown
        return [" " * column + line for line in lines]

    def beside(
        self, left: str, right: str, column: int, gap: int = 2, below: int = BELOW_COLUMN
    ) -> list[str]:
        """Return ``left`` with ``right`` at ``column``, or under it at ``below`` if it does not fit."""
        before, after = self.plain(left), self.plain(right)
        start = max(column, len(before) + gap)
        if not after:
            return [before]
        if start + len(after) <= self.width:
            return [before.ljust(start) + after]
        return [before, *self.block(after, below)]

    def edge(self, left: str, right: str, gap: int = 4) -> list[str]:
        """Return ``left`` with ``right`` at the right edge, or under it if it does not fit."""
        column = min(self.width, RIGHT_EDGE) - len(self.plain(right))
        return self.beside(left, right, max(column, 0), gap)

    def total(self, label: str, said: str, seconds: float) -> list[str]:
        """Return the line of totals, with the time at the right edge, or under it if the line is long."""
        lines = self.edge(label + said, duration(seconds))
        if len(lines) == 1:
            return lines
        return self.labelled(label, f"{said}\n{duration(seconds)}", 0, len(label))


def _under(label: str, lines: list[str], column: int) -> list[str]:
    heads = chain([label], repeat(" " * len(label)))
    return [" " * column + head + line for head, line in zip(heads, lines, strict=False)]


def _fold(line: str, room: int) -> list[str]:
    """Fold one line between its words."""
    if len(line) <= room:
        return [line]
    return textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""]


def duration(seconds: float) -> str:
    """Return ``seconds`` as words: ``4.2 s``, ``12 s``, ``2 m 31 s``, ``1 h 02 m``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 host``, ``2 hosts``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def dotted(parts: Iterable[str]) -> str:
    """Join parts with the middle dot."""
    return " · ".join(parts)
