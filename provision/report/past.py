"""Read earlier runs, for ``--limit @last.failed`` and for the comparison of a verify."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from provision.errors import UsageError
from provision.model import Report
from provision.report import advice
from provision.report.buckets import GOOD, judged
from provision.report.record import report_from

LAST = "last"


def load(state_dir: Path, run: str = LAST) -> Report:
    """Return the report of ``run``; raises UsageError when it is missing or cannot be read."""
    if run in ("", ".", "..") or "/" in run:
        raise UsageError(f"{run!r} is not the name of a run", f"ls {state_dir / 'runs'}")
    place = state_dir / ("latest" if run == LAST else f"runs/{run}") / "report.json"
    try:
        return report_from(json.loads(place.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UsageError(f"there is no run {run!r} in {state_dir}", f"ls {state_dir / 'runs'}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"the report of run {run!r} cannot be read", f"look at {place}", evidence=str(error)
        ) from None


def failed_hosts(state_dir: Path, run: str = LAST) -> tuple[str, ...]:
    """Return the names of the hosts that failed in ``run``."""
    return tuple(host.name for host in load(state_dir, run).hosts if judged(host) not in GOOD)


def last_with_checks(state_dir: Path) -> Report | None:
    """Return the newest report with checks, or None; call this before a new one is written.

    A report that cannot be read is skipped, as it is only for comparison.
    """
    return next((run for run in _newest_first(state_dir) if any(host.checks for host in run.hosts)), None)


def last_of(state_dir: Path, verb: str) -> Report | None:
    """Return the newest report of ``verb``, or None."""
    runs = _newest_first(state_dir)
    return next((run for run in runs if advice.verb(run.command) == verb), None)


def _newest_first(state_dir: Path) -> Iterator[Report]:
    # by time, as the names of two runs in one minute have no order
    places = (state_dir / "runs").glob("*/report.json")
    for place in sorted(places, key=lambda place: place.stat().st_mtime_ns, reverse=True):
        with suppress(UsageError):
            yield load(state_dir, place.parent.name)
