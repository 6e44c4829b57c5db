"""Write the files of a run: ``.provision/runs/<id>/``, and the link ``.provision/latest``."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from provision import atomic
from provision.errors import ReportNotWritten, StateUnusable
from provision.model import Report
from provision.report.junit import junit_text
from provision.report.layout import clean_lines
from provision.report.record import report_record
from provision.report.webpage import page_text

LATEST = "latest"
# The size of the files of a run over some hundred hosts.
ROOM_BYTES = 1 << 20


def write(report: Report, state_dir: Path, logs: Mapping[str, str]) -> Path:
    """Write report.json, junit.xml, report.html and one log per host; return the run's directory.

    ``logs`` has the redacted log of every host by name. Directories are 0700 and files 0600; each file is
    written atomically, and the link moves last. Raises ReportNotWritten.
    """
    run_dir = state_dir / "runs" / report.run
    try:
        (run_dir / "hosts").mkdir(parents=True, exist_ok=True)
        for made in (run_dir / "hosts", run_dir):
            made.chmod(0o700)
        _file(run_dir / "report.json", json.dumps(report_record(report), indent=1) + "\n")
        _file(run_dir / "junit.xml", junit_text(report))
        _file(run_dir / "report.html", page_text(report))
        for host, log in logs.items():
            _file(run_dir / "hosts" / log_name(host), clean_lines(log))
        _point(state_dir / LATEST, Path("runs") / report.run)
    except OSError as error:
        raise _not_written(run_dir, error) from error
    return run_dir


def expect_room(state_dir: Path) -> None:
    """Raise StateUnusable when no report could be written below ``state_dir``; nothing is created."""
    place = next(each for each in (state_dir, *state_dir.parents) if os.path.lexists(each))
    if not place.is_dir():
        raise StateUnusable(f"{place} is not a directory", f"mv {place} {place}.old")
    if not os.access(place, os.W_OK | os.X_OK):
        raise StateUnusable(
            f"{place} is not writable, and the reports of runs belong there",
            f"see who owns it (ls -ld {place}), and that its file system is not read-only",
        )
    disk = os.statvfs(place)
    if disk.f_bavail * disk.f_frsize < ROOM_BYTES:
        raise StateUnusable(
            f"there is no room in {place} for the report of a run", f"make room: df -h {place}"
        )


def log_name(host: str) -> str:
    """Return the file name of a host's log; it never leads out of its directory."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", host) + ".log"


def _file(path: Path, text: str) -> None:
    # Not across a power cut: with many hosts that would take seconds.
    atomic.replace(path, text.encode(), atomic.PRIVATE, lasts=False)


def _point(link: Path, target: Path) -> None:
    temporary = link.with_name(f".{link.name}.{target.name}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def _not_written(run_dir: Path, error: OSError) -> ReportNotWritten:
    return ReportNotWritten(
        f"the report of this run cannot be written to {run_dir}",
        f"make room or set the rights there (df -h {run_dir.parent}), then run again",
        evidence=f"{error.strerror or error}: {error.filename or run_dir}",
        state="the hosts are as the run left them; only its report is missing",
    )
