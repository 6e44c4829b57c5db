"""Packages on a host that has others: none moves or goes unasked, and who is at work is waited for."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from provision import lab as labs
from tests.lab import foreign_rpms
from tests.lab.conftest import STATE
from tests.lab.test_changes import Host

THEIRS = """\
tar -C /root -x
printf '[theirs]\\nname=theirs\\nbaseurl=file:///root/theirs\\ngpgcheck=0\\n' > /etc/yum.repos.d/theirs.repo
"""
SAVED = {"podman-docker": "Conflicts: docker-ce", "podman": "Requires: runc", "runc": ""}
MAY = {"may_remove": list(SAVED)}
# What dnf 4 leaves while it works: its process id in this file (dnf/lock.py).
DNF_LOCK = "/var/lib/dnf/rpmdb_lock.pid"
# The kernel that the host believes it runs; modprobe looks for the modules of the one that it does run.
VERSION, BUILD, ARCH = "6.12.0", "55.9.1.el10_0", os.uname().machine
RELEASE = f"{VERSION}-{BUILD}.{ARCH}"
MODULES = f"kernel-modules-extra-{RELEASE}"
FOLDERS = f"/lib/modules/{RELEASE} /lib/modules/{os.uname().release}"
BRING = f"""\
%post
for place in {FOLDERS}; do echo kernel/net/netfilter/xt_addrtype.ko > $place/modules.builtin; done
depmod
%postun
for place in {FOLDERS}; do : > $place/modules.builtin; done
"""
WITHOUT = f"for place in {FOLDERS}; do mkdir -p $place; touch $place/modules.builtin $place/modules.dep; done"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A bare host with a repository of others beside the lab's."""
    subnet = labs.free_subnet()
    folder = tmp_path_factory.mktemp("rpms")
    packages = [foreign_rpms.build(folder, name, "4.9", tags) for name, tags in SAVED.items()]
    extra = {"scripts": BRING, "release": BUILD, "arch": ARCH}
    packages += [foreign_rpms.build(folder, "kernel-modules-extra", VERSION, **extra)]
    packages += [foreign_rpms.build(folder, "slow", "1", scripts="%pre\nsleep 6\n")]
    try:
        host = Host(labs.up(f"k{subnet}", 1, "el10", state_dir=STATE, subnet=subnet, progress=print))
        host.sh(THEIRS, foreign_rpms.repository(folder, *packages))
        yield host
    finally:
        labs.down(f"k{subnet}", STATE)


@pytest.fixture(autouse=True)
def bare(host: Host) -> Iterator[None]:
    """Each test ends on the bare host on which it began."""
    yield
    host.run(desired={"state": "absent"})
    host.sh("rpm -q slow podman-docker podman runc | grep -v 'not installed' | xargs -r rpm -e")
    host.sh("rm -rf /lib/modules /run/cloud-init /var/lib/provision /root/theirs.hidden; true")


def names(result: dict[str, Any]) -> list[str]:
    return [line["name"] for line in result["changes"]]


def refused(host: Host, **asked: Any) -> dict[str, Any]:
    error: dict[str, Any] = host.ask("answer", request=host.request(**asked))["error"]
    return error


def installed(host: Host, *wanted: str) -> list[str]:
    return host.sh(f"rpm -q {' '.join(wanted)} | grep -v 'not installed' || true").split()


def test_a_missing_plugin_comes_alone_and_an_older_engine_stays(host: Host) -> None:
    host.run(desired={"version": "26.1.5"})
    host.sh("rpm -e docker-compose-plugin")
    pid = host.sh("systemctl show -p MainPID --value docker")
    assert names(host.run()) == ["package docker-compose-plugin"]
    assert installed(host, "docker-ce")[0].startswith("docker-ce-26.1.5")
    assert host.sh("systemctl show -p MainPID --value docker") == pid


def test_what_stands_in_the_way_is_named_stays_and_goes_only_where_it_may(host: Host) -> None:
    host.sh("dnf -q -y install podman-docker podman 2>&1")
    start = host.snapshot()
    error = refused(host)
    assert error["kind"] == "would-remove-packages"
    assert "runc 4.9 (needed by podman)" in error["evidence"]
    assert host.snapshot() == start
    assert refused(host, desired={"may_remove": ["podman-docker"]})["kind"] == "would-remove-packages"
    planned = host.run(mode="plan", desired=MAY)
    gone = [line for line in planned["changes"] if line["sign"] == "-"]
    # containerd.io is a runc, too: podman stays.
    assert [(line["name"], line["after"]) for line in gone] == [
        ("package podman-docker", "removed"), ("package runc", "removed"),
    ]  # fmt: skip
    host.run(desired=MAY, disruption="allow")
    assert installed(host, *SAVED) == ["podman-4.9-1.noarch"]
    host.run(verb="undo", disruption="allow")
    assert host.snapshot() == start


def test_what_no_repository_can_bring_back_is_said_before_it_goes(host: Host) -> None:
    host.sh("dnf -q -y install podman-docker 2>&1; mv /etc/yum.repos.d/theirs.repo /root")
    try:
        planned = host.run(mode="plan", desired=MAY)
        after = {line["name"]: line["after"] for line in planned["changes"]}
        assert after["package podman-docker"] == "removed; no repository has it: this cannot be undone"
        host.run(desired=MAY, disruption="allow")
        host.run(verb="undo", disruption="allow")
        assert installed(host, "docker-ce", "podman-docker") == []
    finally:
        host.sh("mv /root/theirs.repo /etc/yum.repos.d")


def test_containers_of_another_runtime_keep_it_even_where_it_may_go(host: Host) -> None:
    host.sh("dnf -q -y install podman 2>&1; cp /bin/sleep /root/conmon")
    host.sh("setsid /root/conmon 600 > /dev/null 2>&1 &")
    try:
        error = refused(host, desired=MAY)
        assert error["kind"] == "would-remove-packages"
        assert error["message"] == "containers run by packages that would be removed: runc"
    finally:
        host.sh("pkill -x conmon; rm /root/conmon")


def test_another_dnf_is_named_and_waited_for(host: Host) -> None:
    hold = f"mkdir -p /var/lib/dnf; setsid sleep {{}} > /dev/null 2>&1 & printf %s $! > {DNF_LOCK}"
    host.sh(hold.format(300))
    error = refused(host, lock_timeout_s=1)
    host.sh(f"kill $(cat {DNF_LOCK})")
    assert error["kind"] == "package-lock-held"
    assert error["evidence"].endswith(": sleep 300")
    host.sh(hold.format(12))
    waited = host.run(lock_timeout_s=60)["waited"]
    assert [words.partition(": ")[2] for words in waited] == ["sleep 12"]
    assert len(installed(host, "docker-ce")) == 1


def test_a_real_transaction_of_others_is_waited_for_to_its_end(host: Host) -> None:
    host.sh("setsid dnf -y install slow > /root/slow.log 2>&1 & sleep 2.5")
    waited = host.run(lock_timeout_s=60)["waited"]
    assert "dnf -y install slow" in " ".join(waited)
    assert len(installed(host, "slow", "docker-ce")) == 2


def test_a_first_boot_is_waited_for(host: Host) -> None:
    unit = "/run/systemd/system/cloud-final.service"
    host.sh(f"printf '[Service]\\nType=oneshot\\nExecStart=/bin/sleep 300\\n' > {unit}")
    host.sh("mkdir -p /run/cloud-init; echo '{}' > /run/cloud-init/status.json; systemctl daemon-reload")
    host.sh("systemctl start --no-block cloud-final")
    error = refused(host, lock_timeout_s=1)
    assert (error["kind"], error["evidence"]) == ("package-lock-held", "cloud-init (cloud-final.service)")
    host.sh("systemctl stop cloud-final")
    host.sh(f"sed -i s/300/4/ {unit}; systemctl daemon-reload; systemctl start --no-block cloud-final")
    assert host.run()["waited"] == ["cloud-init (cloud-final.service)"]
    host.sh(f"rm {unit}; systemctl daemon-reload")


def test_the_modules_of_the_running_kernel_come_with_the_engine(host: Host) -> None:
    host.sh(WITHOUT)
    asked = {"request": host.request(), "kernel": RELEASE}
    result = host.ask("answer", **asked)
    assert result["error"] is None
    assert {"package kernel-modules-extra", "kernel module xt_addrtype"} <= set(names(result))
    assert installed(host, "kernel-modules-extra") == [MODULES]
    assert host.ask("answer", request=host.request(), kernel=RELEASE)["changes"] == []
    host.run(verb="undo")
    assert installed(host, "kernel-modules-extra", "docker-ce") == []


def test_modules_that_no_repository_has_are_told_with_both_ways_out(host: Host) -> None:
    host.sh(WITHOUT)
    start = host.snapshot()
    host.sh("mv /etc/yum.repos.d/theirs.repo /root")
    try:
        error = host.ask("answer", request=host.request(), kernel=RELEASE)["error"]
        assert error["kind"] == "kernel-modules-missing", error
        assert MODULES in error["evidence"], error
        nftables = {"daemon_options": {"firewall-backend": "nftables"}}
        planned = host.ask("answer", request=host.request(mode="plan", desired=nftables), kernel=RELEASE)
        assert "package kernel-modules-extra" not in names(planned)
    finally:
        host.sh("mv /root/theirs.repo /etc/yum.repos.d")
    assert host.snapshot() == start
