"""Resolve `--limit @last.failed` and `--limit @RUN.failed` from the report of that run."""

import re
from dataclasses import replace
from pathlib import Path

from provision.errors import NothingSelected, UsageError
from provision.pipeline import Request
from provision.report.past import failed_hosts, load


def resolve(request: Request, state_dir: Path) -> Request:
    """Return ``request`` with a limit that Ansible understands.

    ``last`` becomes the name of that run in what was typed, since the request is the last run soon.
    Raises NothingSelected when that run left no host behind, UsageError when there is no such run.
    """
    if not request.limit.startswith("@"):
        return request
    found = re.fullmatch(r"@([A-Za-z0-9-]+)\.failed", request.limit)
    if not found:
        raise UsageError(f"--limit {request.limit} is not known", "write @last.failed, or @RUN.failed")
    run = load(state_dir, found.group(1)).run
    names = failed_hosts(state_dir, run)
    if not names:
        raise NothingSelected(f"the run {run} left no host behind", "`fab plan`")
    typed = request.typed.replace(request.limit, f"@{run}.failed")
    return replace(request, limit=",".join(names), typed=typed)
