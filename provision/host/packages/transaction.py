"""One dnf transaction as a Change, and the way back, also from a half one."""

import glob
import os
import re
import time

from ..engine import api, health
from ..ground import rpmdb
from ..ground.change import REMOVED, Change, Harm, line
from ..ground.errors import HostError
from . import dnf_errors
from .dnf import Row

# A removal needs no repository, and takes nothing but what it names.
REMOVE_OPTIONS = ["--disablerepo=*", "--noautoremove"]
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
    """What ``make`` does, shown by its ``rows``: a person reads a line for each package.

    ``gone`` are those rows of them that remove packages of others; ``lost`` are the names that no repository
    has, and that cannot be put back; ``moved`` are the rows that move what containers of others may run by.
    """

    kind = "packages"
    uses_rpm = True

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
        """Do what was shown."""
        self._observe()
        self.make()

    def undo(self):
        """Bring back what was there, judged by rpm and not by memory."""
        self._observe()
        if self.solver.broke_off:
            sweep_unpacked(self.machine, self.began)
        bring(self.machine, self.solver, self.before_us, self.solver.broke_off)
        found = {name for name, _ in rpmdb.everything(self.machine)} if self.lost else ()
        gone = [name for name in self.lost if name not in found]
        if gone:
            raise HostError("not-undoable", "no repository has %s any more" % ", ".join(gone))

    def harms(self):
        """Return what others lose, as (Harm, names)."""
        found = ((GOES, self.gone), (MOVES, self.moved))
        return [(harm, [row.name for row in rows]) for harm, rows in found if rows]

    def settle(self):
        """Let the engine run as it did, if it did: the packages' scriptlets restart it, or stop it."""
        if self.ran_before_us not in (None, api.version(self.machine)):
            health.bring_up(self.machine, "restart")

    def look(self):
        """Return the packages that do not have their old versions."""
        now = rpmdb.versions(rpmdb.everything(self.machine), self.before_us or {})
        other = sorted(name for name in now if now[name] != self.before_us[name])
        return "packages " + " ".join(other) if other else ""

    def records(self):
        """Give the versions that were there of each package that is named."""
        self._observe()
        return [{"kind": "packages", "before": self.before_us}]

    def lines(self):
        """Give one line a package."""
        return [self._line(row) for row in self.rows]

    def _observe(self):
        if self.before_us is None:
            found = rpmdb.everything(self.machine)
            self.before_us = rpmdb.versions(found, {row.name for row in self.rows} - set(self.lost))
            self.ran_before_us = api.version(self.machine)

    def _line(self, row):
        after = {"remove": REMOVED, "reinstall": "installed again"}.get(row.action) or rpmdb.short(row.evr)
        if row.name in self.lost:
            after += "; no repository has it: this cannot be undone"
        return line("package", row.name, self._before(row), after, _SIGNS.get(row.action, "~"))

    def _before(self, row):
        if row.action in ("remove", "reinstall"):
            return rpmdb.short(row.evr)
        if row.action in ("install", "beside"):
            return ""
        return self.installed.version(row.name) or self._query(row.name)

    def _query(self, name):
        return self.machine.run(["rpm", "-q", "--qf", "%{VERSION}", name]).out


def bring(machine, solver, goal, half):
    """Make the packages that ``goal`` names have exactly its versions; an empty list is none.

    ``half`` tells that a transaction on them was cut off: what is there is then installed again, since
    neither its files nor its scriptlets can be trusted.
    """
    missing, surplus, double, there = compare(rpmdb.everything(machine), goal)
    for name, version in double:
        _expect(rpmdb.erase(machine, name, version))
    if missing:
        solver.perform("install", specs(missing), INSTALL_OPTIONS)
    if surplus:
        solver.perform("remove", sorted({name for name, _ in surplus}), REMOVE_OPTIONS)
    if half and there:
        _again(machine, solver, there)


def _again(machine, solver, there):
    try:
        solver.perform("reinstall", specs(there))
    except HostError:
        # A repository that has newer versions only: whole files must do.
        if machine.run(["rpm", "-V", "--noconfig"] + [name for name, _ in there]).rc:
            raise


def sweep_unpacked(machine, since):
    """Remove the half files of a transaction that was killed after ``since`` (seconds since 1970)."""
    found = [path for folder in _FOLDERS for path in glob.glob(os.path.join(machine.path(folder), "*;*"))]
    for path in found:
        if _UNPACKED.search(path) and os.path.getctime(path) >= since:
            os.unlink(path)


def compare(found, goal):
    """Give four lists of (name, version): to come, to go wholly, there beside the right one, right."""
    want = {(name, version) for name in goal for version in goal[name]}
    now = {pair for pair in found if pair[0] in goal}
    right = {name for name, _ in want & now}
    other = now - want
    double = {pair for pair in other if pair[0] in right}
    surplus = {pair for pair in other - double if not goal[pair[0]]}
    return sorted(want - now), sorted(surplus), sorted(double), sorted(want & now)


def specs(found):
    """Give packages as dnf takes them, by exact version."""
    return ["%s-%s" % pair for pair in found]


class Half(Change):
    """A transaction that was cut off, brought to one version of each package; ``again``: to a whole one."""

    kind = "packages"
    uses_rpm = True

    def __init__(self, machine, solver, before, again):
        self.machine = machine
        self.solver = solver
        self.again = again
        now = rpmdb.versions(rpmdb.everything(machine), before)
        self.goal = {name: sorted(set(now[name]) - set(before[name])) or now[name] for name in before}
        self.rows = [
            Row("reinstall", name, "", version)
            for name in sorted(self.goal) for version in self.goal[name]]

    def apply(self):
        """End it."""
        bring(self.machine, self.solver, self.goal, self.again)

    def undo(self):
        """Leave it: the next run ends it."""


def _expect(ran):
    if ran.rc:
        raise dnf_errors.classify(ran.out + ran.err)
