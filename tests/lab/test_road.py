"""The straight road, from a bare host to a proven Docker host and on."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import yaml

from provision import lab as labs
from provision.lab import Lab, LabHost
from tests.lab import foreign_rpms
from tests.lab.conftest import BIN, CHECKOUT, NewProject, Project

# any rpm query, also a person's, touches the shared memory of rpm's database
NOT_OURS = ("/proc/*", "/sys/*", "/run/*", "/tmp/*", "/var/log/*", "/var/lib/systemd/*", "*/rpmdb.sqlite-shm")
MANIFEST = "find / -xdev -type f -newermt '@{since}' " + " ".join(f"-not -path '{p}'" for p in NOT_OURS)


def in_host(lab: Lab, name: str, command: str) -> str:
    return labs.execute(lab.host(name), "sh", "-c", command).stdout.decode()


def other_version(lab: Lab, name: str) -> str:
    """Return a version of the engine that the host does not have, whatever other tests left there."""
    return "28.5.2" if "26.1.5" in in_host(lab, name, "rpm -q docker-ce") else "26.1.5"


def changed_files(lab: Lab, name: str, since: str) -> list[str]:
    return in_host(lab, name, MANIFEST.format(since=since)).splitlines()


def test_a_plan_of_a_bare_host_is_true_and_changes_nothing(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el1")
    since = in_host(lab, "el1", "sleep 1; date +%s").strip()
    planned = project.fab("plan", "--detailed-exitcode")
    planned.expect(16)
    assert "+ repository  docker-ce (centos/10)" in planned.out
    assert "docker-ce 28.5.2" in planned.out
    assert "1 to change" in planned.out
    assert changed_files(lab, "el1", since) == []
    assert in_host(lab, "el1", "ls -A /var/cache/dnf; ls -d /var/lib/provision") == ""


def test_a_bare_host_is_provisioned_and_a_second_run_changes_nothing(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el1")
    planned = project.fab("plan")
    first = project.fab("provision")
    first.expect(0)
    report = project.host_report("el1")
    assert report["status"] == "changed"
    assert len([check for check in report["checks"] if check["passed"]]) >= 20
    assert [c["name"] for c in report["changes"] if c["name"].startswith("package")]
    assert "1 to change" in planned.out
    second = project.fab("provision")
    second.expect(0)
    assert project.host_report("el1")["changes"] == []
    assert "UP TO DATE     1   el1" in second.out
    check_the_files_of_a_run(project)
    since = in_host(lab, "el1", "sleep 1; date +%s").strip()
    assert "1 up to date" in project.fab("plan", "--detailed-exitcode").out
    assert changed_files(lab, "el1", since) == []
    check_plain_ansible_sees_nothing_to_do(project)


def check_the_files_of_a_run(project: Project) -> None:
    latest = project.path / ".provision/latest"
    assert {path.name for path in latest.iterdir()} == {"report.json", "report.html", "junit.xml", "hosts"}
    assert latest.resolve().stat().st_mode & 0o777 == 0o700
    assert len(list(ElementTree.parse(latest / "junit.xml").getroot().iter("testcase"))) >= 20
    assert json.loads((latest / "report.json").read_text())["schema"] == 1
    assert (latest / "hosts/el1.log").read_text()


def check_plain_ansible_sees_nothing_to_do(project: Project) -> None:
    assert ansible(project, "el1", "--check", "--diff")[0]["changed"] == 0


def ansible(project: Project, name: str, *options: str) -> tuple[dict[str, int], str]:
    """Run plain ansible-playbook, as somebody who knows only Ansible would; return its counts and output."""
    host = project.lab.host(name)
    assert host.password
    inventory = yaml.safe_load((project.path / "inventory/hosts.yml").read_text())
    inventory["all"]["hosts"] = {
        name: {
            "ansible_host": host.address,
            "ansible_user": "root",
            "ansible_password": host.password.reveal(),
        }
    }
    (project.path / "plain.yml").write_text(yaml.safe_dump(inventory))
    known = project.path / "plain_known_hosts"
    known.write_text(f"{host.address} {host.host_key}\n")
    playbooks = CHECKOUT / "playbooks"
    environment = project.environment(
        ANSIBLE_CONFIG=str(playbooks / "ansible.cfg"),
        ANSIBLE_SSH_COMMON_ARGS=f"-o UserKnownHostsFile={known} -o ControlPath=none",
        ANSIBLE_NOCOLOR="1",
        PATH=f"{BIN}:{os.environ['PATH']}",
    )
    argv = [
        "ansible-playbook",
        "-i",
        str(project.path / "plain.yml"),
        str(playbooks / "provision.yml"),
        *options,
    ]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    recap = next(line for line in done.stdout.splitlines() if line.startswith(f"{name} ") and "ok=" in line)
    return {word: int(number) for word, number in re.findall(r"(\w+)=(\d+)", recap)}, done.stdout


def test_plain_ansible_gives_the_same_result_in_check_mode_and_for_real(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el2")
    since = in_host(lab, "el2", "sleep 1; date +%s").strip()
    counts, out = ansible(project, "el2", "--check", "--diff")
    assert counts["changed"] == 1
    assert changed_files(lab, "el2", since) == []
    project.fab("plan", "--diff").expect(0)
    changes = project.host_report("el2")["changes"]
    assert len(changes) >= 8
    for change in changes:  # the same list, with the diff of each file
        assert change["name"].split()[-1] in out
    assert ansible(project, "el2")[0]["changed"] == 1
    assert "1 up to date" in project.fab("plan").out
    project.fab("verify").expect(0)


def test_an_older_engine_is_installed_upgraded_and_planned_by_version(
    lab: Lab, new_project: NewProject
) -> None:
    old = new_project("el3", docker_engine_version="26.1.5")
    old.fab("provision").expect(0)
    assert "26.1.5" in in_host(lab, "el3", "docker version -f '{{.Server.Version}}'")
    old.variables["docker_engine_version"] = "28.5.2"
    old.write()
    assert "docker-ce 26.1.5 → 28.5.2" in old.fab("plan", LANG="C.UTF-8").out
    upgraded = old.fab("provision")
    upgraded.expect(0)
    assert "28.5.2" in in_host(lab, "el3", "docker version -f '{{.Server.Version}}'")


def hide(host: LabHost, folder: Path) -> None:
    """Give the host a module, as EL 8 has one, with a containerd.io in it."""
    package = foreign_rpms.build(folder, "containerd.io", "1.0.0")
    tar = foreign_rpms.repository(folder, package, module="containerd.io-0:1.0.0-1.noarch")
    labs.execute(host, "tar", "-C", "/root", "-xf", "-", stdin=tar).check_returncode()
    text = "[theirs]\nname=theirs\nbaseurl=file:///root/theirs\ngpgcheck=0\n"
    labs.execute(host, "tee", "/etc/yum.repos.d/theirs.repo", stdin=text.encode()).check_returncode()


def test_other_dresses_take_the_same_road(
    one_host_lab: Callable[[str], Lab], new_project: NewProject, tmp_path: Path
) -> None:
    repositories = {"el9": "centos/9", "el8": "rhel/8"}
    dressed = {profile: one_host_lab(profile) for profile in repositories}
    project, hosts = new_project(), {profile: lab.hosts[0] for profile, lab in dressed.items()}
    project.lab = replace(dressed["el9"], hosts=tuple(hosts.values()))
    for profile, host in hosts.items():
        assert host.password
        project.add(profile, host)
        project.hosts[profile]["docker_engine_mirror"] = dressed[profile].repo_url
        project.store(profile, host.password.reveal())
    project.write()
    hide(hosts["el8"], tmp_path)
    project.fab("provision").expect(0)
    for profile, repository in repositories.items():
        assert repository in json.dumps(project.host_report(profile)["changes"])


def test_json_output_is_one_stream_of_versioned_lines(new_project: NewProject) -> None:
    project = new_project("el1")
    done = project.fab("verify", "--output", "json")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert {line["schema"] for line in lines} == {1}
    assert (lines[0]["event"], lines[-1]["event"]) == ("start", "end")
