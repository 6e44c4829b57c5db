"""The engine's data, removed for good: images, containers and volumes."""

import os
import shutil

from ..ground.change import Change
from ..ground.channels import CONTAINERDS
from ..ground.errors import HostError
from ..ground.jsonfile import parse
from . import api, containers

DAEMON = "/etc/docker/daemon.json"

ROOT = "/var/lib/docker"
_BY_HAND = "leave --purge-data out, and remove what you do not want on the host"
# The engine's own namespace in containerd.
MOBY = "moby"
# In an order in which each is unused when it is removed.
_IN_NAMESPACE = (
    ("tasks", ("delete", "--force")), ("containers", ("delete",)), ("leases", ("delete", "--sync")),
    ("images", ("delete", "--sync")), ("content", ("delete",)))
CONTAINERD = "/var/lib/containerd"
# What dockerd creates in its data-root (moby, daemon/ and its drivers). In a folder that an operator chose,
# nothing else is removed.
ENTRIES = (
    "btrfs", "buildkit", "containerd", "containers", "engine-id", "fuse-overlayfs", "image", "network",
    "nuked", "overlay2", "plugins", "rootfs", "runtimes", "swarm", "tmp", "trust", "vfs", "volumes", "zfs")


def plan(machine, before, engine_stays, left=()):
    """Return the Changes that remove the engine's data; raise when it is not ours to remove.

    ``left`` are the folders that an earlier uninstall kept.
    """
    if engine_stays:
        raise _refused(
            "the engine of this host was there before provision, and stays",
            "leave --purge-data out; docker system prune on the host removes what is not used")
    steps = [Purge(machine, root) for root in _roots(machine, before, left)]
    steps += _containerd(machine, before, left)
    return [step for step in steps if step.needed()]


def data_root(machine):
    """Return the folder of images, containers and volumes, as the engine reports, else from daemon.json."""
    found = (api.info(machine) or {}).get("DockerRootDir")
    return found or (parse(machine.text(DAEMON)) or {}).get("data-root") or ROOT


def in_use(machine):
    """Return the folders of engine and containerd that are not empty."""
    return [folder for folder in (data_root(machine), CONTAINERD) if Purge(machine, folder).holds()]


def _roots(machine, before, left):
    """Return the data-roots that are ours; raise when that of this host is not."""
    root = data_root(machine)
    if before is None and api.info(machine) is not None:
        raise _refused("an engine runs on this host, and no record says that it is from provision", _BY_HAND)
    if before is None and root not in left and Purge(machine, root).holds():
        raise _refused("no record says that the data in %s is from provision" % root, _BY_HAND)
    if before is not None and root in before.data:
        raise _refused("%s held data before provision first ran on this host" % root, _BY_HAND)
    ours = [] if before is None else [root]
    return ours + [folder for folder in left if folder not in ours + [CONTAINERD]]


def _containerd(machine, before, left):
    """Return what removes containerd's folder, or only the engine's namespace if others use it."""
    if before is None:
        ours = CONTAINERD in left
    else:
        ours = CONTAINERDS.intersection(before.packages) and CONTAINERD not in before.data
    if not ours:
        return [Namespace(machine)]
    whole, others = Purge(machine, CONTAINERD), containers.namespaces_of_others(machine)
    # An uninstall asked containerd before it recorded the folder as ours.
    if others is None and before is not None and whole.holds():
        raise _refused(
            "containerd does not answer, so it is unknown whether others keep data in %s" % CONTAINERD,
            "systemctl start containerd on the host; then run it again")
    return [Namespace(machine) if others else whole]


def _refused(message, hint):
    return HostError("purge-refused", message, hint, meaning="its data is not ours to remove")


def plan_back(folder):
    """Return the line that says what cannot be restored."""
    return [Lost(folder)]


class Purge(Change):
    """A directory emptied and removed, without the content of mounts below it."""

    kind = "data"
    undoable = False
    disruptive = True
    before = "images, containers, volumes"
    after = "removed for good"

    def __init__(self, machine, folder):
        self.machine = machine
        self.folder = folder
        self.subject = folder
        self.begun = False

    def needed(self):
        """Return whether there is anything to remove; a directory that is a mount point stays, empty."""
        place = self.machine.path(self.folder)
        return self.holds() or (os.path.isdir(place) and self._is_ours() and place not in self._mounts())

    def holds(self):
        """Return whether it contains data of an engine."""
        return bool(self._entries())

    def _is_ours(self):
        return self.folder in (ROOT, CONTAINERD)

    def _entries(self):
        place = self.machine.path(self.folder)
        names = os.listdir(place) if os.path.isdir(place) else []
        return [name for name in names if self._is_ours() or name in ENTRIES]

    def apply(self):
        """Unmount what is mounted below, then remove it; the content of a remaining mount is not touched."""
        place = self.machine.path(self.folder)
        if not self.needed():
            return
        if containers.orphans(self.machine):
            raise HostError(
                "purge-refused", "containers still run, without an engine",
                "`fab provision` brings the engine back, and then this stops them first")
        for mount in self._below(place):
            self.machine.run(["umount", mount])
        left = self._below(place)
        if left:
            raise HostError(
                "purge-refused", "something is mounted below %s and is in use" % self.folder,
                "umount it on the host, then run it again", left[0])
        self.begun = True
        _remove(place, self._entries())
        if place not in self._mounts() and not os.listdir(place):
            os.rmdir(place)

    def undo(self):
        """Raise if anything was removed: the plan has said that it cannot be undone."""
        if self.begun:
            raise HostError("not-undoable", "what was removed from %s is lost" % self.folder)

    def records(self):
        """Return what is lost."""
        return [{"kind": "data", "path": self.folder}]

    def _below(self, place):
        return sorted((mount for mount in self._mounts() if mount.startswith(place + "/")), reverse=True)

    def _mounts(self):
        rows = [line.split() for line in self.machine.text("/proc/self/mounts").splitlines()]
        return [row[1].replace("\\040", " ") for row in rows if len(row) > 1]


class Namespace(Change):
    """The engine's own namespace in a containerd that others use as well; theirs are left unchanged."""

    kind = "data"
    subject = "containerd namespace moby"
    undoable = False
    disruptive = True
    before = "containers, images"
    after = "removed for good"

    def __init__(self, machine):
        self.machine = machine

    def needed(self):
        """Return whether the namespace exists."""
        ran = self.machine.run(["ctr", "namespaces", "list", "-q"]) if self.machine.has("ctr") else None
        return ran is not None and MOBY in ran.out.split()

    def apply(self):
        """Remove its content, then itself; containerd refuses to remove one that is not empty."""
        for kind, remove in _IN_NAMESPACE:
            for name in self._ctr(kind, "list", "-q").out.split():
                self._ctr(kind, *(remove + (name,)))
        ran = self.machine.run(["ctr", "namespaces", "remove", MOBY])
        if ran.rc and self.needed():
            raise HostError(
                "purge-refused", "containerd keeps the namespace moby",
                "ctr -n moby containers list on the host shows what is in it",
                " ".join(ran.err.split())[-300:])

    def undo(self):
        """Do nothing: the plan has said that it cannot be undone."""

    def records(self):
        """Return what is lost."""
        return [{"kind": "data", "path": CONTAINERD}]

    def _ctr(self, *words):
        return self.machine.run(("ctr", "-n", MOBY) + words)


class Lost(Change):
    """Data that an undo cannot restore: shown so that the operator knows in advance."""

    kind = "data"
    undoable = False
    disruptive = True
    before = "removed"
    after = "stays removed"

    def __init__(self, folder):
        self.subject = folder

    def apply(self):
        """Do nothing."""

    def undo(self):
        """Do nothing."""


def _remove(place, names):
    for name in names:
        path = os.path.join(place, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
