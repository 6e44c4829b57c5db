"""Hints: text and commands of this program, which are shown as the person types them.

In the code, and in the answer of a host, a hint is a text with commands in backticks::

    make room (df -h shows where), then: `again`
    compare with the cloud console; only if it agrees: `fab hosts.trust web1 --replace SHA256:…`

`` `again …` `` is the command that was run, and `` `again {host} …` `` the one for this host. Text in other
backticks stays as it is. The markup is parsed once, where the error is created; a report shows the parts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

PROGRAM = "fab"
AGAIN = "again"
# The placeholder for the host's name in a command.
HOST = "{host}"
ALONE = f"{AGAIN} {HOST}"
_COMMAND = re.compile(rf"`({PROGRAM}|{re.escape(ALONE)}|{AGAIN})((?: [^`]*)?)`")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of this program: ``line`` is the verb and what follows.

    Without a ``program`` the line is complete, and is shown as it was typed.
    """

    line: str
    program: str = PROGRAM

    def __str__(self) -> str:
        return f"{self.program} {self.line}" if self.program else self.line


Hint = tuple[str | Command, ...]


def parse(
    marked: str, *, again: str = "provision", alone: str = f"provision --limit {HOST}", host: str = HOST
) -> Hint:
    """Return the parts of ``marked``.

    ``again`` is the line of the command that was run, and ``alone`` the line for ``host`` alone.
    """
    verbs = {PROGRAM: "", AGAIN: again.replace(HOST, host), ALONE: alone.replace(HOST, host)}
    parts: list[str | Command] = []
    text, *rest = _COMMAND.split(marked)
    for start, line, after in zip(rest[0::3], rest[1::3], rest[2::3], strict=True):
        parts += [text, Command((verbs[start] + line.replace(HOST, host)).strip())]
        text = after
    return tuple(part for part in [*parts, text] if part)


def render(hint: Iterable[str | Command]) -> str:
    """Return ``hint`` as one text."""
    return "".join(map(str, hint))


def from_plain(parts: Iterable[str | dict[str, str]]) -> Hint:
    """Return the hint from ``parts``, its form after ``dataclasses.asdict`` and JSON."""
    return tuple(Command(**part) if isinstance(part, dict) else part for part in parts)
