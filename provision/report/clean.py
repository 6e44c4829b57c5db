"""Make text from a host safe to show; nothing else does."""

import unicodedata


class _Visible(dict[int, str]):
    """A translation table that fills itself: control and invisible characters become escapes."""

    def __missing__(self, code: int) -> str:
        self[code] = shown = _visible(chr(code))
        return shown


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    if character == "\t" or unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode()


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
