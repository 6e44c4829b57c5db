"""What a person reads at the end of a run: pure functions from a Report to a text."""

from collections.abc import Iterable, Mapping

from provision.model import Report, Status
from provision.report import advice, planned, results
from provision.report.buckets import GOOD, Group, proven, sort_into_buckets
from provision.report.layout import Page
from provision.report.words import (
    PING_WORDS,
    PLAN_ORDER,
    VERIFY_WORDS,
    counts,
    needs_a_hand,
    words_of,
)

REPORT_PLACE = ".provision/latest/report.html"


def plan_text(
    report: Report,
    *,
    diff: bool = False,
    asks: bool = False,
    width: int = 80,
    colour: bool = False,
    ascii: bool = False,
) -> str:
    """Say what would change on which hosts; ``diff`` adds every package and file difference.

    A plan that ``asks`` is followed by a question, and not by a command to type.
    """
    page = Page(width, colour, ascii)
    buckets = sort_into_buckets(report.hosts)
    words = words_of(advice.verb(report.command), is_plan=True)
    asks = asks and bool(buckets[Status.CHANGED])
    return _text(
        results.title(page, report, report.inventory),
        planned.to_change(page, buckets[Status.CHANGED], diff=diff),
        planned.already_right(page, buckets[Status.OK], words[Status.OK]),
        planned.not_planned(page, buckets),
        ["", *page.total("Plan   ", counts(buckets, words, PLAN_ORDER), report.seconds)],
        [] if asks else [page.plain(_after_plan(report, buckets, diff))],
    )


def provision_text(
    report: Report,
    *,
    width: int = 80,
    colour: bool = False,
    ascii: bool = False,
    place: str = REPORT_PLACE,
) -> str:
    """Say what a run that changes made of every host; ``place`` is where the page of the run lies."""
    page = Page(width, colour, ascii)
    buckets = sort_into_buckets(report.hosts)
    verb = advice.verb(report.command)
    words = words_of(verb)
    good = [results.provisioned(page, words[status], status, buckets[status]) for status in GOOD]
    return _text(
        results.title(page, report, f"{report.inventory} · run {report.run}"),
        *good,
        results.failed(page, buckets, words),
        results.result(page, report, buckets, words),
        [
            page.plain(f"Report   {place}"),
            results.last_line(page, report, buckets, "verify" if verb == "provision" else "plan"),
        ],
    )


def verify_text(
    report: Report,
    *,
    previous: Report | None = None,
    width: int = 80,
    colour: bool = False,
    ascii: bool = False,
    place: str = REPORT_PLACE,
) -> str:
    """Say which hosts are proven; ``previous`` is the last run with checks, to compare with."""
    page = Page(width, colour, ascii)
    buckets = sort_into_buckets(report.hosts, proven)
    since = [page.plain(f"Since    {results.compared(report, previous)}")] if previous else []
    return _text(
        results.title(page, report, f"{report.inventory} · run {report.run}"),
        results.verified(page, VERIFY_WORDS[Status.OK], buckets[Status.OK]),
        results.failed(page, buckets, VERIFY_WORDS),
        results.result(page, report, buckets, VERIFY_WORDS),
        since,
        [page.plain(f"Report   {place}"), results.last_line(page, report, buckets, "plan")],
    )


def ping_text(report: Report, *, width: int = 80, colour: bool = False, ascii: bool = False) -> str:
    """Say which hosts let us in, and why the others do not."""
    page = Page(width, colour, ascii)
    buckets = sort_into_buckets(report.hosts)
    return _text(
        results.title(page, report, report.inventory),
        results.provisioned(page, PING_WORDS[Status.OK], Status.OK, buckets[Status.OK]),
        results.failed(page, buckets, PING_WORDS),
        results.result(page, report, buckets, PING_WORDS),
        [page.plain(_after_ping(report, buckets))],
    )


def _after_ping(report: Report, buckets: Mapping[Status, Group]) -> str:
    if needs_a_hand(buckets):
        return f"Again    {advice.again(report.command)}"
    return f"Next     {advice.same_hosts(report.command, 'plan')}"


def _after_plan(report: Report, buckets: Mapping[Status, Group], diff: bool) -> str:
    if buckets[Status.CHANGED]:
        is_shown = diff or advice.verb(report.command) != "plan"
        details = "" if is_shown else f"      details: {advice.show_diff(report.command)}"
        return f"Next   {advice.carry_out(report.command)}{details}"
    if needs_a_hand(buckets):
        return f"Again  {advice.again(report.command)}"
    return f"Next   {advice.same_hosts(report.command, 'verify')}"


def _text(*blocks: Iterable[str]) -> str:
    return "".join(f"{line.rstrip()}\n" for block in blocks for line in block)
