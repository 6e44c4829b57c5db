"""What runs that were cut short left on this host: waited for, swept up, and brought to one whole state."""

import glob
import os
import re

from .engine import live_restore
from .ground import change, scratch
from .ground.files import TEMPORARY
from .packages import transaction
from .runs import history, rpmlock

# What mkstemp puts after the prefix.
_OURS = re.compile(re.escape(TEMPORARY) + r"[A-Za-z0-9_]{6,8}$")


def clear(machine, unended, timeout_s):
    """Wait for a dnf that outlived its run, then remove half files; no other run is at work."""
    rpmlock.wait_for_orphans(machine, timeout_s)
    scratch.sweep(machine)
    history.forget_unborn(machine)
    live_restore.finish(machine)
    for past in unended:
        transaction.sweep_unpacked(machine, past.at)
        for path in _half_files(machine, past):
            os.unlink(path)


def halves(machine, solver, unended, again):
    """Return the Changes that end transactions which were cut off.

    With ``again`` what they touched is installed once more.
    """
    records = [record for past in unended for record in half_packages(past)]
    return [transaction.Half(machine, solver, record["before"], again) for record in records]


def finish(machine, changes):
    """Apply ``changes`` of a run that was cut short: its journal, and no other, tells of them."""
    begun = []
    try:
        for change in changes:
            if change.uses_rpm:
                rpmlock.wait(machine, rpmlock.PATIENCE_S)
            begun.insert(0, change)
            change.apply()
    except Exception:
        for change in begun:
            change.settle()
        raise


def half_packages(past):
    """Give the records of package transactions that were begun and not ended."""
    touched = [each for each, half in past.touched if half]
    return [record for each in touched for record in each["records"] if record["kind"] == "packages"]


def line(past):
    """Give how a person reads that a run is finished that was cut short."""
    left = ", ".join(past.left()) or "its result"
    return change.line("run", past.run, "cut short before the end of: " + left, "finished", "~")


def _half_files(machine, past):
    paths = [record["path"] for each in past.changes for record in each["records"]
             if record["kind"] == "file"]
    folders = {os.path.dirname(os.path.realpath(machine.path(path))) for path in paths} | {past.folder}
    ours = [path for folder in folders for path in glob.glob(os.path.join(folder, TEMPORARY + "*"))]
    return [path for path in ours if _OURS.search(path) and os.path.isfile(path)]
