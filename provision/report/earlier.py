"""Say what became of runs of before that no controller was told of, or that were cut short."""

from collections.abc import Iterable

from provision.model import Earlier
from provision.report.changes import summary
from provision.report.layout import Page

_ENDS = {
    "finished": "went on without its controller and finished",
    "undone": "was undone",
    "completed": "was cut short, and this run completed it",
}
_FAILED = "went on without its controller and failed"


def said(run: Earlier) -> str:
    """Return one sentence about ``run``: whose, how it ended, and what it changed or why it failed."""
    end = _FAILED if run.failure and run.how == "finished" else _ENDS.get(run.how, run.how)
    detail = run.failure.message if run.failure else summary(run.changes)
    return f"run {run.run} of {run.who} {end}" + (f": {detail}" if detail else "")


def earlier_lines(page: Page, runs: Iterable[Earlier], column: int) -> list[str]:
    """Return a line for each of ``runs`` at ``column``."""
    return [line for run in runs for line in page.labelled("earlier", said(run), column, 9)]
