"""Back, or on again: undo, uninstall, resume, and what became of a run that lost its controller."""

import os
import signal

from provision.lab import Lab
from tests.lab.conftest import Done, NewProject
from tests.lab.test_errors import wait_until
from tests.lab.test_road import in_host, other_version

SETTING = "max-concurrent-downloads"
SETTINGS = "cat /etc/docker/daemon.json"


def words(done: Done) -> str:
    return " ".join(done.out.split())


def test_a_run_that_lost_its_controller_is_reported_once_by_the_next(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el5", docker_engine_version=other_version(lab, "el5"))
    cut = project.start("provision", "--no-verify")
    wait_until(lambda: in_host(lab, "el5", "cat /run/provision.lock") != "", work=cut)
    os.killpg(cut.pid, signal.SIGKILL)
    cut.communicate()
    held = project.fab("provision", "--no-verify", "--lock-timeout", "0")
    assert held.rc == 8, held.out
    assert ": provision" in words(held).partition("another run is at work")[2]
    after = project.fab("provision", "--no-verify", "--lock-timeout", "120")
    assert after.rc == 0, after.out
    assert "went on without its controller and finished: " in words(after)
    (earlier,) = project.host_report("el5")["earlier"]
    assert (earlier["how"], earlier["error"]) == ("finished", None)
    assert "package docker-ce" in {change["name"] for change in earlier["changes"]}
    assert project.fab("provision", "--no-verify").rc == 0
    assert project.host_report("el5")["earlier"] == []
    assert project.host_report("el5")["changes"] == []


def test_resume_takes_the_hosts_and_options_of_the_last_provision(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el5", "el6")
    right = project.hosts["el6"]
    project.hosts["el6"] = right | {"ansible_port": 2222}
    project.write()
    assert project.fab("provision", "--no-verify").rc == 4
    project.hosts["el6"] = right
    project.write()
    assert project.fab("plan", "--limit", "el5").rc == 0
    done = project.fab("provision", "--resume")
    assert done.rc == 0, done.out + done.err
    assert "1 of 2 hosts; 1 left out" in done.err
    (host,) = project.report()["hosts"]
    assert (host["name"], host["checks"]) == ("el6", [])


def test_an_undo_returns_a_host_to_how_it_was_before_the_last_change(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el5", "el6", docker_engine_daemon_options={SETTING: 7})
    assert project.fab("provision", "--no-verify", "--limit", "el5").rc == 0
    before = in_host(lab, "el5", SETTINGS)
    project.variables["docker_engine_daemon_options"] = {SETTING: 5}
    project.write()
    assert project.fab("provision", "--no-verify", "--limit", "el5").rc == 0
    changed = in_host(lab, "el5", SETTINGS)
    refused = project.fab("hosts.undo", "el5")
    assert (refused.rc, "fab hosts.undo el5 --yes" in refused.err) == (1, True)
    planned = project.fab("hosts.undo", "el5", "--plan")
    assert (planned.rc, "1 to change" in planned.out) == (0, True)
    assert planned.out.splitlines()[-1] == "Next   fab hosts.undo el5"
    assert in_host(lab, "el5", SETTINGS) == changed
    done = project.fab("hosts.undo", "el5", "--yes", "--lock-timeout", "60")
    assert done.rc == 0, done.out
    assert in_host(lab, "el5", SETTINGS) == before != changed
    assert "UNDONE         1   el5" in done.out
    names = [change["name"] for change in project.host_report("el5")["changes"]]
    assert names == ["file /etc/docker/daemon.json", "reload docker"]
    assert project.fab("plan", "--limit", "el5", "--detailed-exitcode").rc == 16


def test_an_uninstall_leaves_data_and_other_hosts_and_purges_on_request(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el5", "el6")
    assert project.fab("provision", "--no-verify").rc == 0
    in_host(lab, "el6", "docker volume create kept")
    assert project.fab("uninstall", "--yes").rc == 1
    done = project.fab("uninstall", "--limit", "el6", "--yes")
    assert done.rc == 0, done.out
    assert "UNINSTALLED    1   el6" in done.out
    assert in_host(lab, "el6", "command -v docker; ls -d /var/lib/docker/volumes/kept") == (
        "/var/lib/docker/volumes/kept\n"
    )
    assert in_host(lab, "el5", "systemctl is-active docker") == "active\n"
    purged = project.fab("uninstall", "--limit", "el6", "--purge-data", "--yes")
    assert purged.rc == 0, purged.out
    assert (
        in_host(lab, "el6", "ls -A /var/lib/docker /var/lib/containerd 2>/dev/null | grep -v :").strip() == ""
    )
