"""The everyday commands plan, provision and verify, and uninstall."""

from provision.errors import UsageError
from provision.inventory import ALL
from provision.workflows.command import AGREE, BUNDLE, DISRUPT, EOL, LOCK, RUN, VIA, command
from provision.workflows.project import Flags

_SELECTION = {
    "limit": "only these hosts or groups, an Ansible pattern; @last.failed: those that failed in the last run"
} | VIA
_TOLERATE = {"tolerate": "unreachable, or unreachable=N: they do not count in the exit code, but are listed"}
_STRICT = {"strict": "advice counts as a failed check"}


@command(
    shared=RUN,
    help=_SELECTION
    | _TOLERATE
    | EOL
    | BUNDLE
    | {"diff": "show every package and every line of a file that would change",
       "detailed-exitcode": "add 16 to the exit code when changes are pending",
       "lock": "write the exact packages of each system to provision.lock.yml, which later runs keep to"},
)  # fmt: skip
def plan(
    flags: Flags, limit: str = ALL, via: str = "public", diff: bool = False, detailed_exitcode: bool = False,
    tolerate: str = "", accept_eol: bool = False, bundle: str = "", lock: bool = False,
) -> int:  # fmt: skip
    """Show what would change on the hosts; change nothing."""
    from provision.workflows.options import bundle_of, eol_values
    from provision.workflows.runs import Manner, Request, start, typed

    manner = Manner(diff=diff, detailed=detailed_exitcode, tolerate=tolerate, lock=lock)
    values = eol_values(accept_eol)
    request = Request("plan", typed(), limit, via, values=values, bundle=bundle_of(bundle))
    return start(request, flags, manner)


@command(
    shared=RUN,
    help=_SELECTION
    | _TOLERATE
    | LOCK
    | DISRUPT
    | EOL
    | _STRICT
    | BUNDLE
    | {"verify": "--no-verify leaves the proof to a later fab verify",
       "resume": "repeat the last fab provision for the hosts that failed, with its options"},
)  # fmt: skip
def provision(
    flags: Flags, limit: str = ALL, via: str = "public", verify: bool = True, tolerate: str = "",
    lock_timeout: str = "", resume: bool = False, allow_disruption: bool = False, serial: str = "",
    max_fail: str = "", strict: bool = False, accept_eol: bool = False, bundle: str = "",
) -> int:  # fmt: skip
    """Make the hosts Docker hosts, and prove that they are.

    The proof restarts the engine only where this run installed it and nothing else runs.
    """
    from provision.workflows.provisioning import ProvisionOptions, resume_last, start

    chosen = (allow_disruption, serial, max_fail, strict, accept_eol, bundle)
    options = ProvisionOptions(limit, via, verify, tolerate, lock_timeout, *chosen)
    return resume_last(provision, flags, limit) if resume else start(options, flags)


@command(
    shared=RUN,
    help=_SELECTION
    | _TOLERATE
    | _STRICT
    | {"restart": "restart the engine for the proof, where nothing else runs"},
)
def verify(
    flags: Flags, limit: str = ALL, via: str = "public", tolerate: str = "", restart: bool = False,
    strict: bool = False,
) -> int:  # fmt: skip
    """Prove that the hosts are working Docker hosts.

    Nothing is restarted, unless --restart asks for it and nothing else runs on the host.
    """
    from provision.workflows.runs import Manner, Request, start, typed

    request = Request("verify", typed(), limit, via, restart=restart, strict=strict)
    return start(request, flags, Manner(tolerate=tolerate))


@command(
    shared=RUN,
    help=_SELECTION
    | LOCK
    | AGREE
    | DISRUPT
    | {"purge-data": "remove every image, container and volume as well; cannot be undone"},
)
def uninstall(
    flags: Flags, limit: str = "", via: str = "public", plan: bool = False, yes: bool = False,
    purge_data: bool = False, lock_timeout: str = "", allow_disruption: bool = False, serial: str = "",
    max_fail: str = "",
) -> int:  # fmt: skip
    """Remove Docker from the hosts; images and volumes stay.

    Packages and files from before the first run stay as well. Name the hosts with --limit, or say --limit
    all.
    """
    if not limit:
        raise UsageError("no host is named", "name hosts or groups with --limit; --limit all means all")
    from provision.workflows.consent import PURGE, Agreed, plan_then_do
    from provision.workflows.runs import change

    values = {"purge_data": purge_data}
    request = change("uninstall", limit, via, lock_timeout, values, serial=serial, max_fail=max_fail)
    question, agreed = PURGE if purge_data else None, Agreed(yes, allow_disruption)
    return plan_then_do(request, flags, question, plan=plan, agreed=agreed)
