"""Who gets into a host: a key, password login off, a new password; and nobody is ever locked out."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provision import credentials, keypair
from provision import lab as labs
from provision.access.case import Case
from provision.credentials import Kind, Owner, Rotation
from provision.credentials.vault import Vault
from provision.lab import Lab
from provision.model import Credential, Host, HostKey, Secret, Session
from provision.ssh import witness
from tests.lab.closed import rules
from tests.lab.conftest import STATE, Project, make_keyring, project_in
from tests.lab.test_bad_controller import FREE_LOCK, HOLD_LOCK, HOST_CODE, is_reached
from tests.lab.test_connect import lines_of_sshd
from tests.lab.test_errors import wait_until
from tests.lab.test_road import in_host

AUTHORIZED = "/root/.ssh/authorized_keys"
THEIRS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1nC2u9Z0nLJ2w8p8g6zYJk4s0V9qTqS4rJr6mXw3oP ann@desk"
RESTORE = "provision-sshd-restore"
# What sshd reads at its next start, and an open one does not know of.
BROKEN = "AuthorizedKeysFile /nowhere/%u"
MAIN = "/etc/ssh/sshd_config"
# Nobody gets an answer who is not connected already.
SILENT = """\
table inet silent {
  chain in {
    type filter hook input priority 0;
    tcp dport 22 tcp flags syn drop
  }
}
"""
NewAccess = Callable[..., Project]


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    """Five hosts of our own: what gets into them changes."""
    subnet = labs.free_subnet()
    name = f"acc{subnet}"
    try:
        yield labs.up(name, 5, "el10", state_dir=STATE, subnet=subnet, users=True, progress=print)
    finally:
        labs.down(name, STATE)


@pytest.fixture(scope="module")
def own_keyring(own_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_keyring(own_lab, tmp_path_factory.mktemp("keyring"))


@pytest.fixture
def access(own_lab: Lab, own_keyring: Path, tmp_path: Path) -> NewAccess:
    """Return a function that makes a project over one of these hosts."""

    def make(name: str, **values: object) -> Project:
        project = project_in(tmp_path, own_lab, own_keyring)
        project.add(name, own_lab.host(name))
        project.hosts[name] |= values
        project.write()
        return project

    return make


def held(project: Project, name: str, kind: Kind) -> Secret | None:
    return Vault.of(project.settings).get(Owner.host(name), kind)


def lets_in(project: Project, name: str, credential: Credential, user: str = "root") -> bool:
    """Return whether one login works, tried as the program does: at a reload sshd is away for a moment."""
    found = project.lab.host(name)
    kind, key = found.host_key.split()[:2]
    host = Host(name, found.address, user=user)
    return Case(Session(host, project.path), HostKey(name, kind, key), credential).lets_in(credential)


def by_password(project: Project, name: str) -> bool:
    return lets_in(project, name, Credential(password=project.lab.host(name).password))


def test_a_key_is_installed_used_and_removed_and_the_keys_of_others_stay(
    own_lab: Lab, access: NewAccess
) -> None:
    project = access("el1")
    in_host(own_lab, "el1", f"mkdir -m 700 /root/.ssh; echo '{THEIRS}' > {AUTHORIZED}")
    done = project.fab("keys.install", "el1")
    done.expect(0)
    assert "KEY ADDED      1   el1" in done.out
    key = held(project, "el1", Kind.PRIVATE_KEY)
    assert key
    lines = in_host(own_lab, "el1", f"cat {AUTHORIZED}").splitlines()
    assert lines == [THEIRS, f"{keypair.public(key)} provision-el1"]
    assert "key from host/el1" in project.fab("credentials.check").out
    before = len(lines_of_sshd(own_lab, "el1"))
    again = project.fab("keys.install", "el1")
    assert "UNCHANGED      1   el1" in again.out
    said = "\n".join(lines_of_sshd(own_lab, "el1")[before:])
    assert "Accepted publickey" in said
    assert "Accepted password" not in said
    found = subprocess.run(
        ["grep", "-rlF", key.reveal()[100:160], project.path, "/tmp/.provision", "/run/user"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stdout == ""
    removed = project.fab("keys.remove", "el1")
    removed.expect(0)
    assert in_host(own_lab, "el1", f"cat {AUTHORIZED}") == THEIRS + "\n"
    assert (held(project, "el1", Kind.PRIVATE_KEY), held(project, "el1", Kind.PENDING_KEY)) == (None, None)
    project.fab("hosts.ping", "el1").expect(0)


def test_password_login_goes_only_where_a_key_works_and_undo_restores_it(
    own_lab: Lab, access: NewAccess
) -> None:
    project = access("el2")
    refused = project.fab("hosts.harden", "el2")
    refused.expect(8, "fab keys.install el2")
    project.fab("keys.install", "el2").expect(0)
    done = project.fab("hosts.harden", "el2")
    done.expect(0)
    assert "HARDENED       1   el2" in done.out
    assert not by_password(project, "el2")
    assert lets_in(project, "el2", Credential(private_key=held(project, "el2", Kind.PRIVATE_KEY)))
    assert in_host(own_lab, "el2", f"systemctl list-timers --all | grep {RESTORE}; ls /run/{RESTORE}") == ""
    assert "UNCHANGED      1   el2" in project.fab("hosts.harden", "el2").out
    locked = project.fab("keys.remove", "el2")
    locked.expect(8, "no login to el2 would work")
    assert held(project, "el2", Kind.PRIVATE_KEY)
    rotated = project.fab("credentials.rotate", "el2")
    rotated.expect(0)
    undone = project.fab("hosts.undo", "el2", "--yes")
    undone.expect(0)
    assert lets_in(project, "el2", Credential(password=held(project, "el2", Kind.PASSWORD)))


def test_a_password_is_rotated_and_the_old_one_kept(access: NewAccess) -> None:
    project = access("el3", ansible_user="ops", ansible_become=True)
    old = project.lab.host("el3").password
    assert old
    project.store("el3", old.reveal(), "sudo")
    done = project.fab("credentials.rotate", "el3")
    done.expect(0)
    assert "ROTATED        1   el3" in done.out
    new = held(project, "el3", Kind.PASSWORD)
    assert (new, held(project, "el3", Kind.SUDO)) == (new, new)
    assert held(project, "el3", Kind.PREVIOUS_PASSWORD) == old != new
    assert lets_in(project, "el3", Credential(password=new), "ops")
    assert project.fab("hosts.ping", "el3").rc == 0  # sudo, too


def cut(project: Project, name: str, *command: str) -> None:
    """Kill the controller when the host begins; the run on the host continues to its end."""
    begun = "cat /var/lib/provision/*/journal 2> /dev/null | grep -c '\"begin\"'"
    ended = "ls /var/lib/provision/*/result 2> /dev/null | wc -l"
    before = [int(in_host(project.lab, name, count)) for count in (begun, ended)]
    run = project.start(*command)
    wait_until(lambda: int(in_host(project.lab, name, begun)) > before[0])
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    wait_until(lambda: int(in_host(project.lab, name, ended)) > before[1])


def test_the_next_run_finishes_a_rotation_killed_after_chpasswd(own_lab: Lab, access: NewAccess) -> None:
    project = access("el4", ansible_user="ops", ansible_become=True)
    old = own_lab.host("el4").password
    assert old
    project.store("el4", old.reveal(), "sudo")
    cut(project, "el4", "credentials.rotate", "el4")
    pending = held(project, "el4", Kind.PENDING_PASSWORD)
    assert held(project, "el4", Kind.PASSWORD) == old
    done = project.fab("hosts.ping", "el4")
    done.expect(0)
    assert held(project, "el4", Kind.PASSWORD) == pending
    assert held(project, "el4", Kind.PENDING_PASSWORD) is None
    assert held(project, "el4", Kind.PREVIOUS_PASSWORD) == old


def test_an_expired_password_is_reported_after_one_attempt(own_lab: Lab, access: NewAccess) -> None:
    project = access("el1")
    in_host(own_lab, "el1", "chage -d 0 root")
    before = len(lines_of_sshd(own_lab, "el1"))
    done = project.fab("hosts.ping", "el1")
    done.expect(8)
    assert project.host_report("el1")["error"]["kind"] == "password-expired"
    said = "\n".join(lines_of_sshd(own_lab, "el1")[before:])
    assert len(re.findall("(Accepted|Failed) password", said)) == 1
    in_host(own_lab, "el1", "chage -d $(date +%F) root")
    project.fab("hosts.ping", "el1").expect(0)


@pytest.fixture(scope="module")
def by_key(own_lab: Lab, own_keyring: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose host el5 is logged in to with a key."""
    project = project_in(tmp_path_factory.mktemp("keyed"), own_lab, own_keyring)
    project.add("el5", own_lab.host("el5"))
    project.fab("keys.install", "el5").expect(0)
    in_host(own_lab, "el5", f"cp -p {MAIN} /root/sshd_config")
    return project


@pytest.fixture
def keyed(own_lab: Lab, by_key: Project) -> Iterator[Project]:
    """The same; the host's sshd is repaired afterwards."""
    yield by_key
    in_host(own_lab, "el5", f"cp -p /root/sshd_config {MAIN}; systemctl reload ssh")


def test_settings_that_sshd_refuses_are_told_before_anything_is_changed(own_lab: Lab, keyed: Project) -> None:
    in_host(own_lab, "el5", f"echo 'Nonsense yes' >> {MAIN}")
    done = keyed.fab("hosts.harden", "el5")
    done.expect(8)
    assert keyed.host_report("el5")["error"]["kind"] == "sshd-config"
    assert "Nonsense" in " ".join(done.out.split())
    assert in_host(own_lab, "el5", f"ls /etc/ssh/sshd_config.d; ls /run/{RESTORE}").split() == [
        "50-cloud-init.conf"
    ]


def test_a_setting_that_a_match_block_overrules_is_undone(own_lab: Lab, keyed: Project) -> None:
    in_host(own_lab, "el5", f"printf 'Match User root\\n  PasswordAuthentication yes\\n' >> {MAIN}")
    done = keyed.fab("hosts.harden", "el5")
    done.expect(2)
    assert keyed.host_report("el5")["error"]["kind"] == "password-login-stays"
    assert "undone: the host is as it was" in done.out
    assert in_host(own_lab, "el5", f"ls /etc/ssh/sshd_config.d; ls /run/{RESTORE}").split() == [
        "50-cloud-init.conf"
    ]


def test_a_match_that_lets_others_in_by_a_password_is_named(own_lab: Lab, keyed: Project) -> None:
    in_host(own_lab, "el5", f"printf 'Match User ops\\n  PasswordAuthentication yes\\n' >> {MAIN}")
    done = keyed.fab("hosts.harden", "el5")
    done.expect(0)
    said = " ".join(done.out.split())
    assert f"reload sshd; a password is taken under Match User ops ({MAIN})" in said
    assert not by_password(keyed, "el5")
    assert lets_in(keyed, "el5", Credential(password=own_lab.host("el5").password), "ops")
    keyed.fab("hosts.undo", "el5", "--yes").expect(0)
    assert by_password(keyed, "el5")


def test_if_the_key_fails_after_the_reload_all_is_put_back_at_once(own_lab: Lab, keyed: Project) -> None:
    in_host(own_lab, "el5", f"echo '{BROKEN}' >> {MAIN}")
    done = keyed.fab("hosts.harden", "el5")
    done.expect(2)
    assert keyed.host_report("el5")["error"]["kind"] == "access-not-proven"
    assert "restored: password login is on, as before" in done.out
    assert by_password(keyed, "el5")


def test_when_nobody_is_left_to_look_the_timer_puts_password_login_back(own_lab: Lab, keyed: Project) -> None:
    in_host(own_lab, "el5", f"echo '{BROKEN}' >> {MAIN}")
    cut(keyed, "el5", "hosts.harden", "el5")
    assert not by_password(keyed, "el5")
    assert not lets_in(keyed, "el5", Credential(private_key=held(keyed, "el5", Kind.PRIVATE_KEY)))
    timers = f"systemctl list-units --plain --no-legend '{RESTORE}-*.timer'"
    timer = in_host(own_lab, "el5", timers).split()[0]
    left = in_host(own_lab, "el5", f"systemctl show {timer} -p NextElapseUSecMonotonic")
    assert re.search(r"=\d", left)
    # What happens in two minutes, now.
    in_host(own_lab, "el5", f"systemctl start {timer.removesuffix('.timer')}.service")
    wait_until(lambda: by_password(keyed, "el5"))


def test_a_second_ctrl_c_waits_for_no_proof(own_lab: Lab, by_key: Project) -> None:
    in_host(own_lab, "el5", HOLD_LOCK)
    run = by_key.start("keys.install", "el5")
    wait_until(lambda: in_host(own_lab, "el5", HOST_CODE) != "", work=run)
    with rules(own_lab, "el5", "silent", SILENT):
        in_host(own_lab, "el5", FREE_LOCK)
        wait_until(lambda: is_reached(run.pid, own_lab.host("el5").address), work=run)
        started = time.monotonic()
        for _ in range(2):
            run.send_signal(signal.SIGINT)
            time.sleep(0.3)
        out, err = run.communicate(timeout=witness.TIMEOUT_S)
    assert time.monotonic() - started < witness.TIMEOUT_S / 2
    by_key.expect_clean(out + err)
    assert (run.returncode, by_key.host_report("el5")["error"]["kind"]) == (130, "interrupted")


def test_a_key_of_the_keyring_serves_a_host_behind_a_jump_host(access: NewAccess) -> None:
    project = access("el1")
    project.add("el3", project.lab.host("el3"))
    project.hosts["el3"] |= {"jump_host": "el1"}
    project.write()
    done = project.fab("keys.install", "el3")
    done.expect(0)
    project.fab("hosts.harden", "el3").expect(0)
    project.fab("hosts.ping", "el3").expect(0)
    assert Rotation(project.settings).pending_key(Host("el3", "")) is None
    assert credentials.names(project.settings).count("host/el3/private-key") == 1
