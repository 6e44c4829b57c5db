"""A dnf transaction as a Change, and its undo, also after an interruption."""

import glob
import os
import re
import time

from ..engine import api, health, kernel
from ..engine.unit import UNIT, Unit
from ..ground import rpmdb
from ..ground.change import REMOVED, Change, Harm, line
from ..ground.channels import ENGINES, is_exchange
from ..ground.errors import HostError
from . import dnf_errors, shadow
from .shadow import REMOVE_OPTIONS
from .solver import Row

ERASE_OPTION = "--allowerasing"
INSTALL_OPTIONS = [ERASE_OPTION]
GOES = Harm("packages of others are removed", "package of others is removed")
MOVES = Harm("packages of others move", "package of others moves")
# rpm unpacks to NAME;XXXXXXXX, the time in hexadecimal digits, and renames; see rpm's lib/fsm.c.
_UNPACKED = re.compile(r";[0-9a-f]{8}$")
_SIGNS = {"install": "+", "beside": "+", "remove": "-"}
_FOLDERS = (
    "/usr/bin", "/usr/libexec/docker", "/usr/libexec/docker/cli-plugins", "/usr/lib/systemd/system",
    "/usr/share/man/man1", "/usr/share/bash-completion/completions", "/etc/containerd")


class Transaction(Change):
    """The transaction that ``make`` performs; each of its ``rows`` is a line in the plan.

    ``gone`` are the rows that remove other people's packages. ``lost`` are the names that no repository has,
    so that they cannot be restored. ``moved`` are the rows that change what other people's containers may
    run with. ``former`` is where the packages came from that go, as for ``Solver.take``; None for the
    present repositories. ``ready`` is called before an engine goes for another one.
    """

    kind = "packages"
    uses_rpm = True
    former = None
    was_enabled = False

    def ready(self):
        """Do nothing, unless somebody has set another function."""

    def __init__(self, machine, solver, make, rows, installed, gone=(), lost=(), moved=()):
        self.machine = machine
        self.solver = solver
        self.make = make
        self.rows = rows
        self.installed = installed
        self.gone = gone
        self.lost = lost
        self.moved = moved
        self.before_us = None
        self.ran_before_us = None
        self.began = int(time.time())

    def apply(self):
        """Perform the transaction."""
        self._observe()
        self.make()
        self._enable_again()

    def undo(self):
        """Restore the old versions, by comparison with rpm's database."""
        self._observe()
        if self.solver.broke_off:
            sweep_unpacked(self.machine, self.began)
        if self.former:
            self.solver.take(*self.former)
        bring(self.machine, self.solver, self.before_us, self.solver.broke_off, self.ready)
        self._enable_again()
        found = {name for name, _ in rpmdb.everything(self.machine)} if self.lost else ()
        gone = [name for name in self.lost if name not in found]
        if gone:
            raise HostError("not-undoable", "no repository has %s any more" % ", ".join(gone))

    def harms(self):
        """Return the other people's packages that are removed or changed, as (Harm, names)."""
        found = ((GOES, self.gone), (MOVES, self.moved))
        return [(harm, [row.name for row in rows]) for harm, rows in found if rows]

    def settle(self):
        """Restart the engine if it ran: the packages' scriptlets restart it, or stop it for good."""
        if self.ran_before_us not in (None, api.version(self.machine)):
            health.bring_up(self.machine, "restart")

    def look(self):
        """Return the packages that do not have their old versions."""
        now = rpmdb.versions(rpmdb.everything(self.machine), self.before_us or {})
        other = sorted(name for name in now if now[name] != self.before_us[name])
        return "packages " + " ".join(other) if other else ""

    def records(self):
        """Return the previous versions of each package of the transaction."""
        self._observe()
        return [{"kind": "packages", "before": self.before_us}]

    def lines(self):
        """Return one line per package."""
        lines = []
        for row in self.rows:
            # Builds of one kernel differ in their release alone.
            before, after = "", row.evr.split(":")[-1] if kernel.is_part(row.name) else rpmdb.short(row.evr)
            if row.action in ("remove", "reinstall"):
                before, after = after, REMOVED if row.action == "remove" else "installed again"
            elif row.action not in ("install", "beside"):
                before = self.installed.version(row.name) or self.machine.run(
                    ["rpm", "-q", "--qf", "%{VERSION}", row.name]).out
            if row.name in self.lost:
                after += "; no repository has it: this cannot be undone"
            lines.append(line("package", row.name, before, after, _SIGNS.get(row.action, "~")))
        return lines

    def _observe(self):
        if self.before_us is None:
            found = rpmdb.everything(self.machine)
            self.before_us = rpmdb.versions(found, {row.name for row in self.rows} - set(self.lost))
            self.ran_before_us = api.version(self.machine)
            self.was_enabled = is_exchange(self.rows) and Unit(self.machine).enabled

    def _enable_again(self):
        """Enable docker.service if it was: the scriptlets of an engine that goes disable it."""
        if self.was_enabled:
            self.machine.run(["systemctl", "enable", UNIT])


def bring(machine, solver, goal, half, ready=lambda: None):
    """Bring the packages in ``goal`` to exactly its versions; an empty list removes one.

    ``ready`` is called before an engine goes for another one.
    ``half``: a transaction on them was interrupted. Its packages are then reinstalled, since neither their
    files nor their scriptlets can be trusted.
    """
    missing, surplus, double, there = compare(rpmdb.everything(machine), goal)
    for name, version in double:
        ran = rpmdb.erase(machine, name, version)
        if ran.rc:
            raise dnf_errors.classify(ran.out + ran.err)
    others = sorted({name for name, _ in surplus})
    if exchanges(missing, surplus):
        shadow.replace(machine, solver, specs(missing), [], others, ready)
        others = missing = ()
    if missing:
        solver.perform("install", specs(missing), INSTALL_OPTIONS)
    if others:
        solver.perform("remove", others, REMOVE_OPTIONS)
    try:
        if half and there:
            solver.perform("reinstall", specs(there))
    except HostError:
        # The repository has only newer versions: undamaged files are enough.
        if machine.run(["rpm", "-V", "--noconfig"] + [name for name, _ in there]).rc:
            raise


def sweep_unpacked(machine, since):
    """Remove the partial files of a transaction that was killed after ``since`` (seconds since 1970)."""
    found = [path for folder in _FOLDERS for path in glob.glob(os.path.join(machine.path(folder), "*;*"))]
    for path in found:
        if _UNPACKED.search(path) and os.path.getctime(path) >= since:
            os.unlink(path)


def compare(found, goal):
    """Return four lists of (name, version): missing, to remove, left beside the wanted one, and as wanted.

    The running kernel is never removed, and kernels that are as wanted were not touched.
    """
    want = {(name, version) for name in goal for version in goal[name]}
    now = {pair for pair in found if pair[0] in goal}
    right = {name for name, _ in want & now}
    other = {pair for pair in now - want if not kernel.is_running(*pair)}
    double = {pair for pair in other if pair[0] in right}
    surplus = {pair for pair in other - double if not goal[pair[0]]}
    there = {pair for pair in want & now if not kernel.is_part(pair[0])}
    return sorted(want - now), sorted(surplus), sorted(double), sorted(there)


def exchanges(missing, surplus):
    """Return whether one engine goes and another one comes, by (name, version) pairs."""
    return all(ENGINES.intersection(name for name, _ in pairs) for pairs in (missing, surplus))


def specs(found):
    """Return packages as dnf's arguments, by exact version."""
    return ["%s-%s" % pair for pair in found]


class Half(Change):
    """An interrupted transaction, finished: one version of each package, reinstalled with ``again``.

    A kernel that it was to bring is removed; the plan that follows installs it.
    """

    kind = "packages"
    uses_rpm = True

    def __init__(self, machine, solver, before, again):
        self.machine = machine
        self.solver = solver
        self.again = again
        now = rpmdb.versions(rpmdb.everything(machine), before)
        self.goal = {
            name: before[name] if kernel.is_part(name) else
            sorted(set(now[name]) - set(before[name])) or now[name] for name in before}
        self.rows = [
            Row("reinstall", name, "", version)
            for name in sorted(self.goal) for version in self.goal[name]]

    def apply(self):
        """End the transaction; the engine runs afterwards if it ran before."""
        ran = api.version(self.machine) is not None
        bring(self.machine, self.solver, self.goal, self.again)
        # The scriptlets restart the engine, and systemd refuses the fourth start within a minute.
        if ran and not api.answers(self.machine):
            health.bring_up(self.machine, "start")

    def undo(self):
        """Do nothing: the next run finishes it."""
