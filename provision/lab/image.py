"""The root tree that all hosts of one suite share, made of Debian packages and dressed as EL.

Hosts put an overlay on it and never write into it.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from provision.lab import cache
from provision.lab.command import run
from provision.lab.fetch import KEYRING, mirror
from provision.lab.profiles import Profile

FILES = Path(__file__).with_name("files")
PACKAGES = (
    "systemd,systemd-sysv,dbus,openssh-server,dnf,python3-dnf,python3,rpm,iptables,iproute2,procps,"
    "ca-certificates,libpam-systemd,kmod,sudo"
)
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr/setup00.sh"
MASKED = (
    "systemd-firstboot.service", "user@.service", "console-getty.service", "getty@.service",
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
)  # fmt: skip
DNF_CONF = """\
[main]
gpgcheck=1
installonly_limit=3
clean_requirements_on_remove=True
best=True
skip_if_unavailable=False
"""
SSHD_CONF = """\
PermitRootLogin yes
PasswordAuthentication yes
HostKey /etc/ssh/ssh_host_ed25519_key
UseDNS no
"""
# Docker needs to write in the control groups, which nspawn mounts read-only under cgroup v1.
CGROUPS_UNIT = """\
[Unit]
Description=Writable control groups
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,bind,rw "$d" || :; done'
StandardError=null

[Install]
WantedBy=sysinit.target
"""


def tree(profile: Profile, progress: Callable[[str], None]) -> Path:
    """Return the tree for this profile, built now if the cache has none of this recipe (about 45 s)."""
    target = cache.root() / f"image-{profile.suite}-{profile.manager}-{_recipe()}"
    if not target.exists():
        progress(f"building the image for {profile.name} from Debian packages, once")
        cache.drop_older(target, in_use=Path("/proc/self/mounts").read_text())
        with cache.building(target) as half:
            _build(profile, half)
    return target / "root"


def _recipe() -> str:
    here = Path(__file__)
    return cache.key(
        here.read_bytes(), here.with_name("profiles.py").read_bytes(), (FILES / "release.spec").read_bytes()
    )


def _build(profile: Profile, half: Path) -> None:
    root = half / "root"
    packages = PACKAGES + (",python2.7" if profile.manager == "yum" else "")
    # Debian 11 still splits /bin and /usr/bin, unless asked.
    run("mmdebstrap", "--quiet", "--variant=minbase", f"--keyring={KEYRING}", f"--include={packages}",
        f"--setup-hook={MERGED_USR}", profile.suite, root, mirror())  # fmt: skip
    _dress(profile, root)
    if profile.is_old:
        _hide_python(profile, root)
    _quiet(root)
    _install_release(profile, half / "rpm", root)


def _dress(profile: Profile, root: Path) -> None:
    (root / "usr/lib/os-release").write_text(profile.os_release)
    (root / "etc/dnf/dnf.conf").write_text(DNF_CONF)
    (root / "etc/yum.repos.d").mkdir(exist_ok=True)
    (root / "etc/pki/rpm-gpg").mkdir(parents=True, exist_ok=True)
    (root / "etc/ssh/sshd_config.d/50-cloud-init.conf").write_text(SSHD_CONF)
    (root / "etc/systemd/system/lab-cgroups.service").write_text(CGROUPS_UNIT)
    presets = root / "etc/systemd/system-preset"
    presets.mkdir(exist_ok=True)
    (presets / "99-default-disable.preset").write_text("disable *\n")


def _hide_python(profile: Profile, root: Path) -> None:
    """Take Python 3 off the search path, and give dnf its name."""
    hidden, programs = root / profile.python, root / "usr/bin"
    hidden.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(programs / "python3", hidden)  # the link's target
    _, _, script = (programs / "dnf-3").read_text().partition("\n")
    for name in [*programs.glob("python3*"), *programs.glob("dnf*"), *programs.glob("py*3")]:
        name.unlink(missing_ok=True)
    (programs / profile.manager).write_text(f"#!/{profile.python}\n{script}")
    (programs / profile.manager).chmod(0o755)
    if (programs / "python2.7").exists():
        for link in ("python", "python2"):
            (programs / link).symlink_to("python2.7")


def _quiet(root: Path) -> None:
    for leftover in root.glob("etc/ssh/ssh_host_*"):
        leftover.unlink()
    for name in ("etc/resolv.conf", "etc/machine-id", "etc/hostname", "etc/apt/sources.list"):
        (root / name).unlink(missing_ok=True)
    # Under cgroup v1 a user manager that cannot be stopped makes one login in a hundred wait 90 s.
    for stack in root.glob("etc/pam.d/common-session*"):
        lines = stack.read_text().splitlines(keepends=True)
        stack.write_text("".join(line for line in lines if "pam_systemd" not in line))
    run("systemctl", f"--root={root}", "mask", *MASKED)
    run("systemctl", f"--root={root}", "enable", "ssh.service", "lab-cgroups.service")
    run("systemctl", f"--root={root}", "set-default", "multi-user.target")


def _install_release(profile: Profile, build: Path, root: Path) -> None:
    run("rpmbuild", "-bb", "--quiet", f"--define=_topdir {build}", f"--define=el {profile.el}",
        FILES / "release.spec")  # fmt: skip
    package = next(build.glob("RPMS/noarch/*.rpm"))
    shutil.copy(package, root / package.name)
    run("chroot", root, "rpm", "-i", "--nodeps", f"/{package.name}")
    (root / package.name).unlink()
    shutil.rmtree(build)
