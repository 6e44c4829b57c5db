"""From hosts to credentials, and the verbs of ``fab credentials``."""

import subprocess
from pathlib import Path

import pytest

from provision.credentials import Kind, Owner, check, forget, init, lookup, names, store, unlock, vault
from provision.credentials.book import Book
from provision.credentials.lookup import agent_has_keys
from provision.errors import KeyringError, MissingCredential, UsageError
from provision.model import Credential, Host, Secret, Status
from provision.settings import Settings
from tests.unit.keyrings import cheap_blank

WEB1 = Host("web1", "192.0.2.1", groups=("blue", "web", "all"))
OPS1 = Host("ops1", "192.0.2.2", user="ops", become=True, groups=("ops",))


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setattr(Book, "blank", cheap_blank)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)
    return Settings(
        inventory=(),
        pins=tmp_path / "known_hosts",
        keyring_file=tmp_path / "shop" / "keyring.kdbx",
        state_dir=tmp_path / ".provision",
        master_file=tmp_path / "master",
        keyring="kdbx",
    )


@pytest.fixture
def ready(settings):
    init(settings)
    return settings


def put(settings, owner, text, kind=Kind.PASSWORD):
    store(settings, owner, kind, Secret(text))


def test_a_password_is_looked_up_under_host_then_group_then_all(ready):
    put(ready, Owner.everyone(), "of all")
    assert unlock((WEB1,), ready)["web1"] == Credential(password=Secret("of all"))
    put(ready, Owner.group("web"), "of web")
    assert unlock((WEB1,), ready)["web1"] == Credential(password=Secret("of web"))
    put(ready, Owner.group("blue"), "of blue")
    assert unlock((WEB1,), ready)["web1"] == Credential(password=Secret("of blue"))
    put(ready, Owner.host("web1"), "of web1")
    assert unlock((WEB1,), ready)["web1"] == Credential(password=Secret("of web1"))


def test_one_hosts_password_is_never_anothers(ready):
    put(ready, Owner.host("web1"), "of web1")
    put(ready, Owner.group("web1"), "of a group with that name")
    found = unlock((WEB1, Host("web11", "192.0.2.3"), Host("WEB1", "192.0.2.4")), ready)
    assert found["web1"].password.reveal() == "of web1"
    assert isinstance(found["web11"], MissingCredential)
    assert isinstance(found["WEB1"], MissingCredential)


def test_a_missing_entry_names_the_command_that_adds_it(ready):
    put(ready, Owner.host("web1"), "of web1")
    found = unlock((WEB1, OPS1), ready)
    assert isinstance(found["web1"], Credential)
    failure = found["ops1"].failure
    assert (failure.status, failure.hint) == (Status.REFUSED, "fab credentials.set ops1")


def test_without_a_keyring_file_the_command_begins_with_init(settings):
    failure = unlock((WEB1,), settings)["web1"].failure
    assert failure.hint == "fab credentials.init, then fab credentials.set web1"


def test_sudo_is_looked_up_only_for_those_who_are_not_root(ready):
    put(ready, Owner.everyone(), "login")
    put(ready, Owner.everyone(), "for sudo", Kind.SUDO)
    found = unlock((WEB1, OPS1), ready)
    assert found["web1"].sudo_password is None
    assert found["ops1"].sudo_password == Secret("for sudo")


def test_sudo_may_be_missing(ready):
    put(ready, Owner.everyone(), "login")
    assert unlock((OPS1,), ready)["ops1"] == Credential(password=Secret("login"))


def test_a_key_file_goes_before_a_password_and_takes_its_passphrase(ready, tmp_path):
    key = tmp_path / "id"
    key.touch()
    host = Host("web1", "192.0.2.1", key_file=key)
    put(ready, Owner.host("web1"), "login")
    assert unlock((host,), ready)["web1"] == Credential(key_file=key)
    put(ready, Owner.host("web1"), "opens the key", Kind.PASSPHRASE)
    assert unlock((host,), ready)["web1"] == Credential(key_file=key, passphrase=Secret("opens the key"))


def test_a_key_file_that_is_not_there_is_told(ready):
    host = Host("web1", "192.0.2.1", key_file=Path("/nonexistent/id"))
    assert "does not exist" in unlock((host,), ready)["web1"].failure.message


def test_an_agent_with_keys_is_the_last_way_in_and_asked_once(ready, monkeypatch):
    asked = []
    monkeypatch.setattr(lookup, "agent_has_keys", lambda: asked.append(1) or True)
    put(ready, Owner.host("web1"), "login")
    found = unlock((WEB1, OPS1, Host("db1", "192.0.2.5")), ready)
    assert found["web1"].password == Secret("login")
    assert found["ops1"] == found["db1"] == Credential()
    assert asked == [1]


def test_an_agent_counts_only_when_it_holds_a_key(tmp_path, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert not agent_has_keys()
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True)
        assert not agent_has_keys()
        subprocess.run(["ssh-add", "-q", tmp_path / "id"], check=True)
        assert agent_has_keys()
    finally:
        agent.terminate()
        agent.wait()
    assert not agent_has_keys()


def test_an_entry_that_cannot_be_a_password_refuses_only_its_host(ready):
    ring = vault.choose(ready)
    ring.set_password("provision/shop", "host/web1/password", "two\nlines")
    put(ready, Owner.host("ops1"), "login")
    found = unlock((WEB1, OPS1), ready)
    assert "control character" in found["web1"].failure.message
    assert "two" not in repr(found["web1"].failure)
    assert isinstance(found["ops1"], Credential)


def test_a_keyring_that_does_not_open_stops_everything(ready, tmp_path):
    put(ready, Owner.host("web1"), "login")
    vault.choose.cache_clear()
    (tmp_path / "master").write_text("another one")
    with pytest.raises(KeyringError, match="does not open"):
        unlock((WEB1,), ready)


def test_init_makes_the_file_once(settings):
    assert init(settings) == settings.keyring_file
    with pytest.raises(KeyringError, match="exists already"):
        init(settings)


def test_what_cannot_be_a_secret_is_not_stored(ready):
    with pytest.raises(UsageError, match="cannot be a password"):
        put(ready, Owner.host("web1"), "a\x1bb")
    assert names(ready) == ()


def test_a_keyring_that_gives_back_another_text_is_caught(ready, monkeypatch):
    monkeypatch.setattr(type(vault.choose(ready)), "get_password", lambda *_: "something else")
    with pytest.raises(KeyringError, match="returned another text"):
        put(ready, Owner.host("web1"), "login")


def test_check_tells_where_each_secret_comes_from(ready):
    put(ready, Owner.group("ops"), "login")
    put(ready, Owner.everyone(), "for sudo", Kind.SUDO)
    found = check((OPS1, WEB1), ready)
    assert found["ops1"] == ("password from group/ops", "sudo from all")
    assert isinstance(found["web1"], MissingCredential)


def test_forget_removes_one_kind_or_all_and_tells_which(ready):
    put(ready, Owner.host("web1"), "login")
    put(ready, Owner.host("web1"), "for sudo", Kind.SUDO)
    put(ready, Owner.host("ops1"), "login")
    assert forget(ready, Owner.host("web1"), Kind.SUDO) == (Kind.SUDO,)
    assert forget(ready, Owner.host("web1")) == (Kind.PASSWORD,)
    assert names(ready) == ("host/ops1/password",)
    put(ready, Owner.host("web1"), "made", Kind.PRIVATE_KEY)
    with pytest.raises(UsageError, match="holds no secret"):
        forget(ready, Owner.host("web1"))


def test_names_show_entries_and_never_values(ready):
    put(ready, Owner.host("web1"), "canary")
    put(ready, Owner.group("web"), "canary", Kind.SUDO)
    assert names(ready) == ("group/web/sudo", "host/web1/password")


def test_projects_do_not_see_each_others_entries(ready):
    vault.choose(ready).set_password("provision/other", "host/web1/password", "theirs")
    assert isinstance(unlock((WEB1,), ready)["web1"], MissingCredential)
    assert names(ready) == ()
