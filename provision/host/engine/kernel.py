"""The kernel module that the engine's firewall rules need: install its package and load it.

On EL 10 xt_addrtype is in kernel-modules-extra, which iptables no longer pulls in
(docker/docker-ce-packaging issue 1340).
"""

import os
import re

from ..ground import rpmdb
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
EXTRA = "-modules-extra"
# There is one of these at a time, whichever kernels there are.
_ALONE = ("kernel-tools", "kernel-headers")
# The first engine that needs no module: with nftables it makes its rules without iptables, as an experiment.
_NFTABLES_SINCE = 29


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
    return "%s%s-%s" % (base(release), EXTRA, release.partition("+")[0])


def base(release):
    """Return what the names of this kernel's packages begin with: 'kernel', or 'kernel-rt'."""
    flavor = release.partition("+")[2]
    return "kernel" + ("-" + flavor if flavor else "")


def is_part(name):
    """Return whether a package is part of a kernel, and so installed beside those of other kernels."""
    return name.startswith("kernel") and not name.startswith(_ALONE)


def is_running(name, version):
    """Return whether a package, by its version like '0:6.12.0-55.el10.x86_64', is part of this kernel.

    Its additional modules are not: it runs without them.
    """
    build = release().partition("+")[0]
    return is_part(name) and not name.endswith(EXTRA) and version.split(":")[-1] == build


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
    return not has(machine, release)


def has(machine, release):
    """Return whether this kernel, running or not, has the module on the disk or built in."""
    names = ("modules.dep", "modules.builtin")
    lists = [machine.text("%s/%s/%s" % (FOLDER, release, name)) for name in names]
    return any("/%s.ko" % MODULE in text for text in lists)


def missing(evidence, engine="", may_reboot=False):
    """Return the error for a kernel whose modules no repository has.

    ``engine`` is the version that would run, ``may_reboot`` whether a newer kernel was looked for, too.
    """
    ways = ["update the kernel and reboot (dnf upgrade kernel kernel-modules-extra)" if may_reboot else
            "docker_engine_allow_reboot: true installs a newer kernel and reboots the host into it"]
    number = engine.partition(".")[0]
    if number.isdigit() and int(number) >= _NFTABLES_SINCE:
        ways.append("set net.ipv4.ip_forward=1 on the host and"
                    " docker_engine_daemon_options: {firewall-backend: nftables}")
    return Refusal(
        KIND, "the engine needs the kernel module %s, which is not available for the running kernel" % MODULE,
        "; or ".join(ways) + "; then: `again`", evidence,
        "EL 10 keeps it in kernel-modules-extra, and the repositories keep only the newest builds")


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
            said = " ".join((ran.err or ran.out).split())[:300]
            raise missing(said, rpmdb.short(rpmdb.installed(self.machine, "docker-ce")))

    def undo(self):
        """Unload it; one that is in use by now stays until the next boot."""
        self.machine.run(["modprobe", "-r", MODULE])
