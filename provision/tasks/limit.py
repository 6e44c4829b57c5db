"""Resolve `--limit @last.failed` and `--limit @RUN.failed` from the report of that run."""

import re
from dataclasses import replace
from pathlib import Path

from provision.errors import NothingSelected, UsageError
from provision.pipeline import Request
from provision.report.past import failed_hosts


def resolve(request: Request, state_dir: Path) -> Request:
    """Give ``request`` with a limit that Ansible understands.

    Raises NothingSelected when that run left no host behind, UsageError when there is no such run.
    """
    if not request.limit.startswith("@"):
        return request
    found = re.fullmatch(r"@([A-Za-z0-9-]+)\.failed", request.limit)
    if not found:
        raise UsageError(f"--limit {request.limit} is not known", "write @last.failed, or @RUN.failed")
    names = failed_hosts(state_dir, found.group(1))
    if not names:
        raise NothingSelected(f"the run {found.group(1)} left no host behind", "fab plan")
    return replace(request, limit=",".join(names))
