"""What the doctor says of each keyring, and that examining one does not change it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend

from provision.credentials import choose as choosing
from provision.credentials import doctor as module
from provision.credentials import examine, init, vault
from provision.credentials.book import Book
from provision.hints import render
from provision.model import Secret
from provision.settings import Settings
from tests.unit.keyrings import cheap_blank

FAB = Path(sys.executable).with_name("fab")
REFUSED = {
    "keyring.backends.null.Keyring": "drops every secret",
    "keyring.backends.fail.Keyring": "keeps nothing",
    "keyrings.alt.file.PlaintextKeyring": "in plain text",
    "keyrings.alt.file.EncryptedKeyring": "changed without notice",
}


class Sound(KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.kept = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        del self.kept[service, username]


class Trimming(Sound):
    """One that changes what it is given."""

    def set_password(self, service, username, password):
        super().set_password(service, username, password.strip())


class Keeping(Sound):
    """One that forgets nothing."""

    def delete_password(self, service, username):
        pass


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setattr(Book, "blank", cheap_blank)
    monkeypatch.setattr(choosing, "_desktop", lambda: None)
    return Settings(
        inventory=(), pins=tmp_path / "known_hosts", keyring_file=tmp_path / "shop" / "keyring.kdbx",
        state_dir=tmp_path / ".provision", master_file=tmp_path / "master", keyring="kdbx",
    )  # fmt: skip


def parts(settings):
    vault.choose.cache_clear()
    return {each.part: each for each in examine(settings)}


def faults(settings):
    return {name: each for name, each in parts(settings).items() if each.hint}


def test_a_keyring_that_is_right_has_no_fault_and_is_not_changed(settings):
    init(settings)
    before = {file: file.read_bytes() for file in settings.keyring_file.parent.iterdir()}
    found = parts(settings)
    assert list(found) == ["ssh", "keyring", "file", "master", "canary"]
    assert [each.hint for each in found.values()] == [()] * 5
    assert {file: file.read_bytes() for file in settings.keyring_file.parent.iterdir()} == before


def test_a_file_that_is_not_made_yet_is_told(settings):
    found = faults(settings)
    assert [(name, render(each.hint)) for name, each in found.items()] == [("file", "fab credentials.init")]


@pytest.mark.parametrize(
    ("name", "mode"), [("keyring.kdbx", 0o640), ("keyring.kdbx.lock", 0o602), (".", 0o770), (".", 0o707)]
)
def test_bad_modes_are_reported_with_the_command_that_repairs_them(settings, name, mode):
    init(settings)
    place = settings.keyring_file.parent / name
    place.chmod(mode)
    hint = render(faults(settings)["file"].hint)
    assert hint.startswith("chmod")
    subprocess.run(hint.split(), check=True)
    assert stat.S_IMODE(place.stat().st_mode) & 0o077 == 0
    assert faults(settings) == {}


def test_another_users_file_is_told(settings, monkeypatch):
    init(settings)
    owner = settings.keyring_file.stat().st_uid
    monkeypatch.setattr(module.os, "geteuid", lambda: owner + 1)
    assert "belongs to another user" in faults(settings)["file"].seen


def test_a_wrong_master_is_a_fault_and_nothing_after_it_is_looked_at(settings):
    init(settings)
    settings.master_file.write_text("another one")
    assert "does not open" in faults(settings)["keyring"].seen
    assert "canary" not in parts(settings)


def test_a_directory_without_room_is_told(settings, monkeypatch):
    init(settings)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("provision.credentials.storage.os.fsync", full)
    assert "No space left" in faults(settings)["keyring"].seen
    assert sorted(each.name for each in settings.keyring_file.parent.iterdir()) == [
        "keyring.kdbx",
        "keyring.kdbx.lock",
    ]


@pytest.mark.parametrize(
    ("backend", "word"),
    [(Trimming(), "another text"), (Keeping(), "still has what was deleted"), (Sound(), "")],
)
def test_a_canary_shows_what_a_keyring_does_to_a_secret(settings, monkeypatch, backend, word):
    monkeypatch.setattr(module, "choose", lambda _settings: backend)
    found = faults(settings)
    assert list(found) == (["canary"] if word else [])
    assert not word or word in found["canary"].seen


@pytest.mark.parametrize("version", ["OpenSSH_8.3p1, OpenSSL", "OpenSSH_7.4", "dropbear"])
def test_an_old_ssh_is_a_fault(settings, monkeypatch, version):
    init(settings)
    done = subprocess.CompletedProcess([], 0, "", version)
    monkeypatch.setattr(module.subprocess, "run", lambda *_args, **_more: done)
    assert list(faults(settings)) == ["ssh"]


def test_no_ssh_at_all_is_a_fault(settings, monkeypatch):
    def missing(*_args, **_more):
        raise FileNotFoundError

    monkeypatch.setattr(module.subprocess, "run", missing)
    assert "install OpenSSH" in render(faults(settings)["ssh"].hint)


@pytest.fixture
def fab(tmp_path):
    """Return a function that runs `fab` in a bare project, and its environment."""
    (tmp_path / "fabfile.py").write_text("from provision.tasks import namespace\n")
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / "keyring.kdbx").write_bytes(cheap_blank(Secret("a master for tests")))
    (tmp_path / "keys" / "keyring.kdbx").chmod(0o600)
    kept = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PROVISION_KEYRING_FILE": str(tmp_path / "keys" / "keyring.kdbx"),
        "PROVISION_MASTER": "a master for tests",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
    }

    def run(*words, **more):
        return subprocess.run(
            [FAB, *words], cwd=tmp_path, env=kept | more, capture_output=True, text=True, input="s3cret\n"
        )

    return run


def test_a_person_without_a_desktop_sees_the_embedded_file(fab):
    done = fab("credentials.doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok     keyring  KDBX 4: the embedded file, as no desktop keyring answers here" in done.stdout
    assert "ok     canary   a secret was set, read back the same, and deleted" in done.stdout


def test_the_copy_that_a_killed_one_left_goes_with_the_next(fab, tmp_path):
    left = tmp_path / "keys" / "keyring.kdbx.rehearsal"
    left.mkdir()
    (left / "keyring.kdbx.new").write_bytes(b"half a copy")
    assert fab("credentials.doctor").returncode == 0
    assert not left.exists()


@pytest.mark.parametrize("how", ["option", "variable", "chain"])
@pytest.mark.parametrize(("name", "why"), REFUSED.items())
def test_a_person_is_told_why_a_backend_is_refused_and_what_to_do(fab, tmp_path, how, name, why):
    if how == "chain":
        module_, _, kind = name.rpartition(".")
        (tmp_path / "chained.py").write_text(
            f"from keyring.backends.chainer import ChainerBackend\nfrom {module_} import {kind}\n"
            f"class Chain(ChainerBackend):\n    priority = 1\n    backends = [{kind}()]\n"
        )
        done = fab("credentials.doctor", PYTHON_KEYRING_BACKEND="chained.Chain", PYTHONPATH=str(tmp_path))
    elif how == "option":
        done = fab("credentials.doctor", "--keyring", name)
    else:
        done = fab("credentials.doctor", PYTHON_KEYRING_BACKEND=name)
    assert done.returncode == 1
    assert f"FAULT  keyring  the keyring backend {name} is refused: " in done.stdout
    assert why in done.stdout
    assert "--keyring kdbx" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_third_partys_keyring_is_used_by_its_variable(fab, tmp_path):
    (tmp_path / "third.py").write_text(
        "import json, pathlib\nfrom keyring.backend import KeyringBackend\n"
        f"FILE = pathlib.Path({str(tmp_path / 'kept')!r})\n"
        "class Keyring(KeyringBackend):\n    priority = 1\n"
        "    def _all(self): return json.loads(FILE.read_text()) if FILE.exists() else {}\n"
        "    def get_password(self, s, u): return self._all().get(s + u)\n"
        "    def set_password(self, s, u, p): FILE.write_text(json.dumps(self._all() | {s + u: p}))\n"
        "    def delete_password(self, s, u):\n"
        "        kept = self._all()\n        del kept[s + u]\n        FILE.write_text(json.dumps(kept))\n"
    )
    third = {"PYTHON_KEYRING_BACKEND": "third.Keyring", "PYTHONPATH": str(tmp_path)}
    done = fab("credentials.doctor", **third)
    assert done.returncode == 0, done.stdout
    assert "named by PYTHON_KEYRING_BACKEND" in done.stdout
    assert fab("credentials.set", "web1", "--stdin", **third).returncode == 0
    assert "s3cret" in (tmp_path / "kept").read_text()
    assert fab("credentials.forget", "web1", **third).returncode == 0
    assert (tmp_path / "kept").read_text() == "{}"


def test_a_backend_that_raises_what_it_likes_is_told_and_keeps_no_canary(fab, tmp_path):
    (tmp_path / "odd.py").write_text(
        "from pathlib import Path\n"
        "from keyring.backend import KeyringBackend\n"
        "class Odd(KeyringBackend):\n"
        "    priority = 5\n"
        f"    def set_password(self, *words): Path('{tmp_path}/kept').touch()\n"
        "    def get_password(self, *words): raise ZeroDivisionError('odd')\n"
        f"    def delete_password(self, *words): Path('{tmp_path}/kept').unlink()\n"
    )
    done = fab("credentials.doctor", PYTHON_KEYRING_BACKEND="odd.Odd", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "FAULT  canary   it does not answer: ZeroDivisionError: odd" in done.stdout
    assert not (tmp_path / "kept").exists()
