"""Keep or bring back containers across a restart of the engine: record before, compare after.

live-restore keeps containers across a restart for patch releases, and while bridge and storage options do
not change (https://docs.docker.com/engine/daemon/live-restore/). Otherwise the engine stops them, so that it
starts clean. They restart by their own policy, or are started here, in their order.
"""

import os
import time
from collections import namedtuple

from ..ground import rpmdb
from ..ground.change import Change, Harm
from ..ground.channels import CONTAINERDS, ENGINES, is_exchange
from ..ground.errors import HostError, Refusal
from ..ground.jsonfile import parse
from . import api, comeback, containers, daemon, dockerd_flags, live_restore
from .unit import Unit

# What becomes of the containers ``ids``: ``kept`` by live-restore, or stopped, and ``why``. ``during`` is the
# value of live-restore for the restart; None leaves it unchanged.
Fate = namedtuple("Fate", "ids kept during why")
RECORD = "running"
RESTART = Harm("containers restart", "container restarts")
LOST = Harm("containers started with --rm are lost", "container started with --rm is lost")
# A patch release of these packages keeps containers: that many leading numbers of the version are equal.
_PROMISED = dict([(name, 2) for name in ENGINES] + [(name, 1) for name in CONTAINERDS])


def fate(machine, unit, changes, info):
    """Return the Fate of the running containers if the engine is restarted during ``changes``.

    None where no container runs or can be started in the meantime.
    """
    ids, flag = containers.running(machine), unit.live_restore_flag
    if not (ids or unit.active):
        return None
    contents = (machine.read(daemon.FILE), goal(machine, changes))
    now, then = (live_restore.is_on(content) for content in contents)
    runs_with = bool((info or {}).get("LiveRestoreEnabled"))
    stays_on = now and then and runs_with
    can_reload = info is not None and unit.can_reload
    why = next(_reasons(machine, unit, changes, info), "")
    if not (why or flag or stays_on or can_reload or not unit.active):
        why = "its unit cannot reload, so that live-restore cannot be switched on"
    if exchange(changes):
        return Fate(ids, False, None, why)
    if why:
        return Fate(ids, False, False if can_reload and flag is None and (runs_with or now) else None, why)
    return Fate(ids, True, None if flag or stays_on else True, "")


def exchange(changes):
    """Return the first of ``changes`` that puts another engine in the place of this one; None without one."""
    return next((each for each in changes if is_exchange(getattr(each, "rows", ()))), None)


def goal(machine, changes):
    """Return the content of daemon.json after ``changes``."""
    written = [part.content for part in settings(changes)]
    return written[-1] if written else machine.read(daemon.FILE)


def touches_settings(change):
    """Return whether the Change writes daemon.json."""
    return bool(settings([change]))


def settings(changes):
    """Return the FileChanges of daemon.json."""
    parts = [part for change in changes for part in getattr(change, "parts", [change])]
    return [part for part in parts if (part.kind, part.subject) == ("file", daemon.FILE)]


def _reasons(machine, unit, changes, info):  # noqa: C901 (a branch for each reason)
    """Yield the reasons why containers cannot be kept."""
    if info is None and unit.active:
        yield "the engine does not answer"
    if ((info or {}).get("Swarm") or {}).get("LocalNodeState", "inactive") != "inactive":
        yield "it is part of a Swarm"
    if unit.live_restore_flag is False:
        yield "live-restore is off on its command line"
    root, then = (info or {}).get("DockerRootDir"), _data_root(machine, unit, changes)
    # With userns-remap the engine's own is one below it.
    if root and not (os.path.realpath(root) + "/").startswith(os.path.realpath(then) + "/"):
        yield "its data-root moves from %s to %s" % (root, then)
    if unit.edited:
        yield "its unit was edited after it started"
    if _is_edited(machine, unit):
        yield "daemon.json was edited after it started"
    for part in settings(changes):
        if not daemon.keeps(*[_parsed(side) for side in (part.old, part.content)]):
            yield "its bridge or storage options change"
    rows = [row for change in changes for row in getattr(change, "rows", ())]
    for row in rows:
        if row.name in ENGINES and row.action == "remove":
            yield "another engine takes the place of %s" % row.name
    for row in rows:
        if row.name in _PROMISED and not _is_patch(machine, row, info):
            yield "%s %s is no patch release" % (row.name, rpmdb.short(row.evr))


def _data_root(machine, unit, changes):
    flag = dockerd_flags.CommandLine(machine, unit.command).get("data-root")
    return _parsed(goal(machine, changes)).get("data-root") or (flag.value if flag else daemon.DATA_ROOT)


def _parsed(content):
    return parse((content or b"").decode("utf-8", "replace")) or {}


def _is_edited(machine, unit):
    """Return whether a restart may apply edited bridge or storage options for the first time.

    The data-root is compared with what the engine reports.
    """
    path = machine.path(daemon.FILE)
    if unit.started_at is None or not os.path.isfile(path) or os.path.getmtime(path) <= unit.started_at:
        return False
    breaking = daemon.BREAKS_LIVE_RESTORE - {"data-root", "graph"}
    return bool(breaking.intersection(_parsed(machine.read(daemon.FILE))))


def _is_patch(machine, row, info):
    """Return whether the running engine, or the installed package, changes by a patch release at most."""
    runs = (info or {}).get("ServerVersion") if row.name in ENGINES else None
    before = runs or rpmdb.short(rpmdb.installed(machine, row.name))
    count = _PROMISED[row.name]
    if row.action == "remove" or not before:
        return row.action == "install"
    return before.split(".")[:count] == rpmdb.short(row.evr).split(".")[:count]


def around(machine, fate, changes, unended=()):
    """Return ``changes``, which restart the engine, between the record and the comparison.

    ``unended`` are runs that were cut short: the containers that ran before them are brought back as well.
    """
    earlier = comeback.earlier(machine, unended) if unended else []
    if fate is None:
        return changes + ([Compare(machine, comeback.Watch(machine, earlier))] if earlier else [])
    watch = comeback.Watch(machine, earlier, fate)
    held, replaces = [], exchange(changes)
    for change in changes:
        if change is replaces:
            change.ready = lambda: clear(machine, watch)
        hold = [Hold(machine, watch)] if touches_settings(change) and fate.during is not None else []
        look = [Look(machine, watch)] if change.disruptive else []
        held += hold + look + [change] + hold
    return [Keep(machine, watch)] + held + [Compare(machine, watch, goal(machine, changes))]


class Hold(Change):
    """live-restore switched for the restart, and for the undo, whose scriptlets restart the engine too."""

    kind = "live-restore"
    subject = "docker"

    def __init__(self, machine, watch):
        self.machine = machine
        self.watch = watch
        self.fate = watch.fate
        self.held = False

    def apply(self):
        """Switch it."""
        if self.watch.holds:
            live_restore.hold(self.machine, self.fate.during)
            self.held = True

    def undo(self):
        """Keep it switched: the engine may be restarted until everything is undone."""
        if self.held:
            live_restore.hold(self.machine, self.fate.during)

    def lines(self):
        """Return none: the line of the restart says what becomes of the containers."""
        return []


class Keep(Hold):
    """The record of the running containers, made first; they are brought back after everything is undone."""

    def __init__(self, machine, watch):
        Hold.__init__(self, machine, watch)
        self.content = machine.read(daemon.FILE)

    def apply(self):
        """Record what runs, and switch live-restore."""
        self.watch.observe()
        refuse_strangers(self.watch, self.is_allowed)
        Hold.apply(self)

    def settle(self):
        """Bring back what ran, and restore daemon.json."""
        if self.watch.holds:
            live_restore.release(self.machine, self.content)
        self.watch.bring_back()

    def records(self):
        """Return what runs, for a later run in case this one is cut short."""
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


def clear(machine, watch):
    """Stop the containers before another engine takes the place of theirs; ``watch`` starts them again.

    The other one has a containerd of its own, and would not find what still runs. Raise with those that do
    not stop: their engine stays.
    """
    watch.observe_more()
    switched = Unit(machine).live_restore_flag is None and live_restore.switch_off(machine)
    ids = api.running(machine)
    try:
        if ids:
            containers.stop(machine, ids)
    except HostError:
        if switched:
            live_restore.release(machine, machine.read(daemon.FILE))
        raise


class Look(Change):
    """A second observation right before the restart: a download may have taken minutes."""

    kind = "containers"

    def __init__(self, machine, watch):
        self.machine = machine
        self.watch = watch

    def apply(self):
        """Watch also what was started in the meantime."""
        self.watch.observe_more()
        refuse_strangers(self.watch, self.is_allowed)

    def undo(self):
        """Do nothing."""

    def lines(self):
        """Return none."""
        return []


def refuse_strangers(watch, is_allowed):
    """Raise for containers that would stop without anybody's consent."""
    names = watch.strangers()
    if names and not (watch.fate.kept or is_allowed):
        raise Refusal(
            "plan-changed", "containers were started after the plan was made",
            "`fab plan --limit {host}` shows it; then: `again {host}`", ", ".join(names)[:300],
            "what was agreed to is not what would be done now")


class Compare(Change):
    """Proof that all containers run again and can be used; the last Change of a plan with a restart."""

    kind = "containers"

    def __init__(self, machine, watch, content=None):
        self.machine = machine
        self.watch = watch
        self.content = content

    def apply(self):
        """Wait for what restarts by itself, start the rest; raise with the names of what is lost."""
        if self.watch.holds:
            live_restore.release(self.machine, self.content)
        self.watch.bring_back()

    def undo(self):
        """Do nothing until everything is undone."""

    def lines(self):
        """Return a line for what an earlier run left stopped."""
        names = self.watch.left_stopped()
        if not names:
            return []
        self.before, self.after = "%d stopped by a run that was cut short" % len(names), "started"
        return Change.lines(self)
