"""`fab provision`; with --resume it repeats the last one for the hosts that failed."""

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from invoke.parser.context import ParserContext
from invoke.parser.parser import Parser

from provision.errors import UsageError
from provision.inventory import ALL
from provision.pipeline import Request
from provision.report import advice, past
from provision.report.buckets import GOOD, judged
from provision.report.layout import count
from provision.workflows import runs
from provision.workflows.command import RUN
from provision.workflows.consent import asker
from provision.workflows.guard import typed
from provision.workflows.options import bundle_of, eol_values, lock_values, pace_of
from provision.workflows.project import Flags, settings


@dataclass(frozen=True, slots=True)
class ProvisionOptions:
    """The options of `fab provision` as typed, without those that all runs share."""

    limit: str
    via: str
    verify: bool
    tolerate: str
    lock_timeout: str
    allow_disruption: bool
    serial: str
    max_fail: str
    strict: bool
    accept_eol: bool
    bundle: str


def start(options: ProvisionOptions, flags: Flags, line: str = "") -> int:
    """Make the hosts Docker hosts; return the exit code. ``line`` is the command, if not the one typed."""
    request = Request(
        "provision",
        line or typed(),
        options.limit,
        options.via,
        prove=options.verify,
        values=lock_values(options.lock_timeout) | eol_values(options.accept_eol),
        pace=pace_of(options.serial, options.max_fail),
        strict=options.strict,
        bundle=bundle_of(options.bundle),
    )
    ask = asker(flags, allow=options.allow_disruption)
    return runs.start(request, flags, runs.Manner(tolerate=options.tolerate, ask=ask))


def resume_last(task: Any, flags: Flags, limit: str) -> int:
    """Start ``task``, which is `fab provision`, again for the failed hosts of its last run."""
    if limit != ALL:
        raise UsageError("--resume takes the failed hosts of the last run", "leave out --limit")
    line = resumed(typed(), settings(flags).state_dir)
    values = read_again(task, line)
    options = ProvisionOptions(**{each.name: values[each.name] for each in fields(ProvisionOptions)})
    return start(options, Flags(**{each: values[each] for each in RUN}), line)


def resumed(command: str, state_dir: Path) -> str:
    """Return the complete command for ``command``: the options of the last one, and its failed hosts.

    Prints to stderr how many hosts are left out. Raises UsageError when there is no run to resume.
    """
    last = past.last_of(state_dir, "provision")
    if last is None:
        raise UsageError(f"there is no run of fab provision in {state_dir} to resume", "`fab provision`")
    good = sum(judged(host) in GOOD for host in last.hosts)
    whole = advice.resumed(command, last.command, last.run)
    print(
        f"resuming run {last.run}: {len(last.hosts) - good} of {count(len(last.hosts), 'host')}; "
        f"{good} left out, they succeeded\n{whole}",
        file=sys.stderr,
    )
    return whole


def read_again(task: Any, command: str) -> dict[str, Any]:
    """Return the values of ``task``'s options in ``command``."""
    context = ParserContext(task.name, args=task.get_arguments())
    values: dict[str, Any] = Parser([context]).parse_argv(advice.words(command))[0].as_kwargs
    return values
