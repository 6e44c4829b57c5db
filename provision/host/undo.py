"""Undo earlier runs: make Changes of the records in their journals."""

import os
from collections import OrderedDict

from . import owned, packages, plans
from .access import sshd
from .engine import daemon, purge, registries, service, stop
from .engine.unit import State
from .ground.change import THERE
from .ground.errors import HostError
from .ground.files import Dress, FileChange, backup_name
from .packages import repository, signing_key, versionlock


def plan(machine, solver, unit, pasts, cut_short):
    """Return the Changes that undo ``pasts`` (newest first), also where they were interrupted.

    ``cut_short``: a killed undo may have written files that the engine has not read yet.
    """
    goals, half = _goals(pasts)
    installed = packages.Installed(machine)
    if any(record["kind"] == "data" for record in goals):
        # Containers without their data do not start.
        goals = [record for record in goals if record["kind"] != stop.RECORD]
    changes = [change for record in goals for change in _back(machine, solver, installed, record)]
    goal = State(*next((record["state"] for record in goals if record["kind"] == "service"), unit.state))
    cut = [past for past in pasts if not past.ended]
    back = _with_engine(machine, unit, goal, changes, half or cut_short, cut)
    return back + sshd.plan_back(machine, changes)


def repository_text(pasts):
    """Return our .repo file as it was before ``pasts``; empty for none."""
    path = repository.REPO_FILE
    found = [record for record in _goals(pasts)[0] if record.get("path") == path and record["was"]]
    texts = [_kept(os.path.join(record["folder"], backup_name(path))) for record in found]
    return texts[0].decode("utf-8", "replace") if texts else ""


def _with_engine(machine, unit, goal, changes, stale, cut):
    """Return the Changes in order: stop before files are removed, start after they are restored."""
    stop.refuse_others(machine, changes)
    if unit.active and not goal.active:
        return stop.plan(machine, unit) + service.plan_back(machine, unit, goal, "none") + changes
    starts = [change for change in changes if isinstance(change, stop.Started)]
    rest = [change for change in changes if change not in starts]
    return plans.serving(machine, unit, rest, stale, cut, goal) + starts


def _goals(pasts):
    """Return one record for each thing, with its oldest state, in the order of the undo."""
    goals = OrderedDict()
    touched = [(past.folder,) + each for past in pasts for each in reversed(past.touched)]
    for folder, change, half in touched:
        for record in reversed(change["records"]):
            key = (record["kind"], record.get("path"))
            newer = goals.pop(key, None)
            goals[key] = record = dict(record, folder=folder, half=half)
            if newer is not None and record["kind"] == "packages":
                record["before"] = dict(newer["before"], **record["before"])
                record["half"] = half or newer["half"]
    return list(goals.values()), any(half for _, _, half in touched)


def _back(machine, solver, installed, record):
    kind = record["kind"]
    if kind == "file":
        return _file_back(machine, record)
    if kind == "packages":
        return packages.plan_back(machine, solver, installed, record["before"], record["half"])
    if kind == "key":
        return signing_key.plan_back(machine, record, installed.keys)
    if kind == stop.RECORD:
        return stop.plan_back(machine, record["ids"])
    return purge.plan_back(record["path"]) if kind == "data" else []


def _file_back(machine, record):
    path, content = record["path"], None
    if record["was"]:
        content = _kept(os.path.join(record["folder"], backup_name(path)))
    dress = Dress(*record["dress"]) if record["dress"] else None
    folders = [machine.path(folder) for folder in record["folders"]]
    if path == daemon.FILE:
        ours = os.path.join(record["folder"], backup_name(daemon.OURS))
        then = _kept(ours) if os.path.isfile(ours) else b""
        return daemon.plan_back(machine, content, dress, folders, then)
    if path == registries.FILE:
        return registries.plan_back(machine, content, dress, folders)
    if versionlock.has_ours(content) or versionlock.has_ours(machine.read(path)):
        return versionlock.plan_back(machine, path, content)
    if path == repository.REPO_FILE:
        return repository.plan_file_back(machine, content, dress, folders)
    before = "" if machine.read(path) is None else THERE
    change = FileChange(machine, path, content, "as it was before", before, dress, folders)
    left = owned.plan_left(machine) if path == owned.FILE and content is None else []
    return left + ([change] if change.needed() else [])


def _kept(path):
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (IOError, OSError) as error:
        raise HostError(
            "journal-damaged", "the journal of that run is incomplete, so it cannot be undone",
            "`fab provision` brings the host to its desired state", "%s: %s" % (path, error.strerror))
