"""Text from a host is data: this is the one place where it becomes safe to show."""

import unicodedata


class _Visible(dict[int, str]):
    """A translate table that fills itself: what would act or hide is written out as an escape."""

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
    r"""Return ``text`` as one line in which nothing acts on a terminal, a page or an XML reader.

    Control characters, invisible and direction-changing characters and lone surrogates are
    written out (``\x1b``, ``\u202e``); tabs and unusual spaces become a space.
    """
    return text if text.isprintable() else text.translate(_TABLE)


def clean_lines(text: str) -> str:
    """Clean every line of ``text`` and keep the line ends; used for logs and differences."""
    return "\n".join(clean(line) for line in text.replace("\r\n", "\n").split("\n"))
