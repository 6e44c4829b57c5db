"""A closed network: one host that reaches the repositories, and one from which nothing gets out."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provision import lab as labs
from provision.host.packages import openpgp
from provision.lab import Lab, keys, network
from provision.lab import host as lab_hosts
from provision.lab import packages as lab_packages
from tests.lab import foreign_rpms
from tests.lab.test_road import in_host

# Only answers of its sshd leave the host.
RULES = """\
table inet closed {
  chain out {
    type filter hook output priority 0;
    oifname "host0" tcp sport 22 accept
    oifname "host0" drop
  }
}
"""
# What comes in is slow enough to be interrupted.
SLOW = """\
table inet slow {
  chain in {
    type filter hook input priority 0;
    iifname "host0" limit rate over 4 mbytes/second drop
  }
}
"""
KEY_FILE = "/etc/pki/rpm-gpg/RPM-GPG-KEY-system"
# The repository of the system, whose packages are not signed by Docker's key.
SYSTEM = f"[system]\nname=system\nbaseurl={{}}\ngpgcheck=1\ngpgkey=file://{KEY_FILE}\n"
RELEASE = "centos-stream-release"


@contextmanager
def closed(lab: Lab, connected: str, host: str, folder: Path) -> Iterator[None]:
    """Cut ``host`` off, and take the package that stands for its system away; ``connected`` offers it."""
    key = lab.gpg_key.with_name("wrong.gpg")
    package, archive = system_package(lab, folder, key)
    for name, url in ((connected, "file:///root/theirs"), (host, f"http://{lab.gateway}:1")):
        put(lab, name, KEY_FILE, key.read_bytes())
        put(lab, name, "/etc/yum.repos.d/system.repo", SYSTEM.format(url).encode())
    put(lab, connected, "/root/theirs.tar", archive)
    in_host(lab, connected, "tar -C /root -xf /root/theirs.tar")
    put(lab, host, f"/root/{RELEASE}.rpm", package.read_bytes())
    in_host(lab, host, f"rpm -e --nodeps {RELEASE}")
    try:
        with rules(lab, host, "closed", RULES):
            yield
    finally:
        # Not as something that came for Docker, which would go with it.
        back = f"rpm -q {RELEASE} || rpm -i --nodeps /root/{RELEASE}.rpm; dnf -q -y mark install {RELEASE}"
        in_host(lab, host, back)
        for name in (connected, host):
            in_host(lab, name, f"rm -rf /root/theirs* /root/*.rpm {KEY_FILE} /etc/yum.repos.d/system.repo")


@contextmanager
def rules(lab: Lab, host: str, table: str, text: str) -> Iterator[None]:
    """Have these rules of the packet filter on ``host``, all in one ``table``."""
    leader = lab_hosts.leader(lab.host(host).directory)
    assert leader
    network.inside(leader, "nft", "-f", "-", stdin=text)
    try:
        yield
    finally:
        network.inside(leader, "nft", "delete", "table", "inet", table)


def system_package(lab: Lab, folder: Path, key: Path) -> tuple[Path, bytes]:
    """Return the package that stands for the system, signed by ``key``, and a repository with it."""
    spec, top = lab_packages.FILES / "release.spec", f"--define=_topdir {folder}"
    subprocess.run(["rpmbuild", "-bb", "--quiet", top, "--define=el 10", spec], check=True)
    (package,) = folder.glob("RPMS/noarch/*.rpm")
    (fingerprint,) = openpgp.fingerprints(key.read_bytes())
    home = lab.gpg_key.parents[1] / "gnupg"
    keys.sign(home, fingerprint, [package])
    keys.stop_agent(home)
    return package, foreign_rpms.repository(folder, package)


def put(lab: Lab, name: str, path: str, data: bytes) -> None:
    """Write a file of a host."""
    done = labs.execute(lab.host(name), "sh", "-c", f"cat > {path}", stdin=data)
    assert done.returncode == 0, done.stderr
