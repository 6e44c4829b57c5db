"""The engine's data, removed for good: images, containers and volumes."""

import os
import shutil

from .change import Change
from .errors import HostError

FOLDERS = ("/var/lib/docker", "/var/lib/containerd")
# The engine's own containers; live-restore lets them outlive it.
_CONTAINER = "containerd-shim.* -namespace moby "


def plan(machine):
    """Give the Changes that remove what is there."""
    steps = [Purge(machine, folder) for folder in FOLDERS]
    return [step for step in steps if step.needed()]


def refuse(engine_stays):
    """Raise when the data belongs to an engine that is not ours and goes on."""
    if engine_stays:
        raise HostError(
            "purge-refused", "the engine of this host was there before provision, and stays",
            "leave --purge-data out; docker system prune on the host removes what is not used",
            meaning="its data is not ours to remove")


def plan_back(folder):
    """Give the line that says what does not come back."""
    return [Lost(folder)]


class Purge(Change):
    """A directory emptied and removed; nothing that is mounted below it is touched."""

    undoable = False
    disruptive = True
    before = "images, containers, volumes"
    after = "removed for good"

    def __init__(self, machine, folder):
        self.machine = machine
        self.folder = folder
        self.name = "data " + folder
        self.begun = False

    def needed(self):
        """Is anything there? A directory that is a mount of its own stays, empty."""
        place = self.machine.path(self.folder)
        return os.path.isdir(place) and (bool(os.listdir(place)) or place not in self._mounts())

    def apply(self):
        """Remove it, after what is mounted below; a mount that stays is not looked into."""
        place = self.machine.path(self.folder)
        if not self.needed():
            return
        if self.machine.run(["pgrep", "-f", _CONTAINER]).rc == 0:
            raise HostError(
                "purge-refused", "containers still run, without an engine",
                "fab provision brings the engine back, and then this stops them first")
        for mount in self._below(place):
            self.machine.run(["umount", mount])
        left = self._below(place)
        if left:
            raise HostError(
                "purge-refused", "something is mounted below %s and is in use" % self.folder,
                "umount it on the host, then run it again", left[0])
        self.begun = True
        _empty(place)
        if place not in self._mounts():
            os.rmdir(place)

    def undo(self):
        """What is gone is gone; the lines of the plan have said so."""
        if self.begun:
            raise HostError("not-undoable", "what was removed of %s is gone" % self.folder)

    def records(self):
        """Give what is lost."""
        return [{"kind": "data", "path": self.folder}]

    def _below(self, place):
        return sorted((mount for mount in self._mounts() if mount.startswith(place + "/")), reverse=True)

    def _mounts(self):
        rows = [line.split() for line in self.machine.text("/proc/self/mounts").splitlines()]
        return [row[1].replace("\\040", " ") for row in rows if len(row) > 1]


class Lost(Change):
    """Data that an undo cannot bring back: shown, so that one knows before."""

    undoable = False
    disruptive = True
    before = "removed"
    after = "stays removed"

    def __init__(self, folder):
        self.name = "data " + folder

    def apply(self):
        """Do nothing."""

    def undo(self):
        """Do nothing."""


def _empty(place):
    for name in os.listdir(place):
        path = os.path.join(place, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
