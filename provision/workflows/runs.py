"""Start a run, show its progress, and write its report."""

import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from provision.errors import NothingSelected, ProvisionError, ReportNotWritten, StateUnusable, UsageError
from provision.model import HostReport, Report
from provision.pipeline import Finished, run
from provision.pipeline import Request as Request  # so that tasks/ has it from here
from provision.report import console, files, past, text
from provision.report.advice import as_typed
from provision.report.buckets import words_of
from provision.report.exit_code import FAILED, exit_code
from provision.report.jsonl import Stream
from provision.report.live import Live
from provision.run import audit
from provision.run.consent import Ask
from provision.run.interrupts import catch_signals
from provision.run.ledger import View
from provision.workflows import lockfile
from provision.workflows.guard import say
from provision.workflows.guard import typed as typed
from provision.workflows.options import lock_values, pace_of, tolerated
from provision.workflows.project import Flags, settings

MakeAsk = Callable[[View], Ask | None]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run is shown and judged; after a plan that ``asks`` comes a question.

    ``lock`` writes provision.lock.yml from what the hosts found.
    ``ask`` returns, for the view, what asks about hosts that would be disrupted.
    """

    diff: bool = False
    detailed: bool = False
    tolerate: str = ""
    asks: bool = False
    lock: bool = False
    ask: MakeAsk = lambda view: None


def change_access(verb: str, flags: Flags, hosts: str, via: str, lock_timeout: str) -> int:
    """Run one verb that changes access, and return its exit code."""
    return start(change(verb, hosts, via, lock_timeout), flags, Manner())


def change(
    verb: str, hosts: str, via: str, lock_timeout: str, values: Mapping[str, Any] = MappingProxyType({}),
    serial: str = "", max_fail: str = "",
) -> Request:  # fmt: skip
    """Return the Request of a verb that changes hosts, from options as typed; raises UsageError."""
    values = dict(values) | lock_values(lock_timeout)
    return Request(verb, typed(), hosts, via, values=values, pace=pace_of(serial, max_fail))


def start(request: Request, flags: Flags, manner: Manner) -> int:
    """Run ``request``, print its result to stdout, and return the exit code."""
    return carry_out(request, flags, manner).exit_code


def carry_out(request: Request, flags: Flags, manner: Manner) -> Report:
    """Run ``request``, print its result to stdout, and return its report, with the final exit code."""
    project = settings(flags)
    files.expect_room(project.state_dir)
    request = lockfile.with_lock(resolve(request, project.state_dir), project, make=manner.lock)
    judge = functools.partial(
        exit_code,
        tolerate_unreachable=tolerated(manner.tolerate),
        detailed=manner.detailed,
    )
    previous = past.last_with_checks(project.state_dir) if request.row.words.by_checks else None
    with catch_signals() as cancel:
        show = functools.partial(_show, request, flags, project.state_dir)
        with run(request, project, show, judge, cancel, manner.ask) as done:
            hosts = tuple(_as_typed(host, request.typed) for host in done.report.hosts)
            report = replace(done.report, hosts=hosts)
            unwritten = _write(request, report, project.state_dir, done)
            unwritten = unwritten or (_write_lock(lockfile.place(project), done) if manner.lock else None)
            if not unwritten:
                done.acknowledge()
    if flags.output == "json":
        Stream(sys.stdout).finish(report)
    else:
        sys.stdout.write(_text(request, report, previous, manner, flags, project.state_dir))
    if unwritten:
        say(unwritten, console.page_for(sys.stderr, flags.color))
        return replace(report, exit_code=report.exit_code | FAILED)
    return report


def _write_lock(file: Path, done: Finished) -> ProvisionError | None:
    """Write what the hosts found into the lock file, and say so; return the error if that fails."""
    try:
        written = lockfile.write(file, done.locked)
    except UsageError as error:
        return error
    print(f"{file.name}: {', '.join(written) or 'nothing'} written", file=sys.stderr)
    return None


def resolve(request: Request, state_dir: Path) -> Request:
    """Return ``request`` with a limit that Ansible understands.

    In the typed line ``last`` becomes the id of that run, since this run will be the last one. Raises
    NothingSelected when no host failed in that run, UsageError when there is no such run.
    """
    if not request.limit.startswith("@"):
        return request
    found = re.fullmatch(r"@([A-Za-z0-9-]+)\.failed", request.limit)
    if not found:
        raise UsageError(f"--limit {request.limit} is not known", "write @last.failed, or @RUN.failed")
    run = past.load(state_dir, found.group(1)).run
    names = past.failed_hosts(state_dir, run)
    if not names:
        raise NothingSelected(f"no host failed in run {run}", "`fab plan`")
    line = request.typed.replace(request.limit, f"@{run}.failed")
    return replace(request, limit=",".join(names), typed=line)


def _as_typed(host: HostReport, typed: str) -> HostReport:
    if host.failure is None:
        return host
    return replace(host, failure=replace(host.failure, next=as_typed(host.failure.next, typed)))


def _write(request: Request, report: Report, state_dir: Path, done: Finished) -> ProvisionError | None:
    """Write the report, before it is shown, as our output may be closed; return the error if that fails."""
    results = {host.name: host.failure.kind if host.failure else str(host.status) for host in report.hosts}
    try:
        files.write(report, state_dir, done.logs)
        _audit(request, state_dir, report.run, done.fingerprints, results)
    except (ReportNotWritten, StateUnusable) as error:
        return error
    return None


def _audit(
    request: Request,
    state_dir: Path,
    run_id: str,
    fingerprints: Mapping[str, str],
    results: Mapping[str, str],
) -> None:
    called = request.row.words.called
    verb = f"{called} --plan" if request.only_plan else called
    rows = results.items()
    audit.record(state_dir, *(audit.Entry(verb, host, fingerprints[host], end, run_id) for host, end in rows))


@contextmanager
def _show(
    request: Request, flags: Flags, state_dir: Path, run_id: str, fingerprints: Mapping[str, str]
) -> Iterator[View]:
    # Before the first host is touched, so that a killed run is also recorded.
    _audit(request, state_dir, run_id, fingerprints, dict.fromkeys(fingerprints, audit.BEGUN))
    try:
        with _view(request, flags, run_id, tuple(fingerprints)) as view:
            yield view
    except UsageError as error:  # of the controller, before any host was reached
        kinds = dict.fromkeys(fingerprints, error.failure.kind)
        _audit(request, state_dir, run_id, fingerprints, kinds)
        raise


def _view(
    request: Request, flags: Flags, run_id: str, names: tuple[str, ...]
) -> AbstractContextManager[View]:
    called = request.row.words.called
    if flags.output == "json":
        stream = Stream(sys.stdout)
        stream.start(run_id, called, names)
        return nullcontext(stream)
    words = words_of(request.row.words, is_plan=request.is_plan)
    return Live(called, len(names), words=words, page=console.page_for(sys.stderr, flags.color))


def _text(
    request: Request, report: Report, previous: Report | None, manner: Manner, flags: Flags, state_dir: Path
) -> str:
    page = console.page_for(sys.stdout, flags.color)
    *_, own = request.row.steps
    tell = text.plan_text if request.is_plan else own
    return tell(
        report,
        diff=manner.diff,
        asks=manner.asks,
        previous=previous,
        place=os.path.relpath(state_dir / "runs" / report.run / "report.html"),
        width=page.width,
        colour=page.colour,
        ascii=page.ascii,
    )
