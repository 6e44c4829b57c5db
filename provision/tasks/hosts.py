"""Look at the hosts, reach them, and pin their keys."""

import sys

from provision.errors import UsageError
from provision.inventory import ALL
from provision.workflows.command import (
    AGREE,
    DISRUPT,
    HOSTS,
    LIMIT,
    LOCK,
    RUN,
    VIA,
    command,
)  # fmt: skip
from provision.workflows.project import Flags, settings


@command(name="list", help=LIMIT | VIA)
def list_(flags: Flags, limit: str = ALL, via: str = "public") -> None:
    """List the inventory: addresses, users, groups, pins."""
    from provision.workflows import reach

    sys.stdout.write(reach.listing(settings(flags), limit, via))


@command(shared=RUN, positional=("hosts",), help=HOSTS)
def ping(flags: Flags, hosts: str, via: str = "public") -> int:
    """Log in to the named hosts and out again."""
    from provision.workflows.runs import Manner, Request, start, typed

    return start(Request("hosts.ping", typed(), hosts, via), flags, Manner())


@command(shared=RUN, positional=("hosts",), help=HOSTS | LOCK | AGREE | DISRUPT)
def undo(
    flags: Flags, hosts: str, via: str = "public", plan: bool = False, yes: bool = False,
    lock_timeout: str = "", allow_disruption: bool = False, serial: str = "",
    max_fail: str = "",
) -> int:  # fmt: skip
    """Undo the last change on hosts.

    The last run that changed a host is undone from its journal there; an undo can be undone the same way.
    """
    from provision.workflows.consent import Agreed, plan_then_do
    from provision.workflows.runs import change

    request = change("hosts.undo", hosts, via, lock_timeout, serial=serial, max_fail=max_fail)
    return plan_then_do(request, flags, plan=plan, agreed=Agreed(yes, allow_disruption))


@command(shared=RUN, positional=("hosts",), help=HOSTS | LOCK)
def harden(flags: Flags, hosts: str, via: str = "public", lock_timeout: str = "") -> int:
    """Turn password login off on hosts that use a key.

    A timer on the host restores it after two minutes, unless new logins have proven the new setting.
    """
    from provision.workflows import runs

    return runs.change_access("hosts.harden", flags, hosts, via, lock_timeout)


@command(positional=("name",), help={"name": "the inventory name of one host"} | VIA)
def shell(flags: Flags, name: str, via: str = "public") -> int:
    """Open a shell on one host."""
    from provision.workflows import reach

    return reach.shell(settings(flags), name, via)


@command(
    positional=("hosts",),
    help=HOSTS
    | {"fingerprint": "pin without asking, if the host shows this fingerprint (SHA256:...)",
       "from-file": "pin without asking, from a console's export of keys or fingerprints (- is stdin)",
       "replace": "the fingerprint of the old pin, when the host's key has changed",
       "check": "only compare the keys of the hosts with their pins, without logging in"},
)  # fmt: skip
def trust(
    flags: Flags, hosts: str, fingerprint: str = "", from_file: str = "", replace: str = "",
    check: bool = False, via: str = "public",
) -> int:  # fmt: skip
    """Show a host's key and pin it when you confirm it.

    A console's export is the log of a first boot, as cloud-init prints it, or a list with one line per key:
    name type key, or name SHA256:...
    """
    from provision.workflows import pins

    if check:
        if fingerprint or from_file or replace:
            raise UsageError("--check only compares, and pins nothing", f"`fab hosts.trust {hosts} --check`")
        return pins.check(settings(flags), hosts, via)
    pins.trust(settings(flags), hosts, pins.Proof(fingerprint, from_file, replace), via)
    return 0
