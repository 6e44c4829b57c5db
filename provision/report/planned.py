"""The blocks of a plan: hosts to change, hosts up to date, hosts that cannot be planned."""

from collections.abc import Hashable, Iterator, Mapping

from provision.model import HostReport, Status
from provision.report.buckets import BAD, PLAN_WORDS, STYLES, Group, cause, group, names
from provision.report.changes import LEGEND, consent_lines, passed_over_words, plan_lines
from provision.report.failures import failure_lines, joined
from provision.report.layout import Page, count

NAMES_COLUMN = 12
SYSTEM_COLUMN = 50
LABEL_COLUMN = 27
CAUSE_COLUMN = 36
MOST_NAME_LINES = 6


def to_change(page: Page, hosts: Group, *, diff: bool) -> Iterator[str]:
    """Yield the plans of ``hosts``, grouped by changes and system; the last line explains the signs."""

    def same(host: HostReport) -> Hashable:
        return host.changes, host.system, tuple(consent_lines(host.consent)), host.passed_over

    for alike in group(hosts, same):
        head = f"  {count(len(alike), 'host')}".ljust(NAMES_COLUMN - 2) + "  "
        first, *rest = page.block(names(alike), NAMES_COLUMN)
        *lines, last = [head + first.lstrip(), *rest]
        yield from lines
        yield from page.beside(last, alike[0].system, SYSTEM_COLUMN)
        yield from plan_lines(page, alike[0].changes, diff=diff)
        for line in consent_lines(alike[0].consent):
            yield from page.block(f"needs consent: {line}", NAMES_COLUMN)
        if words := passed_over_words(alike[0].passed_over):
            yield from page.block(words, NAMES_COLUMN)
    if any(host.changes for host in hosts):
        first, *rest = page.block(LEGEND, NAMES_COLUMN)
        yield from ["  signs".ljust(NAMES_COLUMN) + first.lstrip(), *rest]


def up_to_date(page: Page, hosts: Group, word: str) -> list[str]:
    """Return count and names of the hosts with nothing to change; ``word`` is that of their bucket."""
    if not hosts:
        return []
    label = f"  {count(len(hosts), 'host')} {word}".ljust(LABEL_COLUMN - 2) + "  "
    first, *rest = few_names(page, hosts, LABEL_COLUMN)
    return [page.paint(label, "good") + first.lstrip(), *rest]


def few_names(page: Page, hosts: Group, column: int) -> list[str]:
    """Return the names of ``hosts``; a number replaces those beyond some lines."""
    lines = page.block(names(hosts), column)
    if len(lines) <= MOST_NAME_LINES:
        return lines
    kept = lines[:MOST_NAME_LINES]
    shown = sum(len(line.split()) for line in kept)
    return [*kept, *page.block(f"… and {len(hosts) - shown} more", column)]


def not_planned(page: Page, buckets: Mapping[Status, Group]) -> Iterator[str]:
    """Yield the hosts without a plan; each cause once."""
    for status in BAD:
        for alike in group(buckets[status], cause):
            yield from _without_plan(page, status, alike)


def _without_plan(page: Page, status: Status, hosts: Group) -> list[str]:
    label = f"  {count(len(hosts), 'host'):<7} {PLAN_WORDS[status]}".ljust(LABEL_COLUMN)
    first, *rest = page.block(names(hosts), LABEL_COLUMN)
    lines = [label + first.lstrip(), *rest]
    failure = joined(hosts)
    if failure and status is Status.UNREACHABLE:
        lines = [*lines[:-1], *page.beside(lines[-1], failure.message, CAUSE_COLUMN)]
    elif failure:
        lines += failure_lines(page, failure, NAMES_COLUMN)
    return [page.paint(label, STYLES[status]) + lines[0][len(label) :], *lines[1:]]
