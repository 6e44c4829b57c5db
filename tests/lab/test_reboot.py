"""A host that reboots into a newer kernel in the middle of `fab provision`, and gets its engine after that.

A stand-in has the kernel of this machine, which needs no module, so what the host code sees of it is planted:
`os.uname` and the list of matches, by a file that each Python reads as it starts. Which kernel "boots" is in
a file that the planted packages and a planted grubby share. The reboot itself is real.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision import lab as labs
from provision.lab import Lab
from tests.lab import foreign_rpms
from tests.lab.conftest import NewProject, Project
from tests.lab.test_road import in_host
from tests.lab.test_versions import changes, planned

ARCH = os.uname().machine
OLD, NEW = "55.el10", "100.el10"
RUNS, NEXT = (f"6.12.0-{build}.{ARCH}" for build in (OLD, NEW))
# The kernel that boots next, and the one that has been booted.
DEFAULT, BOOTED = "/etc/lab-default-kernel", "/run/lab-booted-kernel"
VIEW = f"""\
import builtins, os

def uname(own=os.uname()):
    return os.uname_result((own[0], own[1], booted, own[3], own[4]))

def opened(file, *words, really=builtins.open, **named):
    is_list = str(file).endswith("/proc/net/ip_tables_matches")
    return really(os.devnull if is_list else file, *words, **named)

with open("{BOOTED}") as stream:
    booted = stream.read().strip()
os.uname, builtins.open = uname, opened
"""
UNIT = f"""\
[Unit]
DefaultDependencies=no
Before=sysinit.target ssh.service

[Service]
Type=oneshot
ExecStart=/bin/cp {DEFAULT} {BOOTED}

[Install]
WantedBy=sysinit.target
"""
PLANT = f"""\
tar -C /root -x
printf '[theirs]\\nname=theirs\\nbaseurl=file:///root/theirs\\ngpgcheck=0\\n' > /etc/yum.repos.d/theirs.repo
echo {RUNS} | tee {DEFAULT} > {BOOTED}
printf '#!/bin/sh\\necho /boot/vmlinuz-$(cat {DEFAULT})\\n' > /usr/sbin/grubby; chmod 755 /usr/sbin/grubby
cd /etc/systemd/system; echo '{UNIT}' > lab-kernel.service; systemctl enable lab-kernel 2>&1
mkdir -p /lib/modules/{RUNS}; touch /lib/modules/{RUNS}/modules.dep
rpm -i /root/theirs/kernel-*{OLD}.{ARCH}.rpm
cd $(python3 -c 'import sys; print("/usr/local/lib/python%d.%d/dist-packages" % sys.version_info[:2])')
echo import lab_kernel > lab-kernel.pth; echo '{VIEW}' > lab_kernel.py
"""
BOOTS = f"mkdir -p /lib/modules/{NEXT}; touch /lib/modules/{NEXT}/modules.dep; echo {NEXT} > {DEFAULT}"
GONE = f"rm -r /lib/modules/{NEXT}; echo {RUNS} > {DEFAULT}"
BRINGS = f"echo extra/xt_addrtype.ko.xz: > /lib/modules/{NEXT}/modules.dep"
PARTS = ["package kernel", "package kernel-core", "package kernel-modules-extra"]
BOOT = "cat /proc/sys/kernel/random/boot_id; rpm -qa | sort"
# A container of podman, as its monitor shows.
POD = "cp /bin/sleep /root/conmon; setsid /root/conmon 600 > /dev/null 2>&1 &"


def kernel_packages(folder: Path) -> list[Path]:
    """Return a kernel as it is installed, and a newer one with its additional modules."""

    def part(name: str, build: str, tags: str, scripts: str = "") -> Path:
        tags = "Provides: installonlypkg(kernel)\n" + tags
        return foreign_rpms.build(folder, name, "6.12.0", tags, scripts, release=build, arch=ARCH)

    core = "Requires: kernel-core = 6.12.0-{}".format
    return [
        part("kernel", OLD, core(OLD)),
        part("kernel-core", OLD, ""),
        part("kernel", NEW, core(NEW)),
        part("kernel-core", NEW, "", f"%post\n{BOOTS}\n%postun\n{GONE}\n"),
        part("kernel-modules-extra", NEW, core(NEW), f"%post\n{BRINGS}\n"),
    ]


@pytest.fixture
def old(one_host_lab: Callable[[str], Lab], tmp_path: Path) -> Lab:
    """A host whose kernel lacks the module, and whose repository has additional modules for a newer one."""
    lab = one_host_lab("el10")
    archive = foreign_rpms.repository(tmp_path, *kernel_packages(tmp_path))
    done = labs.execute(lab.hosts[0], "sh", "-ec", PLANT, stdin=archive)
    assert done.returncode == 0, done.stderr.decode()
    return lab


@pytest.fixture
def project(old: Lab, new_project: NewProject) -> Project:
    made = new_project()
    made.move_to(old)
    return made


def test_a_host_reboots_into_the_kernel_that_has_the_module(project: Project) -> None:
    lab = project.lab
    before = in_host(lab, "el1", BOOT)
    project.fab("provision").expect(8, "xt_addrtype", "docker_engine_allow_reboot: true")
    project.variables["docker_engine_allow_reboot"] = True
    project.write()
    in_host(lab, "el1", POD)
    project.fab("provision").expect(8, "containers stop at the reboot", "--allow-disruption")
    plan = planned(project, "el1")["el1"]
    assert in_host(lab, "el1", BOOT) == before
    assert [name for name, *_ in plan[:4]] == [*PARTS, f"reboot into kernel {NEXT}"]
    assert [after for *_, after in plan[:3]] == [f"6.12.0-{NEW}"] * 3
    done = project.fab("provision", "--no-verify", "--allow-disruption")
    done.expect(0, f"rebooted into kernel {NEXT}")
    assert changes(project.host_report("el1")) == plan
    after = in_host(lab, "el1", BOOT).split()
    assert after[0] != before.split()[0]
    assert {f"kernel-core-6.12.0-{build}.{ARCH}" for build in (OLD, NEW)} <= set(after)
    nothing_is_left_to_do(project)


def nothing_is_left_to_do(project: Project) -> None:
    boot = in_host(project.lab, "el1", BOOT)
    project.fab("provision", "--no-verify", "--output", "json").expect(0)
    host: dict[str, Any] = project.host_report("el1")
    # Both requests of the run before have been acknowledged.
    assert (host["status"], host["changes"], host["earlier"]) == ("ok", [], [])
    assert in_host(project.lab, "el1", BOOT) == boot
