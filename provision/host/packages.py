"""The engine's packages: what is there, what dnf would make of it, and back again."""

from . import dnf_errors
from .change import Change

ENGINE = ("docker-ce", "docker-ce-cli")
PACKAGES = ENGINE + ("containerd.io", "docker-buildx-plugin", "docker-compose-plugin")
LATEST = "latest"

# Whoever has these runs containers with them.
PODMAN = ("podman", "buildah", "podman-docker", "cockpit-podman")

_FORMAT = "%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\n"


class Installed(object):
    """What rpm says of our packages and of the keys it trusts; one query, since it is the no-op's cost."""

    def __init__(self, machine):
        ran = machine.run(["rpm", "-q", "--qf", _FORMAT] + list(PACKAGES) + ["gpg-pubkey"])
        rows = _pairs(ran.out)
        self.packages = dict(row for row in rows if row[0] in PACKAGES)
        self.keys = [short(row[1]) for row in rows if row[0] == "gpg-pubkey"]

    def version(self, name):
        """Give the version of a package as a person says it; empty when it is not there."""
        return short(self.packages.get(name, ""))


def _pairs(text):
    # rpm's complaints among the rows have more words.
    rows = [tuple(line.split()) for line in text.splitlines()]
    return [row for row in rows if len(row) == 2]


def short(evr):
    """Give '28.5.2' for '3:28.5.2-1.el10.x86_64'."""
    return evr.split(":")[-1].split("-")[0]


def is_satisfied(installed, desired):
    """Is there nothing to ask the repository? 'latest' means installed unless an upgrade is asked for."""
    if desired["upgrade"] or any(name not in installed.packages for name in PACKAGES):
        return False
    wanted = desired["version"]
    return wanted == LATEST or all(installed.version(name) == wanted for name in ENGINE)


def plan(machine, solver, installed, desired):
    """Give the Change that brings the wanted packages; raises when it would take podman away."""
    if is_satisfied(installed, desired):
        return []
    rows = solver.resolve("install", _specs(desired), ["--best", "--allowerasing"])
    lost = [row for row in rows if row.action == "remove" and row.name in PODMAN]
    if lost:
        raise dnf_errors.podman_conflict("would be removed: " + ", ".join(row.name for row in lost))
    return [Transaction(machine, solver, "install", rows, installed)] if rows else []


def plan_absent(machine, solver, installed):
    """Give the Change that removes those of our packages that are there."""
    if not installed.packages:
        return []
    rows = solver.resolve("remove", sorted(installed.packages), _REMOVE_OPTIONS)
    return [Transaction(machine, solver, "remove", rows, installed)]


# A removal needs no repository, and takes nothing but what it names.
_REMOVE_OPTIONS = ["--disablerepo=*", "--noautoremove"]


def _specs(desired):
    pinned = () if desired["version"] == LATEST else ENGINE
    return ["%s-%s" % (name, desired["version"]) if name in pinned else name for name in PACKAGES]


class Transaction(Change):
    """One dnf transaction; a person reads a line for each package."""

    name = "packages"
    uses_rpm = True

    def __init__(self, machine, solver, verb, rows, installed):
        self.machine = machine
        self.solver = solver
        self.verb = verb
        self.rows = sorted(rows, key=_our_order)
        self.installed = installed
        self.found = None

    def restarts_engine(self):
        """Does it replace what a running engine is made of?"""
        replaced = [row.name for row in self.rows if row.name in self.installed.packages]
        return bool(set(replaced) & set(PACKAGES[:3]))

    def apply(self):
        """Do what was shown: our packages by exact version, the rest as dnf resolved it."""
        if self.found is None:
            self.found = self._all()
        if self.verb == "remove":
            self.solver.perform("remove", [row.name for row in self.rows], _REMOVE_OPTIONS)
            return
        ours = [row for row in self.rows if row.action != "remove" and row.name in PACKAGES]
        exact = ["%s-%s.%s" % (row.name, row.evr, row.arch) for row in ours]
        self.solver.perform("install", exact, ["--allowerasing"])

    def undo(self):
        """Remove what came, and bring back what went, judged by rpm and not by memory."""
        now = self._all()
        before = now if self.found is None else self.found
        came, gone = sorted(now - before), sorted(before - now)
        if gone:
            self.solver.perform("install", ["%s-%s" % pair for pair in gone], ["--allowerasing"])
        new = [name for name, _ in came if name not in dict(gone)]
        if new:
            self.solver.perform("remove", new, _REMOVE_OPTIONS)

    def lines(self):
        """Give one line a package."""
        return [self._line(row) for row in self.rows]

    def _line(self, row):
        before = self._before(row)
        after = "removed" if row.action == "remove" else short(row.evr)
        name = "package " + row.name
        return {"name": name, "before": before, "after": after, "disruptive": False, "diff": ""}

    def _before(self, row):
        if row.action == "remove":
            return short(row.evr)
        if row.action == "install":
            return ""
        return self.installed.version(row.name) or short(self._query(row.name))

    def _query(self, name):
        return self.machine.run(["rpm", "-q", "--qf", "%{VERSION}", name]).out

    def _all(self):
        ran = self.machine.run(["rpm", "-qa", "--qf", _FORMAT])
        return {row for row in _pairs(ran.out) if row[0] != "gpg-pubkey"}


def _our_order(row):
    return (PACKAGES.index(row.name), "") if row.name in PACKAGES else (len(PACKAGES), row.name)
