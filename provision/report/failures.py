"""Show why hosts stopped, each cause once, with the names of its hosts; and why the command itself did."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from provision.hints import Command, Hint
from provision.model import Check, Failure, HostReport, Status, Verdict
from provision.report.buckets import Group, cause, group, names, proven, shared
from provision.report.changes import containers_words, earlier_lines
from provision.report.layout import Page, count, dotted, duration

NAME_COLUMN = 2
TEXT_COLUMN = 11
ERROR_COLUMN = 7


def error_text(failure: Failure, *, width: int = 80, colour: bool = False, ascii: bool = False) -> str:
    """Return the text of an error of the command itself; its hint is last."""
    page = Page(width, colour, ascii)
    first, *rest = cause_lines(page, failure, ERROR_COLUMN)
    head = page.paint("Error", "bad") + "  " + first[ERROR_COLUMN:]
    hint = page.hint("Next", failure.next, 0, ERROR_COLUMN)
    return "".join(f"{line.rstrip()}\n" for line in [head, *rest, *hint])


def failure_blocks(page: Page, hosts: Iterable[HostReport]) -> list[str]:
    """Return the lines for all ``hosts``, grouped by cause."""
    return [line for alike in group(hosts, cause) for line in _block(page, alike)]


def _block(page: Page, hosts: Group) -> list[str]:
    first = hosts[0]
    body = [
        *_reason(page, hosts),
        *page.labelled("running", containers_words(first.containers), TEXT_COLUMN, 9),
        *earlier_lines(page, first.earlier, TEXT_COLUMN),
        *failed_checks(page, first.checks),
        *skipped_checks(page, first.checks),
        *advices(page, first.checks),
    ]
    head = " " * NAME_COLUMN + page.plain(names(hosts))
    if body and len(head) < TEXT_COLUMN - 1:
        return [page.paint(head.ljust(TEXT_COLUMN), "strong") + body[0][TEXT_COLUMN:], *body[1:]]
    return [page.paint(line, "strong") for line in page.block(names(hosts), NAME_COLUMN)] + body


def _reason(page: Page, hosts: Group) -> list[str]:
    failure = joined(hosts)
    if failure is None:
        return page.block(_verdict(hosts[0]), TEXT_COLUMN)
    lines = failure_lines(page, failure, TEXT_COLUMN)
    if hosts[0].status is Status.UNREACHABLE:
        return lines
    after = f"after {duration(hosts[0].seconds)}" if len(hosts) == 1 and hosts[0].seconds else ""
    where = dotted(part for part in (failure.stage or "", failure.kind, after) if part)
    return page.block(where, TEXT_COLUMN) + lines


def _verdict(host: HostReport) -> str:
    if any(check.verdict.is_bad for check in host.checks):
        return tally(host.checks)
    if proven(host) is Status.FAILED:
        return "no check passed" if host.checks else "no check was run"
    return "no reason was recorded"


def joined(hosts: Group) -> Failure | None:
    """Return one failure for ``hosts`` with the same cause; its hint names all of them."""
    failures = [host.failure for host in hosts if host.failure]
    if not failures:
        return None
    named = [host.name for host in hosts if host.failure]
    return replace(
        failures[0],
        message=shared(
            [failure.message for failure in failures],
            lambda words: "each host" if list(words) == named else "…",
        ),
        next=tuple(map(_one_for_all, *(failure.next for failure in failures))),
        evidence=shared([failure.evidence for failure in failures]),
        meaning=shared([failure.meaning for failure in failures]),
        state=shared([failure.state for failure in failures]),
    )


def _one_for_all(*parts: str | Command) -> str | Command:
    """Return one part of a hint for all hosts, from the part of each."""
    first = parts[0]
    if isinstance(first, Command):
        return replace(
            first, line=shared([part.line for part in parts if isinstance(part, Command)], _several)
        )
    return shared([str(part) for part in parts], _several)


def _several(words: Sequence[str]) -> str:
    """Return the words in which hints differ as one argument: ``web1,web2``."""
    return ",".join(dict.fromkeys(words))


def failure_lines(page: Page, failure: Failure, column: int) -> list[str]:
    """Return cause, evidence, meaning, state and next step of one failure at ``column``."""
    return [*cause_lines(page, failure, column), *page.hint("next", failure.next, column)]


def cause_lines(page: Page, failure: Failure, column: int) -> list[str]:
    """Return the lines of ``failure_lines`` without the next step."""
    evidence = failure.evidence.strip().split("\n")[0]
    return [
        *page.block(failure.message, column),
        *(page.block(evidence, column) if evidence and evidence not in failure.message else ()),
        *page.labelled("means", failure.meaning, column),
        *page.labelled("state", failure.state, column),
    ]


def tally(checks: Sequence[Check]) -> str:
    """Return the number of checks by verdict: ``41 checks passed, 1 skipped, 1 advice``."""
    numbers = Counter(check.verdict for check in checks)
    passed = f"{count(numbers.pop(Verdict.PASSED, 0), 'check')} passed"
    others = [f"{numbers[verdict]} {verdict}" for verdict in Verdict if verdict in numbers]
    return ", ".join([passed, *others])


def failed_checks(page: Page, checks: Iterable[Check]) -> list[str]:
    """Return the lines of each failed check: its sentence, the wanted and the actual value."""
    lines = []
    for check in checks:
        if check.verdict.is_bad:
            lines += page.labelled("failed", check.name, TEXT_COLUMN, 9)
            lines += page.block(check.detail, TEXT_COLUMN + 9) if check.detail else []
    return lines


def skipped_checks(page: Page, checks: Iterable[Check], column: int = TEXT_COLUMN) -> list[str]:
    """Return the skipped checks with their reasons; each reason once."""
    reasons: dict[Hint, list[str]] = {}
    for check in checks:
        if check.verdict is Verdict.SKIPPED:
            reasons.setdefault(check.parts or (check.detail or "no reason given",), []).append(check.name)
    lines = []
    for reason, skipped in reasons.items():
        said = skipped[0] if len(skipped) == 1 else count(len(skipped), "check")
        lines += page.hint("skipped", (f"{said} (", *reason, ")"), column, 9)
    return lines


def advices(page: Page, checks: Iterable[Check], column: int = TEXT_COLUMN) -> list[str]:
    """Return the advice of each check that has one."""
    given = [check.detail for check in checks if check.verdict is Verdict.ADVICE]
    return [line for said in given for line in page.labelled("advice", said, column, 9)]
