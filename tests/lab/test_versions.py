"""Versions by prefix, a pinned containerd, a held set, and the lock file, on hosts of the lab."""

import json
from pathlib import Path
from typing import Any

import yaml

from provision.lab import Lab
from tests.lab.conftest import NewProject, Project
from tests.lab.test_road import in_host

UPGRADE = "dnf -y upgrade docker-ce docker-ce-cli containerd.io 2>&1"
UNHELD = """\
cd /etc/yum.repos.d && sed 's/docker-ce-stable/mine/; /^exclude/d' docker-ce.repo > mine.repo
"""
# The list of dnf's plugin versionlock, and what stands for the plugin, which a stand-in host does not have.
LOCKS = "/etc/dnf/plugins/versionlock.list"
PLUGIN = f"""\
code=$(python3 -c 'import dnf.const; print(dnf.const.PLUGINPATH)')
mkdir -p /etc/dnf/plugins $code; echo 'bash-0:5.2-1.*' > {LOCKS}
printf '[main]\nenabled = 1\nlocklist = {LOCKS}\n' > /etc/dnf/plugins/versionlock.conf
cat > $code/versionlock.py << END
import dnf, dnf.subject
class VersionLock(dnf.Plugin):
    name = "versionlock"
    def sack(self):
        with open(self.read_config(self.base.conf).get("main", "locklist")) as stream:
            lines = [line.strip() for line in stream if not line.startswith("#")]
        for line in lines:
            subject = dnf.subject.Subject(line)
            locked = subject.get_best_query(self.base.sack, with_provides=False, with_filenames=False)
            same = self.base.sack.query().filter(name=[package.name for package in locked]).available()
            self.base.sack.add_excludes(same.difference(locked))
END
"""
OLDER = {"docker_engine_version": "26", "docker_engine_containerd_version": "1.7"}


def versions(lab: Lab, name: str) -> list[str]:
    said = in_host(lab, name, "rpm -q --qf '%{VERSION} ' docker-ce docker-ce-cli containerd.io")
    return said.split()


def changes(report: dict[str, Any]) -> list[list[str]]:
    return [[line[word] for word in ("name", "before", "after")] for line in report["changes"]]


def planned(project: Project, *names: str) -> dict[str, list[list[str]]]:
    """Return the changes that `fab plan` shows for each host."""
    done = project.fab("plan", "--limit", ",".join(names), "--output", "json")
    done.expect(0)
    lines = map(json.loads, done.out.splitlines())
    return {line["name"]: changes(line) for line in lines if "changes" in line}


def provisioned(project: Project, *names: str, **variables: Any) -> list[list[str]]:
    """Set the inventory's variables, and provision; the plan must be the same list. Return that of one."""
    project.variables.update(variables)
    project.write()
    plan = planned(project, *names)
    project.fab("provision", "--limit", ",".join(names), "--no-verify", "--allow-disruption").expect(0)
    assert {name: changes(project.host_report(name)) for name in names} == plan
    return plan[names[0]]


def test_hosts_are_locked_held_and_moved_as_the_inventory_says(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el1", "el2", **OLDER, docker_engine_hold=True)
    file = project.path / "provision.lock.yml"
    project.fab("plan", "--limit", "el1", "--lock").expect(0, f"{file.name}: centos/10 x86_64 written")
    hosts_become_alike(project, file)
    what_is_not_served_is_refused(project, file)
    file.unlink()
    a_held_set_moves_only_by_us(project)


def hosts_become_alike(project: Project, file: Path) -> None:
    locked = file.read_text()
    # The inventory is content with any version; the lock is not.
    provisioned(project, "el1", "el2", docker_engine_version="latest")
    assert versions(project.lab, "el1") == versions(project.lab, "el2") == ["26.1.5", "26.1.5", "1.7.24"]
    project.fab("plan", "--lock").expect(0, "2 hosts")
    assert file.read_text() == locked
    project.hosts["el2"]["docker_engine_version"] = "27"
    project.write()
    done = project.fab("plan", "--lock", "--limit", "el2")
    done.expect(2, "there are: 20.10.24, 26.1.5", "nothing written")
    assert file.read_text() == locked
    del project.hosts["el2"]["docker_engine_version"]
    project.write()


def what_is_not_served_is_refused(project: Project, file: Path) -> None:
    locked = file.read_text()
    (rows,) = yaml.safe_load(locked)["systems"].values()
    other, plugin = rows[0]["sha256"], next(row["sha256"] for row in rows if "buildx" in row["nevra"])
    refused = ("provision", "--limit", "el2")
    in_host(project.lab, "el2", "rpm -e docker-compose-plugin docker-buildx-plugin")
    file.write_text(locked.replace(plugin, other))
    project.fab(*refused).expect(8, "locked: docker-buildx-plugin", f"sha256 {other[:12]}")
    file.write_text(locked.replace("3:26.1.5", "3:26.1.4"))
    project.fab(*refused).expect(8, "locked: docker-ce-3:26.1.4", "docker-ce-3:28.5.2")
    file.write_text(locked.replace("nevra: docker-ce-3:26", "nevra: docker-ce-26"))
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "docker-ce-26" in text)
    project.fab("plan").expect(1, f"{file.name}, line {line}: nevra is written like")


def a_held_set_moves_only_by_us(project: Project) -> None:
    lab = project.lab
    in_host(lab, "el1", UPGRADE)
    assert versions(lab, "el1") == ["26.1.5", "26.1.5", "1.7.24"]
    # A copy of the repository under another name is one that our line does not hide.
    in_host(lab, "el1", UNHELD)
    project.fab("verify", "--limit", "el1").expect(2, "an upgrade would bring containerd.io")
    in_host(lab, "el1", PLUGIN)
    assert provisioned(project, "el1") == [["file " + LOCKS, "", "5 packages held"]]
    in_host(lab, "el1", UPGRADE)
    assert versions(lab, "el1") == ["26.1.5", "26.1.5", "1.7.24"]
    in_host(lab, "el1", "rm /etc/yum.repos.d/mine.repo")
    assert provisioned(project, "el1", docker_engine_version="28") != []
    assert versions(lab, "el1") == ["28.5.2", "28.5.2", "1.7.24"]
    assert "docker-ce-3:28.5.2-1.el10.*" in in_host(lab, "el1", f"cat {LOCKS}")
    let_go = provisioned(project, "el1", docker_engine_hold=False)
    assert [line[1:] for line in let_go] == [["held", "not held"], ["", "none held"]]
    assert in_host(lab, "el1", f"cat {LOCKS}") == "bash-0:5.2-1.*\n"
    in_host(lab, "el1", UPGRADE)
    assert versions(lab, "el1") == ["28.5.2", "28.5.2", "2.1.9"]
