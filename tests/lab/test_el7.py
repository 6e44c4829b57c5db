"""A host dressed as CentOS 7: Python 2.7 runs the host code, and the package manager is yum.

Its yum is dnf under that name, so this shows the road, and not yum 3.4.3: recordings of that are in
tests/unit/test_host_yum.py.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.lab import Lab
from tests.lab.conftest import NewProject, Project
from tests.lab.mirrors import Mirror, nothing
from tests.lab.test_road import in_host
from tests.lab.test_runbooks import admit, follow, parts, somebody

STATE = """\
rpm -qa | sort; ls /etc/yum.repos.d /etc/pki/rpm-gpg; find /tmp /var/tmp -name '*yum*' -o -name 'provision*'
"""
ARCHIVED = "no updates since 2024-06-30, packages from vault.centos.org"
# As centos-release writes it, but for the path, where Docker's packages are: none is taken from here.
OWN_FILE = "/etc/yum.repos.d/CentOS-Base.repo"
OWN = """\
[base]
name=CentOS-$releasever - Base
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os&infra=$infra
#baseurl=http://mirror.centos.org/linux/centos/7/$basearch/stable/
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-7
includepkgs=nothing
"""


@pytest.fixture(scope="module")
def old(one_host_lab: Callable[[str], Lab]) -> Lab:
    """A host whose own repository names CentOS's mirrors, which are gone."""
    lab = one_host_lab("el7")
    in_host(lab, "el1", f"echo {lab.gateway} vault.centos.org >> /etc/hosts; echo '{OWN}' > {OWN_FILE}")
    return lab


@pytest.fixture
def archive(old: Lab) -> Iterator[None]:
    """CentOS's archive, on this machine."""
    with Mirror(old.gateway, old.gpg_key.parents[1] / "www", nothing, port=80):
        yield


@pytest.fixture
def project(old: Lab, new_project: NewProject) -> Project:
    made = new_project()
    made.move_to(old)
    return made


def changes(report: dict[str, Any]) -> list[list[str]]:
    """Return the changes of a host's row in a report, or in a plan."""
    return [[line[word] for word in ("name", "before", "after")] for line in report["changes"]]


@pytest.mark.usefixtures("archive")
def test_the_whole_road_on_a_host_like_centos_7(project: Project) -> None:
    lab = project.lab
    assert "2.7.18" in in_host(lab, "el1", "python --version 2>&1; ! command -v python3 dnf")
    bare = in_host(lab, "el1", STATE)
    project.variables["docker_engine_accept_eol"] = False
    project.write()
    project.fab("plan").expect(8, "has had no updates since 2024-06-30", "--accept-eol")
    project.fab("plan", "--accept-eol").expect(0, ARCHIVED)
    planned = project.fab("plan", "--accept-eol", "--output", "json")
    planned.expect(0)
    assert in_host(lab, "el1", STATE) == bare
    (plan,) = [line for line in map(json.loads, planned.out.splitlines()) if "changes" in line]
    project.fab("provision", "--accept-eol").expect(0, "42 checks passed")
    assert project.host_report("el1")["system"].endswith(ARCHIVED)
    assert changes(project.host_report("el1")) == changes(plan)
    project.fab("plan", "--lock", "--accept-eol").expect(0, "provision.lock.yml: centos/7 x86_64 written")
    project.fab("provision").expect(0)
    assert changes(project.host_report("el1")) == []
    project.variables["docker_engine_accept_eol"] = True
    (project.path / "provision.lock.yml").unlink()
    project.variables["docker_engine_version"] = "20.10.5"
    project.write()
    project.fab("provision").expect(0)
    assert ["package docker-ce", "26.1.5", "20.10.5"] in changes(project.host_report("el1"))
    assert "20.10.5" in in_host(lab, "el1", "docker version -f '{{.Server.Version}}'")
    project.fab("hosts.undo", "el1", "--yes").expect(0)
    assert "26.1.5" in in_host(lab, "el1", "docker version -f '{{.Server.Version}}'")
    project.variables["docker_engine_version"] = "99.1"
    project.write()
    project.fab("provision").expect(2, "the repository does not have this version")
    project.fab("uninstall", "--limit", "el1", "--yes", "--allow-disruption", "--purge-data").expect(0)
    assert in_host(lab, "el1", STATE) == bare


@pytest.mark.usefixtures("archive")
def test_the_runbook_does_what_it_says(old: Lab, tmp_path: Path) -> None:
    person = somebody(tmp_path, old)
    admit(person)
    for part in parts("a-centos-7-host"):
        follow(person, part)
    assert person.project.host_report("web1")["system"].endswith(", no updates since 2024-06-30")
