"""Where the engine comes from: Docker's repository, or the distribution's own (docker_engine_channel)."""

from collections import namedtuple

from . import own_engines, systems
from .errors import Refusal
from .own_engines import CONTAINERD, DISTRO

# ``packages`` are asked for by name. ``engine`` are those of them in the version of the engine. ``command``
# is how the unit of a package starts dockerd, None where it has no flags of its own. ``former`` are the
# packages of the other channel on this system.
Channel = namedtuple("Channel", "is_own packages engine containerd command former")

DOCKER = Channel(
    False, ("docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"),
    ("docker-ce", "docker-ce-cli"), "containerd.io", None, ())
_OWN = tuple(sorted({name for engine in own_engines.ENGINES for name in engine.packages}))
# For what has to know every engine, whatever the channel.
EVERY = DOCKER._replace(former=_OWN)

# The package of dockerd, or one that brings it, and the package of containerd.
ENGINES = frozenset(("docker-ce", "moby-engine") + _OWN) - {CONTAINERD}
CONTAINERDS = frozenset((DOCKER.containerd, CONTAINERD))
# What comes with a distribution's engine, in some of them.
_BESIDE = ("docker-client", "docker-common", "moby-client", "moby-engine", "runc")
# The packages of a running engine.
RUNNING = ENGINES | CONTAINERDS | frozenset(("docker-ce-cli",) + _BESIDE)


def of(facts, desired):
    """Return the Channel of this host; raise where it cannot do what is desired."""
    system = systems.supported(facts, desired["channel"])
    if desired["channel"] != DISTRO:
        own = system.own.packages
        return DOCKER._replace(former=own + _BESIDE if own else ())
    packages, command = system.own
    engine = tuple(name for name in packages if name != CONTAINERD)
    containerd = CONTAINERD if CONTAINERD in packages else ""
    if desired.get("hold"):
        raise _unable(
            "docker_engine_hold", "on the host: dnf versionlock add " + " ".join(packages),
            "the hold is a line in the file of Docker's repository")
    if desired.get("containerd_version") and not containerd:
        raise _unable(
            "docker_engine_containerd_version", "",
            "containerd has no package of its own beside %s" % engine[0])
    return Channel(True, packages, engine, containerd, command, DOCKER.packages)


def refuse_bundle(desired):
    """Raise where the engine is the distribution's own, which no bundle has."""
    if desired["channel"] == DISTRO:
        raise _unable(
            "a bundle", "set docker_engine_mirror to a mirror inside, with docker_engine_channel: stable",
            "a bundle has Docker's packages, and Docker's key vouches for it")


def is_exchange(rows):
    """Return whether these Rows put one engine in the place of another."""
    there = {row.action for row in rows if row.name in ENGINES}
    return {"install", "remove"} <= there


def _unable(what, instead, meaning):
    hint = "take it out of the inventory or the command, or set docker_engine_channel: stable; then: `again`"
    return Refusal(
        "channel-unable", "docker_engine_channel: distro does not go with " + what,
        "; ".join(word for word in (hint, instead) if word), meaning=meaning)
