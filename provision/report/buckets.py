"""Sort hosts into buckets by status, and group those with the same result."""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence

from provision.hints import Command, Hint
from provision.model import HostReport, Status

Group = tuple[HostReport, ...]
Judge = Callable[[HostReport], Status]
GOOD = (Status.OK, Status.CHANGED)

# The parts that may differ between hosts with one cause: addresses and times.
_OWN = re.compile(
    r"[^\s/@(]+:\d{1,5}\b|\b\d{1,3}(?:\.\d{1,3}){3}\b|\b\d+(?:\.\d+)? ?(?:ms|s|m|h|B|kB|MB|GB)\b"
)


def judged(host: HostReport) -> Status:
    """Return the status of ``host``: failed when one of its checks failed."""
    failed_check = any(check.verdict.is_bad for check in host.checks)
    return Status.FAILED if host.status in GOOD and failed_check else host.status


def proven(host: HostReport) -> Status:
    """Return the status of ``host`` by its checks: OK needs a passed check, and no failed one."""
    status = judged(host)
    if status not in GOOD:
        return status
    return Status.OK if any(check.passed for check in host.checks) else Status.FAILED


def sort_into_buckets(hosts: Iterable[HostReport], judge: Judge = judged) -> dict[Status, Group]:
    """Return the hosts of every status, also of those without hosts, in their given order."""
    buckets: dict[Status, list[HostReport]] = {status: [] for status in Status}
    for host in hosts:
        buckets[judge(host)].append(host)
    return {status: tuple(members) for status, members in buckets.items()}


def group(hosts: Iterable[HostReport], key: Callable[[HostReport], Hashable]) -> list[Group]:
    """Group hosts with equal ``key``, in the order in which keys first appear."""
    found: dict[Hashable, list[HostReport]] = {}
    for host in hosts:
        found.setdefault(key(host), []).append(host)
    return [tuple(members) for members in found.values()]


def cause(host: HostReport) -> Hashable:
    """Return a key that is equal for hosts that stopped for the same reason.

    Names, addresses and times may differ; hints may differ only in the name.
    """
    failure = host.failure
    texts = (failure.message, failure.evidence) if failure else ()
    checks = tuple((check.name, check.verdict, check.detail) for check in host.checks if not check.passed)
    earlier = tuple((run.run, run.how, run.changes, run.failure) for run in host.earlier)
    return (
        (failure.kind, failure.stage, _steps(failure.next, host.name)) if failure else None,
        tuple(_OWN.sub("#", _without_name(text, host.name)) for text in texts),
        (len(host.checks), checks),
        earlier,
        host.containers,
    )


def _steps(hint: Hint, name: str) -> Hashable:
    return tuple((isinstance(part, Command), _without_name(str(part), name)) for part in hint)


def _without_name(text: str, name: str) -> str:
    return re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "#", text)


def shared(texts: Sequence[str], fill: Callable[[Sequence[str]], str] = lambda words: "…") -> str:
    """Return several similar texts as one, with ``fill`` in place of the words that differ."""
    rows = [text.split(" ") for text in texts]
    if len({len(row) for row in rows}) > 1:
        return texts[0]
    columns = zip(*rows, strict=True)
    return " ".join(words[0] if len(set(words)) == 1 else _filled(words, fill) for words in columns)


def _filled(words: Sequence[str], fill: Callable[[Sequence[str]], str]) -> str:
    """Return ``fill`` of ``words``, with the punctuation that all of them end with."""
    last = {word[-1:] for word in words}
    mark = last.pop() if len(last) == 1 and last <= set(",;:.") else ""
    return fill([word.removesuffix(mark) for word in words]) + mark


def names(hosts: Iterable[HostReport], separator: str = " ") -> str:
    """Join the names of ``hosts``."""
    return separator.join(host.name for host in hosts)
