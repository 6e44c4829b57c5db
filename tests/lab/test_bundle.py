"""A host that reaches nothing: packages come in a file that another host has collected."""

import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision import bundle
from provision.lab import Lab
from tests.lab.closed import RELEASE, SLOW, closed, rules
from tests.lab.conftest import Project, project_in
from tests.lab.test_errors import wait_until
from tests.lab.test_road import in_host
from tests.lab.test_runbooks import BARE

CONNECTED, CLOSED = "el8", "el9"
STATE = """\
rpm -qa | sort; ls -d /var/tmp/provision-* /etc/pki/rpm-gpg/* /etc/yum.repos.d/*; cat /etc/yum.repos.d/*
"""
RECEIVED = "cat /sys/class/net/host0/statistics/rx_bytes"


@pytest.fixture(scope="module")
def project(lab: Lab, keyring_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a connected host, and with a closed one that lacks even the base of its system."""
    made = project_in(tmp_path_factory.mktemp("closed"), lab, keyring_file, docker_engine_gpg_key="")
    # Both directions go through sudo, one of them through a sudo that asks.
    for name, user in ((CONNECTED, "deploy"), (CLOSED, "ops")):
        in_host(lab, name, BARE)
        made.add(name, lab.host(name))
        made.hosts[name] |= {"ansible_user": user, "ansible_become": True}
    made.write()
    password = lab.host(CLOSED).password
    assert password
    made.store(CLOSED, password.reveal(), "sudo")
    with closed(lab, CONNECTED, CLOSED, tmp_path_factory.mktemp("system")):
        yield made
    for name in (CONNECTED, CLOSED):
        in_host(lab, name, f"{BARE}\nrpm -e gpg-pubkey")


@pytest.fixture(scope="module")
def made(project: Project) -> Path:
    """The bundle that the connected host has collected."""
    before = in_host(project.lab, CONNECTED, STATE)
    done = project.fab("bundle.make", "--from", CONNECTED)
    file = "docker-28.5.2-centos-10-x86_64.tar"
    done.expect(0, f"made {file}: Docker 28.5.2 for CentOS Stream 10 stand-in (x86_64), 6 packages")
    assert in_host(project.lab, CONNECTED, STATE) == before
    project.fab("bundle.make", "--from", CONNECTED).expect(1, f"{file} exists")
    return project.path / file


def changes(report: dict[str, Any]) -> list[list[str]]:
    return [[line[word] for word in ("name", "before", "after")] for line in report["changes"]]


def test_a_changed_byte_or_another_system_is_refused(project: Project, made: Path) -> None:
    state = in_host(project.lab, CLOSED, STATE)
    data = bytearray(made.read_bytes())
    data[len(data) // 2] ^= 1
    (project.path / "changed.tar").write_bytes(data)
    done = project.fab("provision", "--limit", CLOSED, "--bundle", "changed.tar")
    done.expect(1, "the bundle changed.tar is refused: a byte of packages/")
    assert not (project.path / ".provision/latest").exists()
    found = bundle.read(made)
    other = replace(found.manifest, platform="centos 9 x86_64", system="CentOS Stream 9 (x86_64)")
    with bundle.written(project.path / "other.tar", other, replace=False) as take:
        for piece in bundle.pieces(found.row, [each.name for each in other.members]):
            take(piece)
    done = project.fab("provision", "--limit", CLOSED, "--bundle", "other.tar")
    done.expect(8, "the bundle is for CentOS Stream 9 (x86_64), and this host has CentOS Stream 10")
    assert in_host(project.lab, CLOSED, STATE) == state


def test_a_controller_that_dies_while_it_sends_changes_nothing(project: Project, made: Path) -> None:
    lab, bare = project.lab, in_host(project.lab, CLOSED, STATE)
    with rules(lab, CLOSED, "slow", SLOW):
        run = project.start("provision", "--limit", CLOSED, "--bundle", made.name)
        wait_until(lambda: in_host(lab, CLOSED, "ls /var/tmp/provision-*/packages") != "", work=run)
        os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    wait_until(lambda: in_host(lab, CLOSED, "ls -d /var/tmp/provision-*") == "")
    assert in_host(lab, CLOSED, STATE) == bare


def test_a_closed_host_is_provisioned_from_a_bundle_as_planned_and_undone(
    project: Project, made: Path
) -> None:
    lab, own = project.lab, ("--limit", CLOSED, "--bundle", made.name)
    bare, received = in_host(lab, CLOSED, STATE), int(in_host(lab, CLOSED, RECEIVED))
    port = lab.repo_url.rpartition(":")[2]
    reach = f"timeout 3 bash -c '< /dev/tcp/{lab.gateway}/{port} && echo reached'"
    assert [in_host(lab, name, reach) for name in (CONNECTED, CLOSED)] == ["reached\n", ""]
    planned = project.fab("plan", *own, "--output", "json")
    planned.expect(0)
    (plan,) = [line for line in map(json.loads, planned.out.splitlines()) if "changes" in line]
    assert f"package {RELEASE}" in [line["name"] for line in plan["changes"]]
    assert int(in_host(lab, CLOSED, RECEIVED)) - received < 1 << 20
    assert in_host(lab, CLOSED, STATE) == bare
    project.fab("provision", *own, "--no-verify").expect(0)
    assert changes(project.host_report(CLOSED)) == changes(plan)
    after, received = in_host(lab, CLOSED, STATE), int(in_host(lab, CLOSED, RECEIVED))
    assert "/var/tmp/provision-" not in after
    assert "enabled=0" in after
    project.fab("provision", *own, "--no-verify").expect(0)
    assert changes(project.host_report(CLOSED)) == []
    assert int(in_host(lab, CLOSED, RECEIVED)) - received < 1 << 20
    assert in_host(lab, CLOSED, STATE) == after
    project.fab("hosts.undo", CLOSED, "--yes").expect(0)
    undone = in_host(lab, CLOSED, STATE)
    # dnf has imported the system's key, as it does from the system's own repository.
    assert re.sub(r"^gpg-pubkey-.*\n", "", undone, count=1) == bare
