"""Refuse transactions that change packages that were installed before, unless somebody asked for it."""

import os

from ..engine import api, containers
from ..ground import rpmdb
from ..ground.errors import Refusal
from ..runs import consent, history

MOVES = "would-move-packages"
REMOVES = "would-remove-packages"
UNOWNED = "unowned-engine"
# Containers of podman, buildah and CRI-O end or hang when these are removed.
RUNTIMES = (
    "podman", "buildah", "cockpit-podman", "cri-o", "runc", "crun", "conmon", "netavark", "aardvark-dns",
    "containers-common")
# So do those of another engine, or of containerd, when one of these is removed.
ENGINES = (
    "docker", "docker-ee", "docker-engine", "docker-io", "docker-latest", "moby-engine", "containerd", "runc")
# The process beside each container of podman and CRI-O.
MONITOR = "conmon"
# Where dockerd is without a package (https://docs.docker.com/engine/install/binaries/).
PLACES = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")


def refuse_unowned(machine, package):
    """Raise for an engine that no package owns, unless an interrupted transaction of ours left it."""
    places = [folder + "/dockerd" for folder in PLACES]
    found = [place for place in places if os.access(machine.path(place), os.X_OK) and machine.run(
        ["rpm", "-qf", os.path.realpath(machine.path(place))]).rc]
    if found and not history.broke_off(machine, package):
        raise Refusal(
            UNOWNED, "%s belongs to no package" % ", ".join(found),
            "remove that engine's programs on the host (its data stays), or keep this host out of the run; "
            "then: `again`",
            meaning="Docker's packages would replace this engine,"
            " and an undo or uninstall would remove it")


def refuse_moves(machine, rows, missing):
    """Raise when ``rows`` change installed packages: only ``missing`` was asked for."""
    moved = [row for row in rows if row.action in ("upgrade", "downgrade", "remove")]
    if not moved:
        return
    words = []
    for row in moved:
        before = machine.run(["rpm", "-q", "--qf", "%{VERSION}", row.name]).out
        after = "removed" if row.action == "remove" else rpmdb.short(row.evr)
        words.append("%s %s to %s" % (row.name, before, after))
    raise Refusal(
        MOVES, "%s cannot be installed without changing installed packages" % ", ".join(missing),
        "if they may change: docker_engine_upgrade: true, or docker_engine_version; then: `again`",
        ", ".join(words)[:600],
        "installed packages change only when the inventory asks for it")


def refuse_removals(machine, rows, may_remove):
    """Raise when ``rows`` of packages that are not ours are not all in ``may_remove``, or are in use."""
    refused = [row for row in rows if row.name not in may_remove]
    if refused:
        names = sorted(row.name for row in rows)
        raise Refusal(
            REMOVES, "the engine's packages would remove packages of this host: " + ", ".join(names),
            "if they may be removed: docker_engine_may_remove: [%s]; else keep this host out of the run"
            % ", ".join(names),
            "; ".join(_needed(machine, row) for row in refused)[:600],
            "they exclude each other, or what they need (containerd.io brings a runc of its own)")
    running = _running_by(machine, {row.name for row in rows})
    if running:
        raise Refusal(
            REMOVES, "containers run by packages that would be removed: " + ", ".join(
                sorted(row.name for row in rows)),
            "stop them on the host first, or keep this host out of the run",
            consent.named(running),
            "docker_engine_may_remove allows removing packages, never what runs by them")


def refuse_dependents(machine, rows):
    """Raise for ``rows``: other packages that would be removed with ours."""
    if rows:
        raise Refusal(
            REMOVES,
            "packages of this host need what would be removed: " + ", ".join(row.name for row in rows),
            "remove them on the host first, or keep this host out of the run; then: `again`",
            "; ".join(_needed(machine, row) for row in rows)[:600], "they are not ours to remove")


def running(machine):
    """Return the containers beside Docker's: of podman, CRI-O and other users of containerd."""
    return of_podman(machine) + containers.of_others(machine)


def of_podman(machine):
    """Return root's containers by name, from podman, and others by their monitor process."""
    names = []
    if machine.has("podman"):
        names = machine.run(["podman", "ps", "--format", "{{.Names}}"]).out.split()
    known = list(names)
    for pid, words in machine.commands():
        if os.path.basename(words[0]) == MONITOR:
            # conmon has the container's name after -n.
            name = words[words.index("-n") + 1] if "-n" in words[:-1] else "a container"
            names += [] if name in known else ["%s (pid %d)" % (name, pid)]
    return names


def _running_by(machine, names):
    """Return the containers that run with the packages of these ``names``."""
    found = of_podman(machine) if names & set(RUNTIMES) else []
    if names & set(ENGINES):
        found += containers.of_others(machine)
        known = [(each, api.inspect(machine, each)) for each in containers.running(machine)]
        found += [now["Name"].lstrip("/") if now else each[:12] for each, now in known]
    return sorted(set(found))


def _needed(machine, row):
    ran = machine.run(["rpm", "-q", "--qf", "%{NAME}\n", "--whatrequires", row.name])
    users = sorted({line for line in ran.out.splitlines() if line and " " not in line} - {row.name})
    need = "needed by " + ", ".join(users[:5]) if users and not ran.rc else "needed by no other package"
    return "%s %s (%s)" % (row.name, rpmdb.short(row.evr), need)
