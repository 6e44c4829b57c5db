"""Create one stand-in host from the shared tree, and boot it as a systemd-nspawn container."""

import secrets
import subprocess
from contextlib import suppress
from pathlib import Path

from provision.lab import cgroups, network, processes
from provision.lab.command import run
from provision.lab.profiles import Profile
from provision.lab.profiles import profile as profile_named
from provision.lab.record import Lab, LabHost
from provision.model import Secret

PASSWORD_BYTES = 18
# Docker mounts overlays here, which do not nest: plain directories are bound instead.
PLAIN = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}
NETWORK_UNIT = """\
[Unit]
Description=Address of a stand-in host
Before=network.target ssh.service
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip address add {address}/24 dev host0
ExecStart=/usr/sbin/ip link set host0 up

[Install]
WantedBy=multi-user.target
"""
NSPAWN = Path("/run/systemd/nspawn")
# nspawn exits with 133 when its host reboots; the network port of the old boot may still exist then.
SUPERVISE = """\
for group in $0; do echo $$ > "$group"; done
port=$1; shift
while "$@"; test $? -eq 133; do ip link delete "$port" 2> /dev/null; done
"""
HOSTS_FILE = "127.0.0.1 localhost\n{host.address} {host.name}\n{gateway} gateway\n"
SUDOERS = "ops ALL=(ALL:ALL) ALL\ndeploy ALL=(ALL:ALL) NOPASSWD: ALL\n"


def make(lab: Lab, index: int, profile: Profile, tree: Path, users: bool) -> LabHost:
    """Prepare host number ``index`` on an overlay over ``tree``; it does not run yet."""
    name = f"el{index + 1}"
    directory = lab.directory / name
    for part in ("root", "upper", "work", *PLAIN):
        (directory / part).mkdir(parents=True)
    mount(directory, tree)
    key = directory / "root/etc/ssh/ssh_host_ed25519_key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    password = Secret(secrets.token_urlsafe(PASSWORD_BYTES))
    host = LabHost(name, lab.address(index), profile.name, public, directory, password)
    _personalise(lab, host)
    _set_passwords(host, password, users)
    return host


def mount(directory: Path, tree: Path) -> None:
    """Mount the host's root: its changes go to ``upper``, ``tree`` is only read."""
    layers = f"lowerdir={tree},upperdir={directory / 'upper'},workdir={directory / 'work'}"
    run("mount", "-t", "overlay", "overlay", "-o", layers, directory / "root")


def boot(lab: Lab, host: LabHost) -> None:
    """Start the host; it answers SSH a second or two later, and outlives this process."""
    name = machine(lab.name, host.name)
    network.drop_port(name)
    groups = [str(group / "cgroup.procs") for group in cgroups.make(name)]
    with host.console.open("ab") as console:
        subprocess.Popen(
            ["sh", "-c", SUPERVISE, " ".join(groups), network.port(name), *_command(lab, host)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
        )


def machine(lab: str, host: str) -> str:
    """Return the name of a host's container and network devices on this machine."""
    return f"{lab}-{host}"


def supervisors(directory: Path) -> list[int]:
    """Return the processes that keep the host in ``directory`` running: systemd-nspawn and its parent."""
    return processes.with_argument(_root_argument(directory))


def forget(name: str, directory: Path) -> None:
    """Remove what the container of a stopped host leaves on this machine."""
    cgroups.remove(name)
    root = (directory / "root").stat()
    (NSPAWN / "locks" / f"inode-{root.st_dev}:{root.st_ino}").unlink(missing_ok=True)
    for empty in (NSPAWN / "propagate" / name, NSPAWN / "propagate", NSPAWN / "locks", NSPAWN):
        with suppress(OSError):
            empty.rmdir()


def leader(directory: Path) -> int | None:
    """Return the pid of process 1 of the host in ``directory``; None when it is off."""
    above = supervisors(directory)
    found = [child for pid in above for child in processes.children(pid) if child not in above]
    return found[0] if found else None


def _root_argument(directory: Path) -> str:
    return f"--directory={directory / 'root'}"


def _command(lab: Lab, host: LabHost) -> list[str]:
    # Under systemd, nspawn makes its own scope; elsewhere it stays in the group that boot() set.
    unit = [] if Path("/run/systemd/system").is_dir() else ["--keep-unit"]
    binds = [f"--bind={host.directory / part}:{place}" for part, place in PLAIN.items()]
    return [
        "systemd-nspawn", "--quiet", _root_argument(host.directory), "--boot", "--console=pipe",
        f"--machine={machine(lab.name, host.name)}", f"--hostname={host.name}", "--register=no", *unit,
        "--network-veth", f"--network-bridge={lab.bridge}", "--private-users=no",
        "--resolv-conf=off", "--timezone=off", "--link-journal=no",
        # The clock is that of this machine, so no host may set it.
        "--capability=all", "--drop-capability=CAP_SYS_TIME",
        "--system-call-filter=add_key keyctl bpf", *binds,
    ]  # fmt: skip


def _personalise(lab: Lab, host: LabHost) -> None:
    root, profile = host.directory / "root", profile_named(host.profile)
    (root / "etc/machine-id").write_text(secrets.token_hex(16) + "\n")
    (root / "etc/hostname").write_text(f"{host.name}\n")
    (root / "etc/hosts").write_text(HOSTS_FILE.format(host=host, gateway=lab.gateway))
    (root / "usr/lib/os-release").write_text(profile.os_release)
    if profile.release_line:
        (root / "etc/centos-release").write_text(profile.release_line)
        (root / "etc/redhat-release").symlink_to("centos-release")
    (root / "etc/systemd/system/lab-network.service").write_text(NETWORK_UNIT.format(address=host.address))
    run("systemctl", f"--root={root}", "enable", "lab-network.service")


def _set_passwords(host: LabHost, password: Secret, users: bool) -> None:
    root = host.directory / "root"
    names = ["root"]
    if users:
        for name in ("ops", "deploy"):
            run("chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", name)
        (root / "etc/sudoers.d/lab").write_text(SUDOERS)
        names += ["ops", "deploy"]
    run("chroot", root, "chpasswd", stdin="".join(f"{name}:{password.reveal()}\n" for name in names))
