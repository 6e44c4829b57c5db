"""The text at the end of a run: pure functions of a Report."""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypedDict, Unpack

from provision.model import Report, Status
from provision.report import advice, planned, results
from provision.report.buckets import (
    GOOD,
    PLAN_ORDER,
    Group,
    counts,
    proven,
    sort_into_buckets,
    unsuccessful,
    words_of,
)
from provision.report.layout import Page

REPORT_PLACE = ".provision/latest/report.html"


class Shown(TypedDict, total=False):
    """Layout, and further content, of a page; each page uses what it needs.

    ``diff`` adds every package and file diff to a plan; after a plan that ``asks`` comes a question instead
    of a command. ``previous`` is the last run with checks, to compare with; ``place`` is the path of the
    report's web page.
    """

    diff: bool
    asks: bool
    previous: Report | None
    place: str
    width: int
    colour: bool
    ascii: bool


class Text(Protocol):
    """A function that returns the text of a run."""

    def __call__(self, report: Report, **shown: Unpack[Shown]) -> str:
        """Return the text."""


def plan_text(report: Report, **shown: Unpack[Shown]) -> str:
    """Return what would change on which hosts."""
    page, diff = _page(shown), shown.get("diff", False)
    buckets = sort_into_buckets(report.hosts)
    words = words_of(report.words, is_plan=True)
    asks = shown.get("asks") and buckets[Status.CHANGED]
    return _text(
        results.title(page, report, report.inventory),
        planned.to_change(page, buckets[Status.CHANGED], diff=diff),
        planned.up_to_date(page, buckets[Status.OK], words[Status.OK]),
        planned.not_planned(page, buckets),
        ["", *page.total("Plan   ", counts(buckets, words, PLAN_ORDER), report.seconds)],
        [] if asks else [page.plain(_after_plan(report, buckets, diff))],
    )


def provision_text(report: Report, **shown: Unpack[Shown]) -> str:
    """Return what a run that changes hosts did on each."""
    page, words = _page(shown), words_of(report.words)
    buckets = sort_into_buckets(report.hosts)
    good = [results.provisioned(page, words[status], status, buckets[status]) for status in GOOD]
    return _text(
        results.title(page, report, f"{report.inventory} · run {report.run}"),
        *good,
        results.failed(page, buckets, words),
        results.result(page, report, buckets, words),
        [_report_line(page, shown), results.last_line(page, report, buckets, report.words.then)],
    )


def verify_text(report: Report, **shown: Unpack[Shown]) -> str:
    """Return which hosts are verified."""
    page, words, previous = _page(shown), words_of(report.words), shown.get("previous")
    buckets = sort_into_buckets(report.hosts, proven)
    since = [page.plain(f"Since    {results.compared(report, previous)}")] if previous else []
    return _text(
        results.title(page, report, f"{report.inventory} · run {report.run}"),
        results.verified(page, words[Status.OK], buckets[Status.OK]),
        results.failed(page, buckets, words),
        results.result(page, report, buckets, words),
        since,
        [_report_line(page, shown), results.last_line(page, report, buckets, report.words.then)],
    )


def ping_text(report: Report, **shown: Unpack[Shown]) -> str:
    """Return which hosts accept our login, and why the others do not."""
    page, words = _page(shown), words_of(report.words)
    buckets = sort_into_buckets(report.hosts)
    return _text(
        results.title(page, report, report.inventory),
        results.provisioned(page, words[Status.OK], Status.OK, buckets[Status.OK]),
        results.failed(page, buckets, words),
        results.result(page, report, buckets, words),
        [results.last_line(page, report, buckets, report.words.then)],
    )


def _page(shown: Shown) -> Page:
    return Page(shown.get("width", 80), shown.get("colour", False), shown.get("ascii", False))


def _report_line(page: Page, shown: Shown) -> str:
    return page.plain(f"Report   {shown.get('place', REPORT_PLACE)}")


def _after_plan(report: Report, buckets: Mapping[Status, Group], diff: bool) -> str:
    if buckets[Status.CHANGED]:
        is_shown = diff or advice.verb(report.command) != "plan"
        details = "" if is_shown else f"      details: {advice.show_diff(report.command)}"
        return f"Next   {advice.carry_out(report.command)}{details}"
    if unsuccessful(buckets):
        return f"Again  {advice.again(report.command)}"
    return f"Next   {advice.same_hosts(report.command, 'verify')}"


def _text(*blocks: Iterable[str]) -> str:
    return "".join(f"{line.rstrip()}\n" for block in blocks for line in block)
