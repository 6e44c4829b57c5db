"""The EL family, one row for each system. docs/systems.md is made from these rows.

A source is a page in the repository endoflife-date/endoflife.date, which cites the vendor, unless it says
more. ASSUMED marks a repository that the vendor does not name.
"""

import re
import time
from collections import namedtuple

from . import own_engines
from .errors import Refusal
from .own_engines import AMAZON, EXTRAS, MOBY, NONE, OPENEULER, ORACLE

# ``ids``: ID of os-release(5), in lower case, and the number before the first dot of its VERSION_ID.
# ``python``: the version that the package manager runs with. ``end``: of maintenance. ``own``: the Engine of
# the distribution. ``needs``: a package that the kernel may need. ``why``: the reason of a refusal.
System = namedtuple("System", "name ids repository manager python end own needs source why")

DNF, YUM = "dnf", "yum"
# xt_addrtype has been there alone since EL 10: docker/docker-ce-packaging issue 1340.
MODULES = "kernel-modules-extra"
ASSUMED = "assumed; "


def _row(name, ids, repository, manager, python, end, source, own=NONE, needs="", why=""):
    return System(name, tuple(ids.split()), repository, manager, python, end, own, needs, source, why)


def _rebuild(name, own_id, ends, source, own_7=NONE):
    """Return the rows of RHEL or one of its rebuilds; ``ends`` by major version."""
    facts = {
        "7": ("centos/7", YUM, "2.7", own_7, ""), "8": ("rhel/8", DNF, "3.6", NONE, ""),
        "9": ("rhel/9", DNF, "3.9", NONE, ""), "10": ("rhel/10", DNF, "3.12", NONE, MODULES)}
    return tuple(
        _row("%s %s" % (name, major), "%s %s" % (own_id, major), facts[major][0], facts[major][1],
             facts[major][2], ends[major], source, *facts[major][3:])
        for major in sorted(ends, key=int))


# centos/8 of Docker is frozen at 26.1.3 (docker/for-linux issue 1517), rhel/8 is not.
SYSTEMS = (
    _row("CentOS 7", "centos 7", "centos/7", YUM, "2.7", "2024-06-30", "centos.md", own=EXTRAS),
    _row("CentOS Stream 8", "centos 8", "rhel/8", DNF, "3.6", "2024-05-31", "centos-stream.md"),
    _row("CentOS Stream 9", "centos 9", "centos/9", DNF, "3.9", "2027-05-31", "centos-stream.md"),
    _row("CentOS Stream 10", "centos 10", "centos/10", DNF, "3.12", "2030-01-01", "centos-stream.md",
         needs=MODULES),
) + _rebuild(
    "RHEL", "rhel", {"7": "2024-06-30", "8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
    "rhel.md; RHEL 10: access.redhat.com/product-life-cycles", own_7=EXTRAS,
) + _rebuild(
    "Rocky Linux", "rocky", {"8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
    "rocky-linux.md; SUPPORT_END in os-release",
) + _rebuild(
    "AlmaLinux", "almalinux", {"8": "2029-03-01", "9": "2032-05-31", "10": "2035-05-31"}, "almalinux.md",
) + _rebuild(
    "Oracle Linux", "ol", {"7": "2024-12-01", "8": "2029-07-01", "9": "2032-06-30", "10": ""},
    "oracle-linux.md", own_7=ORACLE,
) + _rebuild(
    "CloudLinux", "cloudlinux",
    {"7": "2024-06-30", "8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"}, "cloudlinux.md",
) + _rebuild(
    "EuroLinux", "eurolinux", {"7": "2024-07-31", "8": "2029-06-30", "9": "2032-06-30"}, "eurolinux.md",
) + (
    _row("Scientific Linux 7", "scientific 7", "centos/7", YUM, "2.7", "", "a rebuild of RHEL 7"),
    _row("Amazon Linux 2", "amzn 2", "centos/7", YUM, "2.7", "2026-06-30",
         ASSUMED + "AWS: ident-os-release", own=AMAZON),
    _row("Amazon Linux 2023", "amzn 2023", "", DNF, "3.9", "2029-06-30", "AWS: ident-os-release, python",
         own=AMAZON, why="Docker has no packages for it"),
    _row("Alibaba Cloud Linux 2", "alinux 2", "centos/7", YUM, "2.7", "",
         "Alibaba Cloud: Install Docker (yum-plugin-releasever-adapter)", own=EXTRAS),
    _row("Alibaba Cloud Linux 3", "alinux 3", "rhel/8", DNF, "3.6", "",
         "Alibaba Cloud: Install Docker (dnf-plugin-releasever-adapter, packages of el8)"),
    _row("Alibaba Cloud Linux 4", "alinux 4", "centos/9", DNF, "3.11", "",
         "Alibaba Cloud: Install Docker (9 or 10 by hand)", own=MOBY),
    _row("Anolis OS 7", "anolis 7", "centos/7", YUM, "2.7", "", ASSUMED + "a rebuild of RHEL 7"),
    _row("Anolis OS 8", "anolis 8", "rhel/8", DNF, "3.6", "2031-03-31", ASSUMED + "anolis-os.md"),
    _row("Anolis OS 23", "anolis 23", "centos/9", DNF, "", "",
         ASSUMED + "SuperManito/LinuxMirrors: DockerInstallation.sh"),
    _row("openEuler 20.03", "openeuler 20", "rhel/8", DNF, "3.7", "2025-11-30", ASSUMED + "openeuler.md",
         own=OPENEULER),
    _row("openEuler 22.03", "openeuler 22", "rhel/8", DNF, "3.9", "2026-06-30", ASSUMED + "openeuler.md",
         own=OPENEULER),
    _row("openEuler 24.03", "openeuler 24", "centos/9", DNF, "3.11", "2027-12-31", ASSUMED + "openeuler.md",
         own=OPENEULER),
    _row("TencentOS Server 2", "tencentos 2", "centos/7", YUM, "2.7", "",
         ASSUMED + "SuperManito/LinuxMirrors: DockerInstallation.sh"),
    _row("TencentOS Server 3", "tencentos 3", "rhel/8", DNF, "3.6", "",
         ASSUMED + "SuperManito/LinuxMirrors: DockerInstallation.sh"),
    _row("TencentOS Server 4", "tencentos 4", "centos/9", DNF, "3.11", "",
         ASSUMED + "SuperManito/LinuxMirrors: DockerInstallation.sh"),
    _row("OpenCloudOS 8", "opencloudos 8", "rhel/8", DNF, "3.6", "2029-05-31", ASSUMED + "opencloudos.md"),
    _row("OpenCloudOS 9", "opencloudos 9", "centos/9", DNF, "3.11", "2033-04-30",
         ASSUMED + "opencloudos.md; docs.opencloudos.org: Docker guide", own=MOBY),
    _row("Huawei Cloud EulerOS 2", "hce 2", "centos/9", DNF, "3.9", "",
         ASSUMED + "SuperManito/LinuxMirrors: DockerInstallation.sh"),
    _row("Fedora", "fedora *", "", DNF, "", "", "Docker: Install on Fedora",
         why="Docker's packages for Fedora are others, and this program is for servers of the EL family"),
)
# A rebuild that has no row names its platform.
REBUILDS = _rebuild("rebuild of RHEL", "*", {"8": "", "9": "", "10": ""}, "PLATFORM_ID of os-release(5)")


def find(release):
    """Return the System of the variables of an os-release file; None for a foreign one."""
    name, major = release.get("ID", "").lower(), release.get("VERSION_ID", "").split(".")[0]
    found = [system for system in SYSTEMS if system.ids in ((name, major), (name, "*"))]
    platform = re.match(r"platform:el(8|9|10)$", release.get("PLATFORM_ID", ""))
    if not found and platform and "rhel" in release.get("ID_LIKE", "").split():
        found = [system for system in REBUILDS if system.ids[1] == platform.group(1)]
    return found[0] if found else None


def supported(facts, channel=""):
    """Return the System of these facts; raise for a foreign one, and without an engine in ``channel``."""
    system = find(facts.release)
    if system is not None and channel == own_engines.DISTRO:
        return _with_own(facts, system)
    why = "Docker's EL packages do not support it" if system is None else system.why
    if why:
        raise Refusal("unsupported-os", "%s: %s" % (facts.system, why), _instead(system))
    return system


def _with_own(facts, system):
    if not system.own.packages:
        having = [each.name for each in SYSTEMS if each.own.packages]
        raise Refusal(
            "no-own-engine", "%s: the distribution has no engine of its own" % facts.system,
            "docker_engine_channel: stable is Docker's own; distro is for " + ", ".join(having))
    return system


def _instead(system):
    """Return what to do about a host for which Docker has no packages."""
    if system is not None and system.own.packages:
        return "docker_engine_channel: distro installs the distribution's own engine; then: `again {host}`"
    return "supported: %s; leave this host out of --limit" % names()


def ended(system, now):
    """Return the day on which the system's updates ended, like '2024-06-30'.

    Empty while there are updates ``now`` (seconds since 1970), and where no day is known.
    """
    return system.end if system.end and system.end < time.strftime("%Y-%m-%d", time.gmtime(now)) else ""


def names():
    """Return the names of the supported systems, each with its versions: 'RHEL 8, 9; Rocky Linux 8, 9'."""
    families = []
    for system in SYSTEMS:
        name, _, version = system.name.rpartition(" ")
        if system.why:
            continue
        if not families or families[-1][0] != name:
            families.append((name, []))
        families[-1][1].append(version)
    return "; ".join("%s %s" % (name, ", ".join(versions)) for name, versions in families)
