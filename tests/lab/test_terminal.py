"""What a person at a terminal is asked and shown; pexpect is the person."""

import re
import time

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


def test_a_yes_that_was_typed_before_the_key_was_shown_pins_nothing(
    new_project: NewProject, person: Person
) -> None:
    project = new_project("el4")
    pins = project.path / "inventory/known_hosts"
    pins.unlink()
    hasty = person(project, "hosts.trust", "el4")
    hasty.sendline("yes")
    hasty.expect("Type yes to go on: ")
    assert "yes\r\n" in hasty.before  # the terminal had it
    time.sleep(1)
    assert not pins.exists()
    hasty.sendline("no")
    hasty.expect(pexpect.EOF)
    assert not pins.exists()


def test_what_was_typed_before_a_secret_is_asked_for_is_no_part_of_it(
    new_project: NewProject, person: Person
) -> None:
    project = new_project("el4")
    project.fab("credentials.forget", "el4").expect(0)
    hasty = person(project, "credentials.set", "el4")
    hasty.sendline("typed too early")
    hasty.expect("Master password")
    time.sleep(1)
    hasty.sendline(MASTER)
    hasty.expect("password of host/el4: ")
    hasty.sendline("s3cret")
    hasty.expect("stored the password of host/el4")
    hasty.expect(pexpect.EOF)
    same = project.fab("credentials.set", "el4", "--stdin", stdin="s3cret\n")
    assert same.out.startswith("unchanged: "), same.out + same.err


def test_a_stored_password_is_replaced_only_after_a_yes(new_project: NewProject, person: Person) -> None:
    project = new_project("el4")
    for answer, said in (("no", "nothing was stored"), ("yes", "replaced the password of host/el4")):
        asked = person(project, "credentials.set", "el4")
        asked.expect("Master password")
        asked.sendline(MASTER)
        asked.expect("password of host/el4: ")
        asked.sendline("another one")
        asked.expect("This replaces the stored password of host/el4")
        asked.expect("Type yes to go on: ")
        asked.sendline(answer)
        asked.expect(said)
        asked.expect(pexpect.EOF)
        works = project.fab("hosts.ping", "el4").rc == 0
        assert works is (answer == "no")
    assert "host/el4/previous-password" in project.fab("credentials.list").out
    project.fab("credentials.set", "el4", "--previous").expect(0)
    project.fab("hosts.ping", "el4").expect(0)


def test_a_password_is_asked_for_without_echo(lab: Lab, new_project: NewProject, person: Person) -> None:
    project = new_project("el4")
    project.fab("credentials.forget", "el4").expect(0)
    asked = person(project, "credentials.set", "el4")
    asked.expect("Master password")
    asked.sendline(MASTER)
    asked.expect("password of host/el4: ")
    assert MASTER not in asked.before
    password = lab.host("el4").password
    assert password
    asked.sendline(password.reveal())
    asked.expect("stored the password of host/el4")
    assert password.reveal() not in asked.before
    project.fab("hosts.ping", "el4").expect(0)


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
