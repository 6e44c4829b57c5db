"""The blocks of a finished run: hosts that succeeded, hosts that failed, what to type next."""

from collections.abc import Callable, Hashable, Iterator, Mapping

from provision.model import HostReport, Report, Status
from provision.report import advice
from provision.report.buckets import BAD, STYLES, Group, counts, group, proven, unsuccessful
from provision.report.changes import (
    containers_words,
    earlier_lines,
    passed_over_words,
    said,
    summary,
    waited_words,
)
from provision.report.failures import advices, failure_blocks, skipped_checks, tally
from provision.report.layout import Page, count, dotted
from provision.report.planned import few_names

NAMES_COLUMN = 19
SUMMARY_COLUMN = 38

# The notes beside and below the names; `` each`` is added to a number that holds for each host.
Notes = Callable[[HostReport, str], tuple[str, str]]


def title(page: Page, report: Report, subject: str) -> list[str]:
    """Return the first line: the number of hosts, and ``subject``."""
    return [page.plain(dotted([count(len(report.hosts), "host"), subject])), ""]


def heading(page: Page, word: str, status: Status, hosts: Group) -> str:
    """Return the head of a bucket: its word and its count."""
    return page.paint(f"{word.upper():<12}{len(hosts):>4}", STYLES[status])


def provisioned(page: Page, word: str, status: Status, hosts: Group) -> list[str]:
    """Return the hosts that succeeded, with what was done and the checks."""

    def notes(host: HostReport, each: str) -> tuple[str, str]:
        parts = summary(host.changes), containers_words(host.containers), waited_words(host.waited)
        said = ", ".join(part for part in (*parts, passed_over_words(host.passed_over)) if part)
        return said, f"verified: {tally(host.checks)}{each}" if host.checks else ""

    return _reached(page, heading(page, word, status, hosts), hosts, notes)


def verified(page: Page, word: str, hosts: Group) -> list[str]:
    """Return the verified hosts, with the number of their checks."""

    def notes(host: HostReport, each: str) -> tuple[str, str]:
        return f"{tally(host.checks)}{each}", ""

    return _reached(page, heading(page, word, Status.OK, hosts), hosts, notes)


def _reached(page: Page, head: str, hosts: Group, notes: Notes) -> list[str]:
    def alike(host: HostReport) -> Hashable:
        others = tuple((check.name, check.verdict, check.detail) for check in host.checks if not check.passed)
        return notes(host, ""), others, tuple(map(said, host.earlier))

    lines: list[str] = []
    for same in group(hosts, alike):
        lines += _group(page, same, *notes(same[0], " each" if len(same) > 1 else ""))
    return [head + lines[0][NAMES_COLUMN - 3 :], *lines[1:]] if lines else []


def _group(page: Page, hosts: Group, beside: str, below: str) -> Iterator[str]:
    *lines, last = few_names(page, hosts, NAMES_COLUMN)
    yield from lines
    yield from page.beside(last, beside, SUMMARY_COLUMN, below=NAMES_COLUMN)
    if below:
        yield from page.block(below, NAMES_COLUMN)
    yield from earlier_lines(page, hosts[0].earlier, NAMES_COLUMN)
    yield from skipped_checks(page, hosts[0].checks, NAMES_COLUMN)
    yield from advices(page, hosts[0].checks, NAMES_COLUMN)


def failed(page: Page, buckets: Mapping[Status, Group], words: Mapping[Status, str]) -> Iterator[str]:
    """Yield the lines of the hosts that did not succeed, bucket by bucket."""
    for status in BAD:
        if hosts := buckets[status]:
            yield heading(page, words[status], status, hosts)
            yield from failure_blocks(page, hosts)


def result(
    page: Page, report: Report, buckets: Mapping[Status, Group], words: Mapping[Status, str]
) -> list[str]:
    """Return the line of counts, with the time of the run."""
    return ["", *page.total("Result   ", counts(buckets, words), report.seconds)]


def last_line(page: Page, report: Report, buckets: Mapping[Status, Group], next_verb: str) -> str:
    """Return the next command: the same for the failed hosts, or ``next_verb`` when all succeeded."""
    if unsuccessful(buckets):
        return page.plain(f"Again    {advice.again(report.command)}")
    return page.plain(f"Next     {advice.same_hosts(report.command, next_verb)}")


def compared(report: Report, previous: Report) -> str:
    """Return how many hosts are fixed, drifted, the same or new since ``previous``."""
    before = {host.name: proven(host) is Status.OK for host in previous.hosts}
    words = [_since(proven(host) is Status.OK, before.get(host.name)) for host in report.hosts]
    order = ("fixed", "drifted", "same", "new")
    return f"run {previous.run}: {dotted(f'{words.count(word)} {word}' for word in order if word in words)}"


def _since(good: bool, was_good: bool | None) -> str:
    if was_good is None:
        return "new"
    if good == was_good:
        return "same"
    return "fixed" if good else "drifted"
