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
    held.expect(8)
    assert ": provision" in words(held).partition("another run is at work")[2]
    after = project.fab("provision", "--no-verify", "--lock-timeout", "120")
    after.expect(0)
    assert "finished without its controller: " in words(after)
    (earlier,) = project.host_report("el5")["earlier"]
    assert (earlier["how"], earlier["error"]) == ("finished", None)
    assert "package docker-ce" in {change["name"] for change in earlier["changes"]}
    project.fab("provision", "--no-verify").expect(0)
    assert project.host_report("el5")["earlier"] == []
    assert project.host_report("el5")["changes"] == []


def test_resume_takes_the_hosts_and_options_of_the_last_provision(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el5", "el6")
    right = project.hosts["el6"]
    project.hosts["el6"] = right | {"ansible_port": 2222}
    project.write()
    project.fab("provision", "--no-verify").expect(4)
    project.hosts["el6"] = right
    project.write()
    project.fab("plan", "--limit", "el5").expect(0)
    done = project.fab("provision", "--resume")
    done.expect(0)
    assert "1 of 2 hosts; 1 left out" in done.err
    (host,) = project.report()["hosts"]
    assert (host["name"], host["checks"]) == ("el6", [])


def test_an_undo_returns_a_host_to_how_it_was_before_the_last_change(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el5", "el6", docker_engine_daemon_options={SETTING: 7})
    project.fab("provision", "--no-verify", "--limit", "el5").expect(0)
    before = in_host(lab, "el5", SETTINGS)
    project.variables["docker_engine_daemon_options"] = {SETTING: 5}
    project.write()
    project.fab("provision", "--no-verify", "--limit", "el5").expect(0)
    changed = in_host(lab, "el5", SETTINGS)
    refused = project.fab("hosts.undo", "el5")
    refused.expect(1, "fab hosts.undo el5 --yes")
    planned = project.fab("hosts.undo", "el5", "--plan")
    planned.expect(0, "1 to change")
    assert planned.out.splitlines()[-1] == "Next   fab hosts.undo el5"
    assert in_host(lab, "el5", SETTINGS) == changed
    done = project.fab("hosts.undo", "el5", "--yes", "--lock-timeout", "60")
    done.expect(0)
    assert in_host(lab, "el5", SETTINGS) == before != changed
    assert "UNDONE         1   el5" in done.out
    names = [change["name"] for change in project.host_report("el5")["changes"]]
    assert names == ["file /etc/docker/daemon.json", "reload docker"]
    project.fab("plan", "--limit", "el5", "--detailed-exitcode").expect(16)


def test_an_uninstall_leaves_data_and_other_hosts_and_purges_on_request(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el5", "el6")
    project.fab("provision", "--no-verify").expect(0)
    in_host(lab, "el6", "docker volume create kept")
    project.fab("uninstall", "--yes").expect(1)
    done = project.fab("uninstall", "--limit", "el6", "--yes")
    done.expect(0)
    assert "UNINSTALLED    1   el6" in done.out
    assert in_host(lab, "el6", "command -v docker; ls -d /var/lib/docker/volumes/kept") == (
        "/var/lib/docker/volumes/kept\n"
    )
    assert in_host(lab, "el5", "systemctl is-active docker") == "active\n"
    purged = project.fab("uninstall", "--limit", "el6", "--purge-data", "--yes")
    purged.expect(0)
    assert (
        in_host(lab, "el6", "ls -A /var/lib/docker /var/lib/containerd 2>/dev/null | grep -v :").strip() == ""
    )
