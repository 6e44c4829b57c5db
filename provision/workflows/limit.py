"""Resolve `--limit @last.failed` and `--limit @RUN.failed` from the report of that run."""

import re
from dataclasses import replace
from pathlib import Path

from provision.errors import NothingSelected, UsageError
from provision.pipeline import Request
from provision.report.past import failed_hosts, load


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
    run = load(state_dir, found.group(1)).run
    names = failed_hosts(state_dir, run)
    if not names:
        raise NothingSelected(f"no host failed in run {run}", "`fab plan`")
    typed = request.typed.replace(request.limit, f"@{run}.failed")
    return replace(request, limit=",".join(names), typed=typed)
