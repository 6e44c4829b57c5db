"""Look at the hosts, reach them, and pin their keys."""

import sys

from provision.inventory import ALL
from provision.pipeline import Request
from provision.tasks import reach, runs
from provision.tasks.command import ROAD, command, typed
from provision.tasks.consent import AGREE, LOCK, Question, lock_values, plan_then_do
from provision.tasks.project import Flags, settings

_SELECTION = {
    "limit": "only these hosts or groups, an Ansible pattern",
    "via": "public or private: which address of each host is used",
}
_NAME = {"name": "the inventory name of one host"}
_HOSTS = {"hosts": "web1, web1,web2, a group, or all", "via": _SELECTION["via"]}


@command(name="list", help=_SELECTION)
def list_(flags: Flags, limit: str = ALL, via: str = "public") -> None:
    """List the inventory: addresses, users, groups, pins."""
    sys.stdout.write(reach.listing(settings(flags), limit, via))


@command(
    shared=ROAD,
    positional=("hosts",),
    help=_HOSTS,
)
def ping(flags: Flags, hosts: str, via: str = "public") -> int:
    """Log in to the named hosts (or all) and out again."""
    return runs.start(Request("ping", typed(), hosts, via), flags, runs.Manner())


@command(shared=ROAD, positional=("hosts",), help=_HOSTS | LOCK | AGREE)
def undo(
    flags: Flags, hosts: str, via: str = "public", plan: bool = False, yes: bool = False,
    lock_timeout: str = "",
) -> int:  # fmt: skip
    """Return hosts to how they were before the last change.

    The last run that changed a host is undone from the journal there; an undo can be undone the same way.
    """
    values = {"verb": "undo"} | lock_values(lock_timeout)
    request = Request("undo", typed(), hosts, via, values=values)
    return plan_then_do(request, flags, Question("The last run is undone on {hosts}."), plan=plan, yes=yes)


@command(positional=("name",), help=_NAME | {"via": _SELECTION["via"]})
def shell(flags: Flags, name: str, via: str = "public") -> int:
    """Open a shell on one host."""
    return reach.shell(settings(flags), name, via)


@command(
    positional=("name",),
    help=_NAME
    | {"fingerprint": "pin only if the host shows this one (SHA256:...); asks nothing",
       "replace": "the fingerprint of the old pin, when the host's key has changed",
       "via": _SELECTION["via"]},
)  # fmt: skip
def trust(flags: Flags, name: str, fingerprint: str = "", replace: str = "", via: str = "public") -> None:
    """Show a host's key and pin it when you confirm it."""
    for each in name.split(","):
        reach.trust(settings(flags), each, fingerprint, replace, via)
