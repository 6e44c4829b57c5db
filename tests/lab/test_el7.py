"""A host dressed as CentOS 7: Python 2.7 runs the host code, and the package manager is yum.

Its yum is dnf under that name, so this shows the road, and not yum 3.4.3: recordings of that are in
tests/unit/test_host_yum.py.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from provision.lab import Lab
from tests.lab.conftest import NewProject, Project
from tests.lab.test_road import in_host

STATE = """\
rpm -qa | sort; ls /etc/yum.repos.d /etc/pki/rpm-gpg; find /tmp /var/tmp -name '*yum*' -o -name 'provision*'
"""


@pytest.fixture
def project(one_host_lab: Callable[[str], Lab], new_project: NewProject) -> Project:
    made = new_project()
    made.lab = one_host_lab("el7")
    host = made.lab.hosts[0]
    assert host.password
    made.add("el1", host)
    made.store("el1", host.password.reveal())
    return made


def changes(report: dict[str, Any]) -> list[list[str]]:
    """Return the changes of a host's row in a report, or in a plan."""
    return [[line[word] for word in ("name", "before", "after")] for line in report["changes"]]


def test_the_whole_road_on_a_host_like_centos_7(project: Project) -> None:
    lab = project.lab
    assert "2.7.18" in in_host(lab, "el1", "python --version 2>&1; ! command -v python3 dnf")
    bare = in_host(lab, "el1", STATE)
    planned = project.fab("plan", "--output", "json")
    planned.expect(0)
    assert in_host(lab, "el1", STATE) == bare
    (plan,) = [line for line in map(json.loads, planned.out.splitlines()) if "changes" in line]
    project.fab("provision").expect(0, "41 checks passed")
    assert changes(project.host_report("el1")) == changes(plan)
    project.fab("provision").expect(0)
    assert changes(project.host_report("el1")) == []
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
