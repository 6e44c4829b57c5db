"""The verbs that are typed daily: plan, provision, verify."""

from provision.inventory import ALL
from provision.pipeline import Request
from provision.tasks import runs
from provision.tasks.command import ROAD, command, typed
from provision.tasks.project import Flags

_SELECTION = {
    "limit": "only these hosts or groups, an Ansible pattern; @last.failed takes those of the last run",
    "via": "public or private: which address of each host is used",
}
_TOLERATE = {"tolerate": "unreachable, or unreachable=N: do not count them in the exit code"}


@command(
    shared=ROAD,
    help=_SELECTION
    | _TOLERATE
    | {"diff": "show every package and every line of a file that would change",
       "detailed-exitcode": "add 16 to the exit code when changes are pending"},
)  # fmt: skip
def plan(
    flags: Flags, limit: str = ALL, via: str = "public", diff: bool = False, detailed_exitcode: bool = False,
    tolerate: str = "",
) -> int:  # fmt: skip
    """Show what would change on the hosts; change nothing."""
    request = Request("plan", typed(), limit, via)
    return runs.start(request, flags, runs.Manner(diff=diff, detailed=detailed_exitcode, tolerate=tolerate))


@command(
    shared=ROAD,
    help=_SELECTION | _TOLERATE | {"verify": "--no-verify leaves the proof to a later fab verify"},
)
def provision(
    flags: Flags, limit: str = ALL, via: str = "public", verify: bool = True, tolerate: str = ""
) -> int:
    """Make the hosts Docker hosts, and prove that they are.

    The proof restarts the engine where that harms nobody; everywhere else that check is skipped.
    """
    request = Request("provision", typed(), limit, via, prove=verify)
    return runs.start(request, flags, runs.Manner(tolerate=tolerate))


@command(shared=ROAD, help=_SELECTION | _TOLERATE)
def verify(flags: Flags, limit: str = ALL, via: str = "public", tolerate: str = "") -> int:
    """Prove that the hosts are working Docker hosts.

    The engine is restarted where that harms nobody; everywhere else that check is skipped.
    """
    return runs.start(Request("verify", typed(), limit, via), flags, runs.Manner(tolerate=tolerate))
