"""From results to a table: what each fault did to the run, and how long the next run took to mend it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.lab.faults.plan import Fault

HEADS = ("fault", "times", "in time", "the run that was struck", "recovered", "median s", "max s")


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one fault.

    ``was_struck`` is False when it came too late. ``ended`` is how the struck run ended, ``recover_s`` how
    long the next run took, and ``problems`` is empty when all held.
    """

    fault: Fault
    was_struck: bool
    ended: str
    recover_s: float
    seconds: float
    problems: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {
            "number": self.fault.number, "host": self.fault.host, "fault": str(self.fault.kind),
            "work": self.fault.work, "moment": str(self.fault.moment), "struck": self.was_struck,
            "ended": self.ended, "recover_s": round(self.recover_s, 2), "seconds": round(self.seconds, 1),
            "problems": list(self.problems),
        }  # fmt: skip


def markdown(results: Iterable[Result]) -> str:
    """Return the table: one row for each fault, and one for all."""
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(str(result.fault.kind), []).append(result)
    every = [result for row in rows.values() for result in row]
    lines = [_row(name, rows[name]) for name in sorted(rows)]
    return "\n".join([_line(HEADS), "|---" * len(HEADS) + "|", *lines, _row("all", every, "")]) + "\n"


def _row(name: str, results: list[Result], ended: str | None = None) -> str:
    good = [result for result in results if not result.problems]
    seconds = [result.recover_s for result in good]
    times = (f"{median(seconds):.1f}", f"{max(seconds):.1f}") if seconds else ("", "")
    struck = sum(result.was_struck for result in results)
    words = ", ".join(_counted(results)) if ended is None else ended
    return _line((name, str(len(results)), str(struck), words, f"{len(good)} of {len(results)}", *times))


def _counted(results: list[Result]) -> Iterator[str]:
    for ended, number in Counter(result.ended for result in results if result.was_struck).most_common():
        yield f"{ended} {number}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
