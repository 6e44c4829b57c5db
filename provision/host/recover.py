"""Recover from runs that were cut short: wait for their dnf, remove partial files, finish transactions."""

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
    """Wait for a dnf that outlived its run, then remove half-written files; the caller holds the lock."""
    rpmlock.wait_for_orphans(machine, timeout_s)
    scratch.sweep(machine)
    history.forget_unplanned(machine)
    live_restore.finish(machine)
    for past in unended:
        transaction.sweep_unpacked(machine, past.at)
        paths = [record["path"] for each in past.changes for record in each["records"]
                 if record["kind"] == "file"]
        folders = {os.path.dirname(os.path.realpath(machine.path(path))) for path in paths} | {past.folder}
        for path in [path for folder in folders for path in glob.glob(os.path.join(folder, TEMPORARY + "*"))]:
            if _OURS.search(path) and os.path.isfile(path):
                os.unlink(path)


def halves(machine, solver, unended, again):
    """Return the Changes that finish interrupted package transactions.

    With ``again`` the packages they touched are reinstalled.
    """
    records = [record for past in unended for record in half_packages(past)]
    return [transaction.Half(machine, solver, record["before"], again) for record in records]


def finish(machine, changes):
    """Apply ``changes``, which belong to a run that was cut short and are in its journal alone."""
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
    """Return the records of package transactions that began and did not end."""
    touched = [each for each, half in past.touched if half]
    return [record for each in touched for record in each["records"] if record["kind"] == "packages"]


def line(past):
    """Return the line of a plan that says that an interrupted run is finished."""
    left = ", ".join(past.left()) or "its result"
    return change.line("run", past.run, "cut short before the end of: " + left, "finished", "~")
