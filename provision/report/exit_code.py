"""The exit code of a run: a sum of bits."""

from collections.abc import Collection

from provision.model import HostReport, Status
from provision.report.buckets import judged

USAGE = 1
FAILED = 2
UNREACHABLE = 4
REFUSED = 8
PENDING = 16
UNKNOWN = 32

_BITS = {
    Status.FAILED: FAILED,
    Status.SKIPPED: FAILED,
    Status.UNREACHABLE: UNREACHABLE,
    Status.REFUSED: REFUSED,
    Status.UNKNOWN: UNKNOWN,
}


def exit_code(
    hosts: Collection[HostReport],
    *,
    tolerate_unreachable: float | None = None,
    detailed: bool = False,
) -> int:
    """Return the exit code for ``hosts``; 0 only when none of them failed.

    ``tolerate_unreachable`` is how many unreachable hosts are ignored (``math.inf`` for any number, None for
    none); ``detailed`` adds the bit for changes. A skipped host is not verified, so it counts as failed. No
    host at all is a usage error.
    """
    if not hosts:
        return USAGE
    verdicts = [judged(host) for host in hosts]
    bits = {_BITS.get(verdict, 0) for verdict in verdicts}
    if tolerate_unreachable is not None and verdicts.count(Status.UNREACHABLE) <= tolerate_unreachable:
        bits.discard(UNREACHABLE)
    if detailed and any(host.changes for host in hosts):
        bits.add(PENDING)
    return sum(bits)
