"""The words of the buckets, their colours, and the order in which they are shown."""

from collections.abc import Mapping

from provision.model import HostReport, Status
from provision.report.buckets import GOOD, Group
from provision.report.layout import count, dotted

# What needs a hand stands nearest the prompt.
BAD = (Status.SKIPPED, Status.UNREACHABLE, Status.REFUSED, Status.UNKNOWN, Status.FAILED)
ORDER = (*GOOD, Status.FAILED, Status.UNREACHABLE, Status.REFUSED, Status.UNKNOWN, Status.SKIPPED)
PLAN_ORDER = (Status.CHANGED, *(status for status in ORDER if status is not Status.CHANGED))

STYLES = dict.fromkeys(Status, "bad") | {
    Status.OK: "good",
    Status.CHANGED: "changed",
    Status.UNREACHABLE: "away",
    Status.SKIPPED: "weak",
}
WORDS = {status: str(status) for status in Status} | {Status.OK: "right"}
PLAN_WORDS = WORDS | {Status.CHANGED: "to change"}
VERIFY_WORDS = WORDS | {Status.OK: "verified", Status.CHANGED: "verified", Status.FAILED: "not verified"}
PING_WORDS = WORDS | {Status.OK: "answering"}
# What a host is called on which there is nothing to do, where it is not simply right.
_NOTHING = {"undo": "nothing to undo", "uninstall": "nothing to remove"}
_OWN = {
    "plan": PLAN_WORDS,
    "verify": VERIFY_WORDS,
    "ping": PING_WORDS,
    "undo": WORDS | {Status.OK: "unchanged", Status.CHANGED: "undone"},
    "install": WORDS | {Status.OK: "unchanged", Status.CHANGED: "key added"},
    "remove": WORDS | {Status.OK: "unchanged", Status.CHANGED: "key removed"},
    "harden": WORDS | {Status.OK: "unchanged", Status.CHANGED: "hardened"},
    "rotate": WORDS | {Status.OK: "unchanged", Status.CHANGED: "rotated"},
    "uninstall": WORDS | {Status.OK: "unchanged", Status.CHANGED: "uninstalled"},
}


def words_of(verb: str, *, is_plan: bool = False) -> Mapping[Status, str]:
    """Give the words of ``verb``, such as provision or hosts.undo, or those of the plan of it."""
    verb = verb.rpartition(".")[2]
    if is_plan and verb in _NOTHING:
        return PLAN_WORDS | {Status.OK: _NOTHING[verb]}
    return _OWN.get(verb, WORDS)


def counts(
    buckets: Mapping[Status, Group], words: Mapping[Status, str], order: tuple[Status, ...] = ORDER
) -> str:
    """Say how many hosts each bucket holds, and their sum: ``8 right · 1 failed · 9 hosts``."""
    shown = [f"{len(buckets[status])} {words[status]}" for status in order if buckets[status]]
    return dotted([*shown, count(sum(len(hosts) for hosts in buckets.values()), "host")])


def needs_a_hand(buckets: Mapping[Status, Group]) -> tuple[HostReport, ...]:
    """Give the hosts that are in no good bucket, in the order of the screen."""
    return tuple(host for status in BAD for host in buckets[status])
