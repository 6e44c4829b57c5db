"""What runs lives on, or comes back, when the engine is restarted: recorded before, compared after.

live-restore keeps containers over a restart for patch releases, and while bridge and storage options stay as
they are (https://docs.docker.com/engine/daemon/live-restore/). Everywhere else the engine stops them itself, so
that it starts clean; they come back by their own policy, or are started here, in their order.
"""

import os
import time
from collections import namedtuple

from . import comeback, containers, daemon, dockerd_flags, live_restore, rpmdb
from .change import Change, Harm
from .jsonfile import parse

# What becomes of the containers ``ids``: ``kept`` by live-restore, or stopped, and ``why``. During the restart
# live-restore is switched to ``during``; None leaves it as it is.
Fate = namedtuple("Fate", "ids kept during why")
RECORD = "running"
RESTART = Harm("containers restart", "container restarts")
LOST = Harm("containers started with --rm are lost", "container started with --rm is lost")
# Of these a patch release is promised to keep containers: so many leading numbers of the version stay.
_PROMISED = {"docker-ce": 2, "containerd.io": 1}


def fate(machine, unit, changes, info):
    """Return the Fate of what runs, should the engine be restarted in the midst of ``changes``."""
    ids, flag = containers.running(machine), unit.live_restore_flag
    now, then = (live_restore.is_on(content) for content in (machine.read(daemon.FILE), goal(machine, changes)))
    runs_with = bool((info or {}).get("LiveRestoreEnabled"))
    why = next(_reasons(machine, unit, changes, info), "")
    if why:
        return Fate(ids, False, False if flag is None and (runs_with or now) else None, why)
    return Fate(ids, True, None if flag or (now and then and runs_with) else True, "")


def goal(machine, changes):
    """Return what daemon.json holds once ``changes`` are made."""
    written = [part.content for part in settings(changes)]
    return written[-1] if written else machine.read(daemon.FILE)


def touches_settings(change):
    """Return whether the Change writes daemon.json."""
    return bool(settings([change]))


def settings(changes):
    """Return the FileChanges of daemon.json."""
    parts = [part for change in changes for part in getattr(change, "parts", [change])]
    return [part for part in parts if (part.kind, part.subject) == ("file", daemon.FILE)]


def _reasons(machine, unit, changes, info):
    """Yield why containers cannot live on."""
    if info is None and unit.active:
        yield "the engine does not answer"
    if ((info or {}).get("Swarm") or {}).get("LocalNodeState", "inactive") != "inactive":
        yield "it is part of a Swarm"
    if unit.live_restore_flag is False:
        yield "live-restore is off on its command line"
    root, then = (info or {}).get("DockerRootDir"), _data_root(machine, unit, changes)
    if root and not _is_below(root, then):
        yield "its data-root moves from %s to %s" % (root, then)
    for part in settings(changes):
        if not daemon.keeps(*[_parsed(side) for side in (part.old, part.content)]):
            yield "its bridge or storage options change"
    for change in changes:
        for row in getattr(change, "rows", ()):
            if row.name in _PROMISED and not _is_patch(machine, row):
                yield "%s %s is no patch release" % (row.name, rpmdb.short(row.evr))


def _data_root(machine, unit, changes):
    flag = dockerd_flags.CommandLine(machine, unit.command).get("data-root")
    return _parsed(goal(machine, changes)).get("data-root") or (flag.value if flag else daemon.DATA_ROOT)


def _is_below(path, folder):
    """Return whether the engine's own word for its data-root is this folder: with userns-remap it is one below."""
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return path == folder or path.startswith(folder + "/")


def _parsed(content):
    return parse((content or b"").decode("utf-8", "replace")) or {}


def _is_patch(machine, row):
    if row.action in ("reinstall", "install"):
        return True
    before = rpmdb.short(rpmdb.installed(machine, row.name))
    count = _PROMISED[row.name]
    return row.action != "remove" and before.split(".")[:count] == rpmdb.short(row.evr).split(".")[:count]


def around(machine, fate, changes, unended=()):
    """Return ``changes``, which restart the engine, with the record before and the comparison after.

    ``unended`` are earlier runs that were cut short: what ran before them is looked for as well.
    """
    earlier = comeback.earlier(machine, unended)
    if fate is None or not fate.ids:
        return changes + ([Compare(machine, comeback.Watch(machine, earlier))] if earlier else [])
    watch = comeback.Watch(machine, earlier, fate)
    held = []
    for change in changes:
        hold = [Hold(machine, fate)] if touches_settings(change) and fate.during is not None else []
        held += hold + [change] + hold
    return [Keep(machine, fate, watch)] + held + [Compare(machine, watch, goal(machine, changes))]


class Hold(Change):
    """live-restore switched for the time of the restart; also on the way back, whose scriptlets restart too."""

    kind = "live-restore"
    subject = "docker"

    def __init__(self, machine, fate):
        self.machine = machine
        self.fate = fate

    def apply(self):
        """Switch it."""
        self._hold()

    def undo(self):
        """Keep it switched: the engine may be restarted until everything is undone."""
        self._hold()

    def _hold(self):
        if self.fate.during is not None:
            live_restore.hold(self.machine, self.fate.during)

    def lines(self):
        """Return nothing: the restart's own line says what becomes of the containers."""
        return []


class Keep(Hold):
    """The record of what runs, first of all; and its return, after everything else is undone."""

    def __init__(self, machine, fate, watch):
        Hold.__init__(self, machine, fate)
        self.watch = watch
        self.content = machine.read(daemon.FILE)

    def apply(self):
        """Note what runs, and switch live-restore."""
        self.watch.observe()
        self._hold()

    def settle(self):
        """Bring back what ran, and let daemon.json be as it was."""
        if self.watch.holds:
            live_restore.release(self.machine, self.content)
        self.watch.bring_back()

    def records(self):
        """Return what runs, for a run that finds this one cut short."""
        return [{"kind": RECORD, "at": int(time.time()), "containers": self.watch.plain()}]

    def harms(self):
        """Return what becomes of the containers, unless live-restore keeps them."""
        if self.fate.kept:
            return []
        rm = [each.name for each in self.watch.before if each.rm]
        return [
            (RESTART, [each.name for each in self.watch.before if not each.rm]),
            (LOST, rm)]

    @property
    def outcome(self):
        """What became of the containers."""
        return self.watch.outcome()


class Compare(Change):
    """What ran before runs again, and can be used; the last Change of a plan that restarts the engine."""

    kind = "containers"

    def __init__(self, machine, watch, content=None):
        self.machine = machine
        self.watch = watch
        self.content = content

    def apply(self):
        """Wait for what comes back by itself, start the rest; raise with the names of those that do not."""
        if self.watch.holds:
            live_restore.release(self.machine, self.content)
        self.watch.bring_back()

    def undo(self):
        """Leave it until everything is undone."""

    def lines(self):
        """Return a line for what an earlier run has left stopped."""
        names = self.watch.left_stopped()
        if not names:
            return []
        self.before, self.after = "%d stopped by a run that was cut short" % len(names), "started"
        return Change.lines(self)
