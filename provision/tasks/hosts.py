"""Look at the hosts, reach them, and pin their keys."""

import sys

from provision.errors import UsageError
from provision.inventory import ALL
from provision.pipeline import Request
from provision.tasks import pins, reach, runs
from provision.tasks.command import RUN, command, typed
from provision.tasks.consent import (
    AGREE,
    DISRUPT,
    LOCK,
    Agreed,
    Question,
    lock_values,
    plan_then_do,
    serial_of,
)
from provision.tasks.keys import change_access
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
    shared=RUN,
    positional=("hosts",),
    help=_HOSTS,
)
def ping(flags: Flags, hosts: str, via: str = "public") -> int:
    """Log in to the named hosts (or all) and out again."""
    return runs.start(Request("hosts.ping", typed(), hosts, via), flags, runs.Manner())


@command(shared=RUN, positional=("hosts",), help=_HOSTS | LOCK | AGREE | DISRUPT)
def undo(
    flags: Flags, hosts: str, via: str = "public", plan: bool = False, yes: bool = False,
    lock_timeout: str = "", allow_disruption: bool = False, serial: str = "",
) -> int:  # fmt: skip
    """Return hosts to how they were before the last change.

    The last run that changed a host is undone from the journal there; an undo can be undone the same way.
    """
    values = lock_values(lock_timeout)
    request = Request("hosts.undo", typed(), hosts, via, values=values, serial=serial_of(serial))
    question = Question(request.row.asks)
    return plan_then_do(request, flags, question, plan=plan, agreed=Agreed(yes, allow_disruption))


@command(shared=RUN, positional=("hosts",), help=_HOSTS | LOCK)
def harden(flags: Flags, hosts: str, via: str = "public", lock_timeout: str = "") -> int:
    """Turn password login off on hosts that a key lets in.

    A timer there puts it back after two minutes, unless new logins have shown that all is well.
    """
    return change_access("hosts.harden", flags, hosts, via, lock_timeout)


@command(positional=("name",), help=_NAME | {"via": _SELECTION["via"]})
def shell(flags: Flags, name: str, via: str = "public") -> int:
    """Open a shell on one host."""
    return reach.shell(settings(flags), name, via)


@command(
    positional=("hosts",),
    help=_HOSTS
    | {"fingerprint": "pin only if the host shows this one (SHA256:...); asks nothing",
       "from-file": "take keys or fingerprints from a console's export (- is standard input); asks nothing",
       "replace": "the fingerprint of the old pin, when the host's key has changed",
       "check": "only compare what the hosts show with their pins; nobody is logged in to"},
)  # fmt: skip
def trust(
    flags: Flags, hosts: str, fingerprint: str = "", from_file: str = "", replace: str = "",
    check: bool = False, via: str = "public",
) -> int:  # fmt: skip
    """Show a host's key and pin it when you confirm it.

    A console's export is the log of a first boot, as cloud-init prints it, or a list: name type key, or
    name SHA256:..., a line each.
    """
    if check:
        if fingerprint or from_file or replace:
            raise UsageError("--check only compares, and pins nothing", f"`fab hosts.trust {hosts} --check`")
        return pins.check(settings(flags), hosts, via)
    pins.trust(settings(flags), hosts, pins.Proof(fingerprint, from_file, replace), via)
    return 0
