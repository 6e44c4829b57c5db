"""Known secrets, to be searched for, and the forms in which one may be written."""

import base64
import secrets
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from provision.model import Secret

MARKER_LETTERS = 20
_LETTERS = string.ascii_letters + string.digits
# What quoting, templates, shells, XML and percent signs could trip over, on both sides of the marker.
_BEFORE = """ k'a"n\\%41 {{ 7*7 }}<&"""
_AFTER = """#$HOME é漢 """


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret with a ``marker`` in it, letters and digits: JSON, URLs and shells do not change these."""

    name: str
    secret: Secret
    marker: str = field(repr=False)

    @classmethod
    def new(cls, name: str, before: str = _BEFORE, after: str = _AFTER) -> "Canary":
        """Return a new canary, of a random marker and the text around it."""
        marker = "".join(secrets.choice(_LETTERS) for _ in range(MARKER_LETTERS))
        return cls(name, Secret(f"{before}{marker}{after}"), marker)


class Needles:
    """The search texts: each canary's marker as it is, and in base64 and hexadecimal."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._names = {text: canary.name for canary in canaries for text in _forms(canary.marker.encode())}

    @property
    def texts(self) -> tuple[bytes, ...]:
        """The texts to search for."""
        return tuple(self._names)

    def find(self, data: bytes) -> set[str]:
        """Return the names of the canaries that are in ``data``."""
        return {name for text, name in self._names.items() if text in data}


def _forms(marker: bytes) -> Iterator[bytes]:
    yield marker
    yield marker.hex().encode()
    yield marker.hex().upper().encode()
    yield from (_inner_base64(marker, before) for before in range(3))


def _inner_base64(marker: bytes, before: int) -> bytes:
    """Return the letters that encode only ``marker``, with ``before`` bytes (modulo 3) in front of it.

    Letters and digits never encode to the two signs in which base64 for URLs differs.
    """
    whole = base64.b64encode(bytes(before) + marker + bytes(-(before + len(marker)) % 3))
    return whole[-(-before * 8 // 6) : (before + len(marker)) * 8 // 6]
