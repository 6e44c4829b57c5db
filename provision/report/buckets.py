"""Sort hosts into buckets by status, with their words and colours; and group hosts with the same result."""

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from provision.hints import Command
from provision.model import HostReport, Status
from provision.report.layout import count, dotted
from provision.wording import Wording

Group = tuple[HostReport, ...]
Judge = Callable[[HostReport], Status]

GOOD = (Status.OK, Status.CHANGED)
# The worst is nearest the prompt.
BAD = (Status.SKIPPED, Status.UNREACHABLE, Status.REFUSED, Status.UNKNOWN, Status.FAILED)
ORDER = (*GOOD, Status.FAILED, Status.UNREACHABLE, Status.REFUSED, Status.UNKNOWN, Status.SKIPPED)
PLAN_ORDER = (Status.CHANGED, *(status for status in ORDER if status is not Status.CHANGED))

STYLES = dict.fromkeys(Status, "bad") | {
    Status.OK: "good",
    Status.CHANGED: "changed",
    Status.UNREACHABLE: "away",
    Status.SKIPPED: "weak",
}
WORDS = {status: str(status) for status in Status} | {Status.OK: "up to date", Status.REFUSED: "not touched"}
PLAN_WORDS = WORDS | {Status.CHANGED: "to change"}

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


def words_of(verb: Wording, *, is_plan: bool = False) -> Mapping[Status, str]:
    """Return the words of a verb's buckets, or of those of its plan."""
    if is_plan:
        return PLAN_WORDS | {Status.OK: verb.nothing}
    return WORDS | {Status.OK: verb.ok, Status.CHANGED: verb.changed, Status.FAILED: verb.failed}


def counts(
    buckets: Mapping[Status, Group], words: Mapping[Status, str], order: tuple[Status, ...] = ORDER
) -> str:
    """Return the number of hosts per bucket, and their sum: ``8 up to date · 1 failed · 9 hosts``."""
    shown = [f"{len(buckets[status])} {words[status]}" for status in order if buckets[status]]
    return dotted([*shown, count(sum(len(hosts) for hosts in buckets.values()), "host")])


def unsuccessful(buckets: Mapping[Status, Group]) -> tuple[HostReport, ...]:
    """Return the hosts that did not succeed, in the order of the screen."""
    return tuple(host for status in BAD for host in buckets[status])


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
    hint = failure.next if failure else ()
    steps = tuple((isinstance(part, Command), _without_name(str(part), host.name)) for part in hint)
    return (
        (failure.kind, failure.stage, steps) if failure else None,
        tuple(_OWN.sub("#", _without_name(text, host.name)) for text in texts),
        (len(host.checks), checks),
        earlier,
        host.containers,
    )


def _without_name(text: str, name: str) -> str:
    return re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "#", text)


def shared(texts: Sequence[str], fill: Callable[[Sequence[str]], str] = lambda words: "…") -> str:
    """Return several similar texts as one, with ``fill`` in place of the words that differ."""
    rows = [text.split(" ") for text in texts]
    if len({len(row) for row in rows}) > 1:
        return texts[0]
    said = []
    for words in zip(*rows, strict=True):
        last = {word[-1:] for word in words}
        # The punctuation that all of them end with stays.
        mark = last.pop() if len(last) == 1 and last <= set(",;:.") else ""
        differ = len(set(words)) > 1
        said.append(fill([word.removesuffix(mark) for word in words]) + mark if differ else words[0])
    return " ".join(said)


def names(hosts: Iterable[HostReport], separator: str = " ") -> str:
    """Join the names of ``hosts``."""
    return separator.join(host.name for host in hosts)
