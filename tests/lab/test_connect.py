"""Every way in: password, key, passphrase, agent, jump host, sudo; and what the hosts' logs say of it."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision import lab as labs
from provision.lab import Lab
from tests.lab.conftest import NewProject, Project
from tests.lab.test_road import in_host

AUTHORIZE = (
    "mkdir -p -m 700 /root/.ssh; cat >> /root/.ssh/authorized_keys; chmod 600 /root/.ssh/authorized_keys"
)


def lines_of_sshd(lab: Lab, name: str) -> list[str]:
    return in_host(lab, name, "journalctl -b -o cat -u ssh -u sshd --no-pager").splitlines()


@pytest.fixture
def key(tmp_path: Path, lab: Lab) -> Iterator[Path]:
    """A key pair of which el4 knows the public part."""
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    labs.execute(lab.host("el4"), "sh", "-c", AUTHORIZE, stdin=path.with_suffix(".pub").read_bytes())
    yield path
    in_host(lab, "el4", "rm -f /root/.ssh/authorized_keys")


def without_password(project: Project, name: str, **values: object) -> None:
    project.fab("credentials.forget", name).expect(0)
    project.hosts[name] |= values
    project.write()


def test_a_password_is_sent_once_and_nothing_else_is_tried(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el4")
    before = len(lines_of_sshd(lab, "el4"))
    project.fab("hosts.ping", "el4").expect(0)
    said = "\n".join(lines_of_sshd(lab, "el4")[before:])
    assert said.count("Accepted password for root") == 1
    assert "Failed" not in said


def test_a_key_file_opens_a_host(new_project: NewProject, key: Path) -> None:
    project = new_project("el4")
    without_password(project, "el4", ansible_ssh_private_key_file=str(key))
    project.fab("hosts.ping", "el4").expect(0)


def test_a_key_with_a_passphrase_opens_a_host_and_a_wrong_one_says_so(
    new_project: NewProject, key: Path
) -> None:
    project = new_project("el4")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "a phrase", "-f", key], check=True)
    without_password(project, "el4", ansible_ssh_private_key_file=str(key))
    project.store("el4", "a phrase", "passphrase")
    project.fab("hosts.ping", "el4").expect(0)
    project.store("el4", "another", "passphrase")
    done = project.fab("hosts.ping", "el4")
    done.expect(2)
    assert "the key file of el4 does not open" in done.out
    assert "fab credentials.set el4 --kind passphrase" in done.out


def test_the_keys_of_a_running_agent_open_a_host(new_project: NewProject, key: Path, tmp_path: Path) -> None:
    project = new_project("el4")
    without_password(project, "el4")
    socket = str(tmp_path / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        while not Path(socket).exists():
            time.sleep(0.05)
        subprocess.run(["ssh-add", "-q", key], env={"SSH_AUTH_SOCK": socket}, check=True, capture_output=True)
        project.fab("hosts.ping", "el4", SSH_AUTH_SOCK=socket).expect(0)
    finally:
        agent.terminate()
        agent.wait()


def test_a_jump_host_leads_to_a_host(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el4", "el5")
    project.hosts["el5"]["jump_host"] = "el4"
    project.write()
    before = len(lines_of_sshd(lab, "el5"))
    done = project.fab("hosts.ping", "el5")
    done.expect(0)
    assert [host["name"] for host in project.report()["hosts"]] == ["el5"]
    said = "\n".join(lines_of_sshd(lab, "el5")[before:])
    assert f"Accepted password for root from {lab.host('el4').address}" in said


def test_a_jump_host_that_is_down_is_named(new_project: NewProject) -> None:
    project = new_project("el4", "el5")
    project.hosts["el5"]["jump_host"] = "el4"
    project.store("el4", "wrong")
    project.write()
    done = project.fab("hosts.ping", "el5")
    done.expect(4, "el5 is reached through el4, and the login there failed")


@pytest.mark.parametrize(("user", "sudo"), [("ops", True), ("deploy", False)])
def test_a_user_with_sudo_plans_as_root(lab: Lab, new_project: NewProject, user: str, sudo: bool) -> None:
    project = new_project(
        "el5", docker_engine_daemon_options={"debug": True}
    )  # a change for a bare host and for any other
    project.hosts["el5"] |= {"ansible_user": user, "ansible_become": True}
    project.write()
    password = lab.host("el5").password
    assert password
    if sudo:
        project.store("el5", password.reveal(), "sudo")
    done = project.fab("plan")
    done.expect(0)
    assert "daemon.json" in done.out


def test_requiretty_is_no_obstacle(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el5")
    project.hosts["el5"] |= {"ansible_user": "deploy", "ansible_become": True}
    project.write()
    in_host(lab, "el5", "echo 'Defaults requiretty' > /etc/sudoers.d/00-tty; chmod 440 /etc/sudoers.d/00-tty")
    try:
        project.fab("plan").expect(0)
    finally:
        in_host(lab, "el5", "rm /etc/sudoers.d/00-tty")


def test_a_wrong_sudo_password_is_tried_once(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el5")
    project.hosts["el5"] |= {"ansible_user": "ops", "ansible_become": True}
    project.write()
    project.store("el5", "wrong sudo", "sudo")
    before = in_host(lab, "el5", "journalctl -b -o cat --no-pager").count("incorrect password attempt")
    done = project.fab("plan")
    done.expect(2)
    assert "sudo on el5 did not accept ops's password" in done.out
    log = in_host(lab, "el5", "journalctl -b -o cat --no-pager")
    assert log.count("incorrect password attempt") == before + 1
    assert re.findall(r"(\d+) incorrect password attempt", log)[-1] == "1"


def test_a_sudo_password_that_is_missing_is_asked_for(new_project: NewProject) -> None:
    project = new_project("el5")
    project.hosts["el5"] |= {"ansible_user": "ops", "ansible_become": True}
    project.write()
    done = project.fab("plan")
    done.expect(2)
    assert "fab credentials.set el5 --kind sudo" in done.out


def test_a_user_who_is_not_root_and_may_not_become_root_is_refused(new_project: NewProject) -> None:
    project = new_project("el5")
    project.hosts["el5"]["ansible_user"] = "ops"
    project.write()
    done = project.fab("plan")
    done.expect(8, "the login user of el5 is ops, not root")
    assert "ansible_become: true" in done.out


def test_a_shell_rides_the_same_way(new_project: NewProject) -> None:
    done = new_project("el4").fab("hosts.shell", "el4", stdin="hostname; exit 7\n")
    assert (done.rc, done.out) == (7, "el4\n")


def test_the_list_shows_what_is_pinned(new_project: NewProject) -> None:
    project = new_project("el4")
    project.hosts["el9"] = {"ansible_host": "192.0.2.9"}
    project.write()
    rows = [line.split() for line in project.fab("hosts.list").out.splitlines()]
    assert (rows[1][-1], rows[2][-1]) == ("pinned", "unknown")


def test_nothing_of_a_run_stays_behind(new_project: NewProject) -> None:
    project = new_project("el4")
    before = set(Path("/tmp").glob("provision-*"))
    project.fab("hosts.ping", "el4").expect(0)
    assert set(Path("/tmp").glob("provision-*")) <= before
    assert {path.name for path in project.path.iterdir()} == {
        "fabfile.py", "inventory", "keys", "home", ".provision", "__pycache__"
    } & {path.name for path in project.path.iterdir()}  # fmt: skip
