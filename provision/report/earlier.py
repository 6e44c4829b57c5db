"""Describe earlier runs whose result no controller received, or that were interrupted."""

from collections.abc import Iterable

from provision.model import Earlier
from provision.report.changes import summary
from provision.report.layout import Page

_ENDS = {
    "finished": "finished without its controller",
    "undone": "was undone",
    "completed": "was interrupted, and this run completed it",
}
_FAILED = "failed without its controller"


def said(run: Earlier) -> str:
    """Return one sentence about ``run``: who started it, how it ended, what it changed or why it failed."""
    end = _FAILED if run.failure and run.how == "finished" else _ENDS.get(run.how, run.how)
    detail = run.failure.message if run.failure else summary(run.changes)
    return f"run {run.run} of {run.who} {end}" + (f": {detail}" if detail else "")


def earlier_lines(page: Page, runs: Iterable[Earlier], column: int) -> list[str]:
    """Return a line for each of ``runs`` at ``column``."""
    return [line for run in runs for line in page.labelled("earlier", said(run), column, 9)]
