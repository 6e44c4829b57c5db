"""The flows that change who gets in, with a host that is played: cut off anywhere, something opens it."""

import io
from dataclasses import dataclass, field, replace
from pathlib import Path

import paramiko
import pytest
from keyring.backend import KeyringBackend

from provision import keypair
from provision.access import harden
from provision.access.case import Case
from provision.access.harden import Harden
from provision.access.keys import Install, Remove
from provision.access.rotate import Rotate
from provision.connect import _rotated
from provision.credentials import Kind, Owner, Rotation, unlock
from provision.credentials.vault import Vault
from provision.errors import AccessRefused, MissingCredential, NotProvenFromOutside, Unreachable
from provision.model import Credential, Host, HostKey, Secret, Session
from provision.settings import Settings
from provision.ssh.remote import Completed

WEB1 = Host("web1", "192.0.2.1")
OPS1 = Host("ops1", "192.0.2.2", user="ops", become=True)
OLD, NEW = Secret("old"), Secret("new")
NOWHERE = Settings((), Path("/"), Path("/"), Path("/"))


class Cut(Exception):
    """The controller dies here."""


class Memory(KeyringBackend):
    """A keyring in memory that dies before its write number ``dies_at``."""

    priority = 1

    def __init__(self):
        self.entries, self.writes, self.dies_at = {}, 0, None

    def get_password(self, service, username):
        return self.entries.get(username)

    def set_password(self, service, username, password):
        self._write()
        self.entries[username] = password

    def delete_password(self, service, username):
        self._write()
        del self.entries[username]

    def _write(self):
        if self.writes == self.dies_at:
            raise Cut
        self.writes += 1


@pytest.fixture
def keyring(monkeypatch, tmp_path):
    found = Memory()
    object.__setattr__(NOWHERE, "state_dir", tmp_path)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(Vault, "of", classmethod(lambda cls, settings: cls(found, "tests")))
    return found


def held(kind, host=WEB1):
    return Vault.of(NOWHERE).get(Owner.host(host.name), kind)


def put(kind, secret, host=WEB1):
    Vault.of(NOWHERE).put(Owner.host(host.name), kind, secret)


def way(host=WEB1):
    return unlock((host,), NOWHERE)[host.name]


@dataclass(frozen=True)
class Played(Case):
    """A host that lets in what is in ``doors``, and whose keyring's way is looked up anew."""

    doors: set = field(default_factory=set)

    def lets_in(self, credential):
        return bool({credential.password, credential.private_key} & self.doors)

    def takes_passwords(self):
        return any(secret in self.doors for secret in (OLD, NEW))


PIN = HostKey("web1", "ssh-ed25519", "")


def case(*doors, host=WEB1):
    return Played(Session(host, Path("/run")), PIN, way(host), doors=set(doors))


def finish(flow, found):
    """End a rotation on a host whose Session has a token where it is entered by sudo."""
    token = "of before" if found.host.become else None
    session = replace(found.session, sudo_token=token, secret_tokens={"pending-password": "of the new one"})
    found = replace(found, session=session)
    flow.finish(replace(found, session=flow.reopened(found)))


def test_a_key_is_one_line_in_the_keyring_and_a_key_for_ssh(keyring):
    key = keypair.generate()
    put(Kind.PRIVATE_KEY, key)
    found = paramiko.Ed25519Key.from_private_key(io.StringIO(keypair.pem(key)))
    assert keypair.public(key) == f"ssh-ed25519 {found.get_base64()}"
    assert way() == Credential(private_key=key)


@pytest.mark.parametrize("text", ["", "x", "AAAA", "not base64 !"])
def test_an_entry_that_is_no_key_is_told_in_words(text):
    with pytest.raises(MissingCredential) as caught:
        keypair.public(Secret(text))
    assert "fab keys.install" in caught.value.failure.hint


def test_an_entry_that_is_no_key_is_the_matter_of_its_host(keyring):
    put(Kind.PRIVATE_KEY, Secret("x"))
    assert isinstance(way(), MissingCredential)
    assert "fab keys.install web1" in way().failure.hint


def test_a_key_is_used_only_once_it_is_proven(keyring):
    put(Kind.PASSWORD, OLD)
    flow = Install(Rotation(NOWHERE))
    wanted = flow.begin(case(OLD))
    key = held(Kind.PENDING_KEY)
    assert wanted.values == {"user": "root", "key": f"{keypair.public(key)} provision-web1"}
    assert not wanted.secrets
    with pytest.raises(NotProvenFromOutside):
        flow.finish(case(OLD))
    assert way() == Credential(password=OLD)
    assert flow.begin(case(OLD)) == wanted, "the same key is tried again"
    flow.finish(case(OLD, key))
    assert way() == Credential(private_key=key)
    assert held(Kind.PENDING_KEY) is None


def test_a_host_with_a_key_file_of_its_own_gets_none(keyring, tmp_path):
    (tmp_path / "id").touch()
    host = replace(WEB1, key_file=tmp_path / "id")
    with pytest.raises(AccessRefused):
        Install(Rotation(NOWHERE)).begin(case(host=host))


@pytest.mark.parametrize("doors", [(), (NEW,)], ids=["password login off", "another password"])
def test_a_key_stays_as_long_as_the_password_opens_nothing(keyring, doors):
    key = keypair.generate()
    put(Kind.PRIVATE_KEY, key)
    put(Kind.PASSWORD, OLD)
    with pytest.raises(AccessRefused):
        Remove(Rotation(NOWHERE)).begin(case(key, *doors))
    assert way() == Credential(private_key=key)


@pytest.mark.parametrize("writes", range(6))
def test_after_a_cut_removal_login_works_and_the_next_one_finishes_it(keyring, writes):
    key = keypair.generate()
    put(Kind.PRIVATE_KEY, key)
    put(Kind.PASSWORD, OLD)
    flow, doors = Remove(Rotation(NOWHERE)), {OLD, key}
    keyring.dies_at = keyring.writes + writes

    def remove():
        if "absent_key" in flow.begin(case(*doors)).values:
            doors.discard(key)
        flow.finish(case(*doors))

    try:
        remove()
    except Cut:
        assert case(*doors).lets_in(way())
    keyring.dies_at = None
    remove()
    assert (doors, way()) == ({OLD}, Credential(password=OLD))
    assert (held(Kind.PRIVATE_KEY), held(Kind.PENDING_KEY)) == (None, None)


@pytest.mark.parametrize("host", [WEB1, OPS1], ids=["root", "sudo"])
@pytest.mark.parametrize("writes", range(8))
def test_after_a_cut_rotation_the_old_or_the_pending_password_logs_in(keyring, monkeypatch, host, writes):
    put(Kind.PASSWORD, OLD, host)
    put(Kind.SUDO, OLD, host)
    flow, doors = Rotate(Rotation(NOWHERE)), {OLD}
    monkeypatch.setattr("provision.ssh.sudo.takes", lambda _, password: password in doors)
    keyring.dies_at = keyring.writes + writes

    def rotate():
        wanted = flow.begin(case(host=host))
        doors.clear()
        doors.add(wanted.secrets["pending-password"])
        finish(flow, case(*doors, host=host))

    try:
        rotate()
    except Cut:
        tried = [way(host), *([_rotated(way(host))] if way(host).pending else [])]
        right = [each for each in tried if each.password in doors]
        assert right
        assert host is WEB1 or any(each.sudo_password in doors for each in right)
    keyring.dies_at = None
    rotate()
    assert {held(Kind.PASSWORD, host)} == doors
    assert held(Kind.PENDING_PASSWORD, host) is None
    assert host is WEB1 or held(Kind.SUDO, host) == held(Kind.PASSWORD, host)


def test_of_two_rotations_at_once_what_the_host_has_is_what_is_used(keyring):
    put(Kind.PASSWORD, OLD)
    put(Kind.PRIVATE_KEY, keypair.generate())
    first, second = Rotate(Rotation(NOWHERE)), Rotate(Rotation(NOWHERE))
    new = {flow.begin(case()).secrets["pending-password"] for flow in (first, second)}
    finish(first, case())
    finish(second, case())
    assert {held(Kind.PASSWORD)} == new
    assert held(Kind.PREVIOUS_PASSWORD) == OLD
    third = Rotate(Rotation(NOWHERE))
    newest = third.begin(case()).secrets["pending-password"]
    finish(first, case())
    assert held(Kind.PENDING_PASSWORD) == newest, "what another run has begun stays"


def test_what_sudo_wants_is_shown_by_sudo_and_not_by_what_is_stored(keyring, monkeypatch):
    Vault.of(NOWHERE).put(Owner.everyone(), Kind.PASSWORD, NEW)
    put(Kind.SUDO, OLD, OPS1)
    put(Kind.PRIVATE_KEY, keypair.generate(), OPS1)
    flow = Rotate(Rotation(NOWHERE))
    new = flow.begin(case(host=OPS1)).secrets["pending-password"]
    monkeypatch.setattr("provision.ssh.sudo.takes", lambda _, password: password == new)
    finish(flow, case(host=OPS1))
    assert held(Kind.SUDO, OPS1) == held(Kind.PASSWORD, OPS1) == new


@pytest.mark.parametrize("opens_sudo", [True, False])
def test_a_sudo_password_that_is_replaced_is_kept_as_previous(keyring, opens_sudo):
    put(Kind.PASSWORD, Secret("stale"), OPS1)
    put(Kind.SUDO, OLD, OPS1)
    Rotation(NOWHERE).promote_password(OPS1, NEW, opens_sudo=opens_sudo)
    assert (held(Kind.PASSWORD, OPS1), held(Kind.PREVIOUS_PASSWORD, OPS1)) == (NEW, Secret("stale"))
    expected = (NEW, OLD) if opens_sudo else (OLD, None)
    assert (held(Kind.SUDO, OPS1), held(Kind.PREVIOUS_SUDO, OPS1)) == expected


def test_a_password_of_another_sudo_stays(keyring, monkeypatch):
    monkeypatch.setattr("provision.ssh.sudo.takes", lambda *_: False)
    put(Kind.PASSWORD, OLD, OPS1)
    put(Kind.SUDO, NEW, OPS1)
    flow = Rotate(Rotation(NOWHERE))
    pending = flow.begin(case(host=OPS1)).secrets["pending-password"]
    finish(flow, case(pending, host=OPS1))
    assert (held(Kind.SUDO, OPS1), held(Kind.PREVIOUS_PASSWORD, OPS1)) == (NEW, OLD)
    assert _rotated(replace(way(OPS1), pending=NEW)).sudo_password == NEW


def test_a_new_password_that_opens_nothing_is_put_back_and_is_not_promoted(keyring, monkeypatch):
    put(Kind.PASSWORD, OLD)
    given = []
    monkeypatch.setattr(
        "provision.ssh.remote.run", lambda *_, stdin, **__: given.append(stdin) or Completed(0, b"", b"")
    )
    flow = Rotate(Rotation(NOWHERE))
    flow.begin(case(OLD))
    with pytest.raises(NotProvenFromOutside) as caught:
        flow.finish(case(OLD))
    assert given == [b"root:old\n"]
    assert caught.value.failure.state == "the old password is set again"
    assert held(Kind.PASSWORD) == OLD


def test_passwords_are_long_and_of_every_class_and_never_the_same(keyring):
    hosts = [Host(f"web{number}", "192.0.2.1") for number in range(50)]
    made = [Rotation(NOWHERE).begin_password(host).reveal() for host in hosts]
    assert len(set(made)) == 50
    classes = (str.islower, str.isupper, str.isdigit, lambda letter: not letter.isalnum())
    assert all(len(text) == 28 and all(any(map(each, text)) for each in classes) for text in made)


class Hardened(Played):
    """A host on which the setting is made: it takes no password, or does so still."""

    still = False

    def takes_passwords(self):
        return self.still


@pytest.fixture
def scripts(monkeypatch):
    ran = []
    monkeypatch.setattr(
        "provision.ssh.remote.run", lambda _, script, **__: ran.append(script) or Completed(0, b"", b"")
    )
    return ran


def hardened(*doors, still=False):
    found = Hardened(Session(WEB1, Path("/run")), PIN, way(), doors=set(doors))
    object.__setattr__(found, "still", still)
    return found


@pytest.mark.parametrize(
    ("opens", "still", "script"),
    [(True, False, harden._CONFIRM), (False, False, harden._RESTORE), (True, True, harden._RESTORE)],
    ids=["proven", "key refused", "password taken"],
)
def test_the_timer_is_stopped_only_when_all_is_proven(keyring, scripts, opens, still, script):
    key = keypair.generate()
    put(Kind.PRIVATE_KEY, key)
    flow, found = Harden(Rotation(NOWHERE)), hardened(*[key] * opens, still=still)
    if script is harden._CONFIRM:
        flow.finish(found)
    else:
        with pytest.raises(NotProvenFromOutside):
            flow.finish(found)
    assert scripts == [script]


def test_a_host_that_cannot_be_asked_is_put_back(keyring, scripts):
    put(Kind.PRIVATE_KEY, keypair.generate())

    class Silent(Hardened):
        def lets_in(self, credential):
            raise Unreachable.of(WEB1)

    found = Silent(Session(WEB1, Path("/run")), PIN, way())
    with pytest.raises(NotProvenFromOutside):
        Harden(Rotation(NOWHERE)).finish(found)
    assert scripts == [harden._RESTORE]


def test_password_login_stays_where_a_password_is_all_there_is(keyring):
    put(Kind.PASSWORD, OLD)
    with pytest.raises(AccessRefused) as caught:
        Harden(Rotation(NOWHERE)).begin(case(OLD))
    assert caught.value.failure.hint.startswith("fab keys.install web1")


def test_password_login_stays_where_the_key_opens_nothing(keyring):
    put(Kind.PRIVATE_KEY, keypair.generate())
    with pytest.raises(AccessRefused):
        Harden(Rotation(NOWHERE)).begin(case(OLD))
