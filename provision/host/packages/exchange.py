"""A change of channel: the engine of one takes the place of the other's, and its data stays."""

from ..engine import stop
from ..ground.channels import CONTAINERDS, ENGINES
from ..ground.errors import HostError, Refusal
from . import others
from .sources import REPO_FILE
from .transaction import REMOVE_OPTIONS

# The solvers that take packages away for others.
_TAKES_AWAY = "dnf"


def stale(channel, there, brought):
    """Return the packages of the other channel that go, of those that are ``there``.

    Docker's go with its engine where the inventory asks for the distribution's. The distribution's go only
    where our runs have brought them: elsewhere its engine belongs to others, as does a containerd.io alone.
    """
    found = [name for name in channel.former if name in there and name not in channel.packages]
    mine = [name for name in found if name in brought]
    return found if channel.is_own and ENGINES.intersection(found) else mine


def may_go(name, installed):
    """Return whether a package may be removed for the new engine: it came with the former one."""
    return name in installed.stale or bool(installed.stale and name in installed.brought)


def replaced(installed):
    """Return the packages of the engine that goes; empty where none takes the place of another."""
    return [name for name in installed.stale if name in ENGINES or name in CONTAINERDS]


def refuse_stuck(machine, solver, installed):
    """Raise where the former engine cannot go: by yum, or under containers that nothing would stop."""
    gone = replaced(installed)
    if gone and solver.program != _TAKES_AWAY:
        raise Refusal(
            "exchange-refused", "%s does not put one engine in the place of another" % solver.program,
            "on the host: %s remove %s (images, containers and volumes stay); then: `again`"
            % (solver.program, " ".join(installed.stale)), ", ".join(gone),
            "docker_engine_channel names another engine than the one that is installed")
    if gone:
        stop.refuse_orphans(machine)
        stop.refuse_containerd(machine, gone)


def leaving(machine, solver, installed, rows):
    """Return the Rows that remove the stale packages, and those that ``rows`` would take away with them."""
    taken = [row.name for row in rows if row.action == "remove" and may_go(row.name, installed)]
    names = sorted(set(installed.stale) | set(taken))
    found = solver.resolve("remove", names, REMOVE_OPTIONS) if names else []
    others.refuse_dependents(machine, [row for row in found if not may_go(row.name, installed)])
    return found


def former(machine, installed, desired):
    """Return the text of the .repo file, and the authorities, from which the stale packages came.

    None where they came from the repositories of the host.
    """
    takes = installed.channel.is_own and installed.stale
    return (machine.text(REPO_FILE), desired.get("ca")) if takes else None


def lost(machine, solver, installed, desired, going):
    """Return the names in the Rows ``going`` that no repository has, so that they cannot be restored."""
    source = former(machine, installed, desired)
    here = (solver.repos.text, solver.repos.authorities) if source else None
    if not going:
        return []
    try:
        if source:
            solver.take(*source)
        return [] if _brings(solver, going) else [row.name for row in going if not solver.brings(row)]
    finally:
        if here:
            solver.take(*here)


def _brings(solver, going):
    """Return whether the repositories have all of them, by one question."""
    try:
        found = solver.resolve("reinstall", ["%s-%s.%s" % (row.name, row.evr, row.arch) for row in going])
    except HostError:
        return False
    return {row.name for row in found if row.action == "reinstall"} >= {row.name for row in going}


def not_served(channel, evidence):
    """Return the error for a host whose repositories do not have the distribution's engine."""
    return HostError(
        "engine-not-served", "no enabled repository of this host has %s" % " ".join(channel.packages),
        "enable the one that has it (Amazon Linux 2: amazon-linux-extras enable docker; CentOS 7 and RHEL 7:"
        " extras), or set docker_engine_channel: stable; then: `again`", evidence,
        "with docker_engine_channel: distro packages come from the host's own repositories alone")
