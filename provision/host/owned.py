"""The state of the host before our first run, and what our runs added: absent removes that alone."""

import json
import os

from .engine import containers, daemon, purge
from .engine.unit import State
from .ground import rpmdb
from .ground.change import Change
from .ground.channels import CONTAINERDS, ENGINES
from .ground.files import FileChange, private
from .ground.jsonfile import dump
from .packages import repository, signing_key

FILE = "/var/lib/provision/before.json"
# Data of ours that an uninstall kept, for a later purge.
DATA = "/var/lib/provision/data.json"
_FILES = (daemon.FILE, repository.REPO_FILE, signing_key.KEY_FILE)


class Before(object):
    """The state before our first run: ``unit`` is the service's State, ``packages`` what our runs installed.

    ``data`` are the engine's folders that were not empty then. ``gone`` are other people's packages that our
    runs removed.
    """

    def __init__(self, found):
        self.packages = found["packages"]
        self.unit = State(*found["unit"])
        self.key_trusted = found["key_trusted"]
        self.files = found["files"]
        self.missing = found["missing"]
        self.data = found.get("data", [])
        self.gone = found.get("gone", [])

    def content(self, path):
        """Return the file's old content (bytes), or None."""
        text = self.files.get(path)
        return None if text is None else text.encode("latin-1")

    def folders(self, machine, path):
        """Return the file's folder, in a list, if it did not exist."""
        folder = os.path.dirname(path)
        return [machine.path(folder)] if folder in self.missing else []


def read(machine):
    """Return the Before, or None on a host that no run of ours has changed."""
    try:
        return Before(json.loads(machine.text(FILE)))
    except (ValueError, KeyError, TypeError):
        return None


def plan(machine, unit, key_trusted, changes):
    """Return the Change that records the Before: all at the first run, later what ``changes`` install."""
    before = read(machine) or _observed(machine, unit, key_trusted)
    rows = [row for change in changes for row in getattr(change, "rows", ())]
    packages = set(before.packages) | {row.name for row in rows if row.action == "install"}
    packages -= {row.name for row in rows if row.action == "remove"}
    gone = set(before.gone) | {row.name for change in changes for row in getattr(change, "gone", ())}
    record = dict(vars(before), packages=sorted(packages), gone=sorted(gone))
    text = json.dumps(record, indent=1, sort_keys=True)
    step = FileChange(machine, FILE, (text + "\n").encode("ascii"), dress=private())
    return [step] if step.needed() else []


def stay_removed(machine, before):
    """Return a line for each package that was removed for ours and that an uninstall does not reinstall."""
    return [StaysRemoved(name) for name in before.gone if not rpmdb.installed(machine, name)]


def plan_absent(machine, before, purged):
    """Return the Changes that remove the Before, and record which data stays unless it is ``purged``."""
    ours = [] if purged or before is None else _our_data(machine, before)
    steps = [FileChange(machine, FILE, None), FileChange(machine, DATA, dump(ours) if ours else None)]
    return [step for step in steps if step.needed()]


def plan_left(machine):
    """Return the Change that records which data stays when the first run on this host is undone."""
    before, in_use = read(machine), purge.in_use(machine)
    ours = [folder for folder in _our_data(machine, before) if folder in in_use] if before else []
    step = FileChange(machine, DATA, dump(ours))
    return [step] if ours and step.needed() else []


def data_left(machine):
    """Return the folders with data of ours that an uninstall kept."""
    try:
        return json.loads(machine.text(DATA) or "[]")
    except ValueError:
        return []


def _our_data(machine, before):
    made_by = ((ENGINES, purge.data_root(machine)), (CONTAINERDS, purge.CONTAINERD))
    ours = {folder for names, folder in made_by if names.intersection(before.packages)} - set(before.data)
    ours.update(data_left(machine))
    # Once containerd is removed, it is unknown what others keep there.
    if containers.namespaces_of_others(machine) != []:
        ours.discard(purge.CONTAINERD)
    return sorted(ours)


class StaysRemoved(Change):
    """A package that an uninstall does not reinstall: shown so that the operator knows in advance."""

    kind = "package"
    before = "removed for Docker"

    def __init__(self, package):
        self.subject = package
        self.after = "stays removed; on the host: dnf install " + package

    def apply(self):
        """Do nothing."""

    def undo(self):
        """Do nothing."""


def _observed(machine, unit, key_trusted):
    contents = {path: machine.read(path) for path in _FILES}
    folders = [os.path.dirname(path) for path in _FILES]
    return Before({
        "packages": [], "unit": unit.state, "key_trusted": key_trusted,
        "data": [folder for folder in purge.in_use(machine) if folder not in data_left(machine)],
        "files": {path: None if data is None else data.decode("latin-1") for path, data in contents.items()},
        "missing": [folder for folder in folders if not os.path.isdir(machine.path(folder))]})
