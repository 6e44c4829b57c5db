"""The engine's packages: what is there, and what dnf would make of it."""

from . import dnf_errors, rpmdb
from .dnf import Row
from .transaction import INSTALL_OPTIONS, REMOVE_OPTIONS, Transaction, bring, compare, specs

ENGINE = ("docker-ce", "docker-ce-cli")
PACKAGES = ENGINE + ("containerd.io", "docker-buildx-plugin", "docker-compose-plugin")
# What a running engine is made of.
RUNNING = PACKAGES[:3]
LATEST = "latest"

# Whoever has these runs containers with them.
PODMAN = ("podman", "buildah", "podman-docker", "cockpit-podman")


class Installed(object):
    """What rpm says of our packages and of the keys it trusts; one query, since it is the no-op's cost."""

    def __init__(self, machine):
        ran = machine.run(["rpm", "-q", "--qf", rpmdb.FORMAT] + list(PACKAGES) + ["gpg-pubkey"])
        rows = rpmdb.pairs(ran.out)
        self.packages = dict(row for row in rows if row[0] in PACKAGES)
        self.keys = [rpmdb.short(row[1]) for row in rows if row[0] == "gpg-pubkey"]

    def version(self, name):
        """Give the version of a package as a person says it; empty when it is not there."""
        return rpmdb.short(self.packages.get(name, ""))


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
    rows = _ordered(solver.resolve("install", _specs(desired), ["--best", "--allowerasing"]))
    lost = [row for row in rows if row.action == "remove" and row.name in PODMAN]
    if lost:
        raise dnf_errors.podman_conflict("would be removed: " + ", ".join(row.name for row in lost))
    # Ours by exact version, the rest as dnf resolves it.
    ours = [row for row in rows if row.action != "remove" and row.name in PACKAGES]
    exact = ["%s-%s.%s" % (row.name, row.evr, row.arch) for row in ours]
    return _planned(machine, solver, installed, rows, "install", exact, INSTALL_OPTIONS)


def plan_absent(machine, solver, installed, owned):
    """Give the Change that removes what our runs installed (``owned``), and nothing of others with it."""
    ours = sorted(set(owned) & set(installed.packages))
    if not ours:
        return []
    every = sorted({name for name, _ in rpmdb.everything(machine)} & set(owned))
    rows = solver.resolve("remove", every, REMOVE_OPTIONS)
    if not {row.name for row in rows} <= set(every):
        # Somebody's package needs what came along with ours: that stays.
        rows = solver.resolve("remove", ours, REMOVE_OPTIONS)
    rows = _ordered(rows)
    return _planned(machine, solver, installed, rows, "remove", [row.name for row in rows], REMOVE_OPTIONS)


def plan_back(machine, solver, installed, goal, half):
    """Give the Change that brings back the versions in ``goal``; raises when no repository has them."""
    found = rpmdb.everything(machine)
    missing, surplus, double, there = compare(found, goal)
    rows = [] if half else _resolved(solver, missing, surplus)
    if half:
        rows = [_row("install", pair) for pair in missing] + [_row("reinstall", pair) for pair in there]
        rows += [_row("remove", pair) for pair in surplus + double]
    return [Transaction(
        machine, solver, lambda: bring(machine, solver, goal, half), _ordered(rows), installed)] if rows else []


def restart_engine(changes):
    """Do these Changes replace what a running engine is made of?"""
    rows = [row for change in changes for row in getattr(change, "rows", ()) if row.action != "install"]
    return any(row.name in RUNNING for row in rows)


def _resolved(solver, missing, surplus):
    rows = solver.resolve("install", specs(missing), INSTALL_OPTIONS) if missing else []
    names = sorted({name for name, _ in surplus})
    return rows + (solver.resolve("remove", names, REMOVE_OPTIONS) if names else [])


def _row(action, pair):
    name, (evr, _, arch) = pair[0], pair[1].rpartition(".")
    return Row(action, name, arch, evr)


def _planned(machine, solver, installed, rows, verb, words, options):
    if not rows:
        return []
    return [Transaction(machine, solver, lambda: solver.perform(verb, words, options), rows, installed)]


def _specs(desired):
    pinned = () if desired["version"] == LATEST else ENGINE
    return ["%s-%s" % (name, desired["version"]) if name in pinned else name for name in PACKAGES]


def _ordered(rows):
    return sorted(rows, key=_our_order)


def _our_order(row):
    return (PACKAGES.index(row.name), "") if row.name in PACKAGES else (len(PACKAGES), row.name)
