"""The exact packages of provision.lock.yml: those that a host gets, and those that a plan finds for it."""

import re

from ..ground import rpmdb
from ..ground.errors import Refusal
from ..ground.own_engines import DISTRO
from . import checksums, versions

NEVRA = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._+-]*)-([0-9]+:[A-Za-z0-9._+~^]+-[A-Za-z0-9._+~^]+\.[a-z0-9_]+)\Z")
NOT_SERVED = "lock-not-served"
# How much of a list a message shows, in letters.
SHOWN = 400


def system(facts, channel):
    """Return the name of the system in the lock, like 'centos/9 x86_64'; its own engine is another entry."""
    release = facts.release
    major = release.get("VERSION_ID", "").split(".")[0]
    own = " " + DISTRO if channel.is_own else ""
    return "%s/%s %s%s" % (release.get("ID", "").lower(), major, facts.arch, own)


def honoured(facts, desired, channel):
    """Return {name: (version, SHA-256)} for this system; empty without a lock.

    Raise for a lock that lacks this system or one of the packages of ``channel``, or has another version of
    the engine or of containerd than is wanted.
    """
    systems = (desired.get("lock") or {}).get("systems")
    if systems is None:
        return {}
    name, ours = system(facts, channel), channel.packages
    if name not in systems:
        raise _incomplete("provision.lock.yml has no packages for %s" % name, ", ".join(sorted(systems)))
    rows = [(NEVRA.match(nevra), nevra, text) for nevra, text in systems[name]]
    wrong = [nevra for found, nevra, _ in rows if not found]
    lock = {found.group(1): (found.group(2), text) for found, _, text in rows if found}
    wrong += [each for each in ours if each not in lock]
    if wrong:
        raise _incomplete("provision.lock.yml lacks packages for %s" % name, ", ".join(wrong))
    _expect_wanted(lock, ours[0], desired, "version")
    if channel.containerd:
        _expect_wanted(lock, channel.containerd, desired, "containerd_version")
    return lock


def _expect_wanted(lock, name, desired, variable):
    """Raise unless the locked version of a package is one that the inventory's ``variable`` allows."""
    wanted = desired.get(variable) or versions.LATEST
    found = rpmdb.short(lock[name][0]) if name in lock else ""
    if not versions.matches(found, wanted):
        raise _incomplete(
            "provision.lock.yml and docker_engine_%s name different versions of %s" % (variable, name),
            "locked %s, wanted %s" % (found or "none", wanted))


def specs(machine, solver, installed, lock, ours):
    """Return what dnf is asked for; nothing where ``ours`` are installed as locked.

    Dependencies that are missing come as locked. Raise when the repositories do not have just these packages.
    """
    if is_satisfied(installed, lock, ours):
        return []
    there = rpmdb.everything(machine)
    names = {name for name, _ in there} - set(ours)
    wanted = {name: lock[name][0] for name in lock if name not in names}
    _expect_served(solver, lock, [name for name in wanted if (name, wanted[name]) not in there])
    ordered = sorted(wanted, key=lambda name: (name not in ours, name))
    return ["%s-%s" % (name, wanted[name]) for name in ordered]


def is_satisfied(installed, lock, ours):
    """Return whether ``ours`` are installed as locked."""
    return not moves(installed, lock, ours) and all(name in installed.packages for name in ours)


def moves(installed, lock, ours):
    """Return whether an installed package of ``ours`` is not as locked."""
    return any(installed.packages.get(name, lock[name][0]) != lock[name][0] for name in ours)


def expect_complete(rows, lock):
    """Raise when ``rows`` install a package that the lock does not name; a kernel's own are not in it."""
    extra = sorted(row.name for row in rows if row.action == "install" and row.name not in lock
                   and not row.name.startswith("kernel"))
    if extra:
        raise _incomplete("provision.lock.yml lacks what this host needs", ", ".join(extra)[:SHOWN])


def entry(machine, solver, facts, rows, channel, brought):
    """Return what the lock says about this system, once ``rows`` are installed.

    ``brought`` are the packages that our runs installed. What is in no repository any more has no checksum:
    of a dependency the newest is taken in its place, and for a package of ``channel`` this raises.
    """
    ours = channel.packages
    there, names = dict(rpmdb.everything(machine)), set(ours) | set(brought)
    names.update(row.name for row in rows if row.action == "install")
    there.update((row.name, _version(row)) for row in rows if row.action != "remove")
    names -= {row.name for row in rows if row.action == "remove"}
    wanted = {name: there[name] for name in names if name in there and not name.startswith("kernel")}
    served = checksums.of(solver, sorted(wanted))
    missing = [name for name in ours if (name, wanted.get(name)) not in served]
    if missing:
        raise Refusal(
            NOT_SERVED, "the repositories no longer have what is installed, so it cannot be locked",
            "docker_engine_upgrade: true, or a docker_engine_version that they have; then: `again`",
            _shown((name, wanted.get(name)) for name in missing))
    chosen = [(name, _nearest(served, name, wanted[name])) for name in sorted(wanted)]
    return {
        "system": system(facts, channel),
        "packages": [["%s-%s" % pair, served[pair]] for pair in chosen if pair in served]}


def _version(row):
    return "%s%s.%s" % ("" if ":" in row.evr else "0:", row.evr, row.arch)


def _nearest(served, name, version):
    """Return ``version`` if it is ``served``, else the newest of the same architecture."""
    arch = version.rpartition(".")[2]
    others = [each for other, each in served if other == name and each.rpartition(".")[2] == arch]
    return version if version in others or not others else max(others, key=versions.order)


def _expect_served(solver, lock, names):
    if not names:
        return
    served = checksums.of(solver, sorted(names))
    wrong = [name for name in sorted(names) if served.get((name, lock[name][0])) != lock[name][1]]
    if wrong:
        raise Refusal(
            NOT_SERVED, "the repositories do not have the packages of provision.lock.yml",
            "set docker_engine_mirror to one that has them, or lock what is there: `fab plan --lock`",
            "locked: %s; in the repositories: %s" % (
                _shown((name,) + lock[name] for name in wrong),
                _shown(pair + (served[pair],) for pair in sorted(served) if pair[0] in wrong)),
            "a package was withdrawn or replaced, or the mirror is another one")


def _shown(rows):
    """Return packages for a person, each with the beginning of its checksum."""
    words = ["%s-%s" % row[:2] + "".join(" (sha256 %s)" % text[:12] for text in row[2:]) for row in rows]
    return ", ".join(words)[:SHOWN] or "none"


def _incomplete(message, evidence):
    return Refusal("lock-incomplete", message, "`fab plan --lock`, then: `again`", evidence)
