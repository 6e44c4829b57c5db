"""What a person at a terminal is asked and shown; pexpect is the person."""

import re

import pexpect

from provision.lab import Lab
from tests.lab.conftest import MASTER, NewProject, Person


def test_trust_shows_the_fingerprint_and_pins_only_after_a_yes(
    new_project: NewProject, person: Person
) -> None:
    project = new_project("el4")
    pins = project.path / "inventory/known_hosts"
    pins.unlink()
    refusing = person(project, "hosts.trust", "el4")
    refusing.expect(r"ssh-ed25519 SHA256:\S{43}")
    refusing.expect("Type yes to go on: ")
    refusing.sendline("no")
    refusing.expect(pexpect.EOF)
    assert not pins.exists()
    agreeing = person(project, "hosts.trust", "el4")
    agreeing.expect("Type yes to go on: ")
    agreeing.sendline("yes")
    agreeing.expect("pinned el4 ssh-ed25519")
    agreeing.expect(pexpect.EOF)
    assert "trust=tofu" in pins.read_text()


def test_a_password_is_asked_for_without_echo(lab: Lab, new_project: NewProject, person: Person) -> None:
    project = new_project("el4")
    assert project.fab("credentials.forget", "el4").rc == 0
    asked = person(project, "credentials.set", "el4")
    asked.expect("password of host/el4: ")
    password = lab.host("el4").password
    assert password
    asked.sendline(password.reveal())
    asked.expect("Master password")
    assert password.reveal() not in asked.before
    asked.sendline(MASTER)
    asked.expect("stored the password of host/el4")
    assert MASTER not in asked.before
    assert project.fab("hosts.ping", "el4").rc == 0


def test_the_live_view_counts_finished_hosts_and_is_gone_at_the_end(
    new_project: NewProject, person: Person
) -> None:
    project = new_project("el4", "el5")
    seen = person(project, "plan", "--color", "always")
    seen.expect("Master password")
    seen.sendline(MASTER)
    seen.expect("0 of 2 hosts finished")
    seen.expect(r"Plan .*2 hosts")
    seen.expect(pexpect.EOF)
    plain = person(project, "plan", NO_COLOR="1")
    plain.expect("Master password")
    plain.sendline(MASTER)
    plain.expect(pexpect.EOF)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", plain.before)
