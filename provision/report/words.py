"""The words of the buckets, their colours, and the order in which they are shown."""

from collections.abc import Mapping

from provision.model import HostReport, Status
from provision.report.buckets import GOOD, Group
from provision.report.layout import count, dotted
from provision.wording import Wording

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
