"""The kernel module that the engine's firewall rules need: install its package and load it.

On EL 10 xt_addrtype is in kernel-modules-extra, which iptables no longer pulls in
(docker/docker-ce-packaging issue 1340).
"""

import os
import re

from ..ground.change import Change
from ..ground.errors import Refusal
from ..ground.jsonfile import parse
from .daemon import FILE, overlay

MODULE = "xt_addrtype"
KIND = "kernel-modules-missing"
FOLDER = "/lib/modules"
LOADED = "/proc/modules"
# The matches of this kernel that iptables can use, loaded or built in; see net/netfilter/x_tables.c.
MATCHES = "/proc/net/ip_tables_matches"


def lacking(machine, desired, unit):
    """Return the package, in a list, with the module for the running kernel; empty where none is needed."""
    options = overlay(parse(machine.text(FILE)) or {}, desired["daemon_options"])
    by_iptables = options.get("iptables") is not False and options.get("firewall-backend") != "nftables"
    return [package(release())] if not unit.active and by_iptables and lacks(machine, release()) else []


def plan(machine, lacking):
    """Return the Change that loads the module, if its package is ``lacking``."""
    return [Load(machine)] if lacking else []


def release():
    """Return what `uname -r` prints."""
    return os.uname()[2]


def package(release):
    """Return the package's full name; '6.12.0-55.el10.x86_64+rt' is a kernel with another name."""
    build, _, flavor = release.partition("+")
    return "-".join(["kernel"] + [flavor] * bool(flavor) + ["modules-extra", build])


def lacks(machine, release):
    """Return whether the running kernel neither has the module nor can load it.

    A host without any modules on the disk is a container, whose kernel is not its own.
    """
    if re.search("^%s " % MODULE, machine.text(LOADED), re.MULTILINE):
        return False
    if "addrtype" in machine.text(MATCHES).split():
        return False
    folder = machine.path(FOLDER)
    if not os.path.isdir(folder) or not os.listdir(folder):
        return False
    names = ("modules.dep", "modules.builtin")
    lists = [machine.text("%s/%s/%s" % (FOLDER, release, name)) for name in names]
    return not any("/%s.ko" % MODULE in text for text in lists)


def missing(evidence):
    """Return the error for a kernel whose modules no repository has."""
    return Refusal(
        KIND, "the engine needs the kernel module %s, which is not available for the running kernel" % MODULE,
        "update the kernel and reboot (dnf upgrade kernel kernel-modules-extra); or set net.ipv4.ip_forward=1"
        " on the host and docker_engine_daemon_options: {firewall-backend: nftables}; then: `again`",
        evidence, "EL 10 keeps it in kernel-modules-extra, and the repositories keep only the newest builds")


class Load(Change):
    """The module, loaded now; after a boot iptables loads it by itself."""

    kind = "kernel"
    subject = "module " + MODULE
    after = "loaded"

    def __init__(self, machine):
        self.machine = machine

    def apply(self):
        """Load it."""
        ran = self.machine.run(["modprobe", MODULE])
        if ran.rc:
            raise missing(" ".join((ran.err or ran.out).split())[:300])

    def undo(self):
        """Unload it; one that is in use by now stays until the next boot."""
        self.machine.run(["modprobe", "-r", MODULE])
