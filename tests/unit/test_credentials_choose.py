"""Which keyring is taken, and which ones are refused by name."""

import sys
import types
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null

from provision.credentials import choose as module
from provision.credentials.choose import choose, refuse
from provision.credentials.kdbx import KdbxKeyring
from provision.errors import KeyringError
from provision.settings import Settings


class Sound(KeyringBackend):
    """A third party's backend with nothing against it."""

    priority = 1

    def get_password(self, service, username):
        return None

    def set_password(self, service, username, password):
        pass


class PlaintextThing(Sound):
    """One that says in its name what it does."""


class Derived(PlaintextThing):
    """One that hides behind another name."""


@pytest.fixture
def settings(tmp_path):
    def make(**values):
        place = tmp_path / "shop" / "keyring.kdbx"
        return Settings((), tmp_path / "known_hosts", place, tmp_path / ".provision", **values)

    return make


@pytest.fixture(autouse=True)
def _bare(monkeypatch):
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)
    monkeypatch.setattr(module, "_desktop", lambda: None)
    third_party = types.ModuleType("third_party")
    third_party.Sound, third_party.PlaintextThing, third_party.Derived = Sound, PlaintextThing, Derived
    monkeypatch.setitem(sys.modules, "third_party", third_party)


def test_the_embedded_file_is_the_default(settings):
    ring = choose(settings())
    assert isinstance(ring, KdbxKeyring)
    assert ring.path.name == "keyring.kdbx"


def test_a_desktop_goes_before_the_embedded_file(settings, monkeypatch):
    monkeypatch.setattr(module, "_desktop", Sound)
    assert isinstance(choose(settings()), Sound)


def test_the_variable_goes_before_a_desktop(settings, monkeypatch):
    monkeypatch.setattr(module, "_desktop", lambda: pytest.fail("asked the desktop"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "third_party.Sound")
    assert isinstance(choose(settings()), Sound)


def test_the_option_goes_before_the_variable(settings, monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "third_party.Sound")
    assert isinstance(choose(settings(keyring="kdbx")), KdbxKeyring)


def test_a_throw_away_master_means_the_embedded_file(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "third_party.Sound")
    assert isinstance(choose(settings(master_file=tmp_path / "master")), KdbxKeyring)


def test_the_same_settings_give_the_same_keyring(settings):
    assert choose(settings()) is choose(settings())


@pytest.mark.parametrize(
    "name",
    [
        "keyring.backends.null.Keyring",
        "keyring.backends.fail.Keyring",
        "keyrings.alt.file.PlaintextKeyring",
        "keyrings.alt.file.EncryptedKeyring",
        "third_party.PlaintextThing",
        "third_party.Derived",
    ],
)
def test_a_backend_that_loses_or_shows_secrets_is_refused(settings, monkeypatch, name):
    for how in ({"keyring": name}, {}):
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)
        with pytest.raises(KeyringError, match="is refused") as caught:
            choose(settings(**how))
        assert "--keyring kdbx" in caught.value.failure.hint


@pytest.mark.parametrize("member", [null.Keyring, fail.Keyring, PlaintextThing])
def test_a_chain_over_a_refused_backend_is_refused(monkeypatch, member):
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [Sound(), member()])
    with pytest.raises(KeyringError, match="is refused"):
        refuse(chainer.ChainerBackend())


def test_a_chain_over_sound_backends_is_taken(monkeypatch):
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [Sound()])
    refuse(chainer.ChainerBackend())


@pytest.mark.parametrize("name", ["no.such.Thing", "third_party.Missing", "Thing", "os.path"])
def test_a_backend_that_does_not_load_is_told(settings, name):
    with pytest.raises(KeyringError, match="cannot be used"):
        choose(settings(keyring=name))


def test_looking_for_a_desktop_never_fails(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
    found = [module._running(name) for name in (*module.DESKTOP, "no.such.Thing")]
    assert all(one is None or isinstance(one, KeyringBackend) for one in found)


def test_the_embedded_name_is_where_it_is():
    assert module.EMBEDDED == "provision.credentials.kdbx.KdbxKeyring"
    assert Path(sys.modules[KdbxKeyring.__module__].__file__).stem == "kdbx"
