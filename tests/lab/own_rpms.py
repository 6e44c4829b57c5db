"""The engine of a distribution, made for a test: the packages of openEuler's moby, with the lab's programs.

Names, dependencies, conflicts, the unit and its options are those of openeuler-mirror/moby. containerd has
runc in it, which is a package of its own there.
"""

import shutil
from pathlib import Path

from provision.lab import keys, packages
from provision.lab.command import run
from provision.lab.fetch import fetch, unpack, upstream_version

# Neither the newest nor the oldest of the lab's engines.
SUITE = "trixie"
KEY = "key"
OPTIONS = "--log-driver=journald --live-restore --default-ulimit nofile=1024:1024"
SPEC = """\
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%global _build_id_links none
%global _binary_payload w1T2.zstdio
Name: moby
Version: {engine}
Release: 1
Summary: Stands for the engine of a distribution
License: Apache-2.0
AutoReqProv: no
Requires: moby-engine = %{{version}}-%{{release}}, moby-client = %{{version}}-%{{release}}
Conflicts: docker-ce, docker-io, docker-engine, docker-engine-cs, docker-ee
%description
%package engine
Summary: dockerd
AutoReqProv: no
Requires: moby-client = %{{version}}-%{{release}}, docker-runc, containerd
Requires: container-selinux, systemd, iptables
%description engine
%package client
Summary: docker
AutoReqProv: no
Requires: /bin/sh, moby-engine = %{{version}}-%{{release}}
%description client
%package -n containerd
Version: {containerd}
Summary: containerd and runc
AutoReqProv: no
Provides: docker-runc
%description -n containerd
%install
cp -al {stage}/. %{{buildroot}}/
%files
%files engine
%config(noreplace) /etc/sysconfig/docker
/usr/bin/dockerd
/usr/bin/docker-proxy
/usr/libexec/docker/docker-init
/usr/lib/systemd/system/docker.service
/usr/lib/systemd/system/docker.socket
%files client
/usr/bin/docker
%files -n containerd
/usr/bin/containerd
/usr/bin/containerd-shim-runc-v2
/usr/bin/ctr
/usr/bin/runc
/usr/lib/systemd/system/containerd.service
%config(noreplace) /etc/containerd/config.toml
%post engine
getent group docker > /dev/null || groupadd --system docker
systemctl daemon-reload
%preun engine
[ $1 -gt 0 ] || systemctl --no-reload disable --now docker.service docker.socket > /dev/null 2>&1 || :
%postun engine
systemctl daemon-reload
"""


def repository(folder: Path, suite: str) -> Path:
    """Build a signed repository of these packages for hosts of ``suite``; its KEY is in it."""
    engine, unpacked, stage = fetch(SUITE, packages.ENGINE_DEBS), folder / "unpacked", folder / "stage"
    for debs in (engine, fetch(suite, packages.HOST_DEBS)):
        unpack(debs, unpacked)
    packages._lay_out(packages.PLACES, unpacked, stage)
    unit = stage / "usr/lib/systemd/system/docker.service"
    started = "EnvironmentFile=-/etc/sysconfig/docker\nExecStart=/usr/bin/dockerd -H fd:// $OPTIONS\n"
    lines = [line for line in unit.read_text().splitlines(keepends=True) if "containerd" not in line]
    ordered = "[Unit]\nAfter=network-online.target docker.socket\n"
    text = "".join(lines).replace("[Unit]\n", ordered).replace("[Service]\n", "[Service]\n" + started)
    unit.write_text(text)
    (stage / "etc/sysconfig").mkdir()
    (stage / "etc/sysconfig/docker").write_text(f'OPTIONS="{OPTIONS}"\n')
    names = {"engine": "docker.io", "containerd": "containerd"}
    versions = {word: upstream_version(engine, name) for word, name in names.items()}
    (folder / "moby.spec").write_text(SPEC.format(stage=stage, **versions))
    run("rpmbuild", "-bb", "--quiet", f"--define=_topdir {folder / 'build'}", folder / "moby.spec")
    return _served(folder)


def _served(folder: Path) -> Path:
    place = folder / "served"
    place.mkdir()
    for package in folder.glob("build/RPMS/*/*.rpm"):
        shutil.move(package, place)
    try:
        mine = keys.make(folder / "gnupg", "The distribution (throw-away)")
        keys.sign(folder / "gnupg", mine, sorted(place.glob("*.rpm")))
        keys.export(folder / "gnupg", place / KEY, mine)
    finally:
        keys.stop_agent(folder / "gnupg")
    run("createrepo_c", "--quiet", place)
    return place
