"""Where the master password comes from, and in which order."""

import os
import subprocess
import sys

import pytest

from provision.credentials import master
from provision.credentials.master import Sources, invent, obtain
from provision.errors import KeyringError


@pytest.fixture(autouse=True)
def _no_sources(monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.delenv("PROVISION_MASTER", raising=False)
    monkeypatch.setattr(master, "_taken", {})
    monkeypatch.setattr(master.getpass, "getpass", lambda _prompt: pytest.fail("asked a person"))


def pipe(text):
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    return reader


def test_the_throw_away_file_comes_first(tmp_path):
    file = tmp_path / "master"
    file.write_text("from the file\n")
    assert obtain(tmp_path, Sources(file, 99, True)).reveal() == "from the file"


def test_then_the_descriptor_which_is_closed_after(tmp_path):
    reader = pipe("from the pipe\n")
    assert obtain(tmp_path, Sources(None, reader, True)).reveal() == "from the pipe"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)


def test_then_the_credential_of_systemd(tmp_path, monkeypatch):
    (tmp_path / "provision-master").write_text("from systemd")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert obtain(tmp_path, Sources(person=True)).reveal() == "from systemd"


def test_then_a_person_before_the_variable(tmp_path, monkeypatch):
    monkeypatch.setattr(master.getpass, "getpass", lambda _prompt: "typed")
    monkeypatch.setenv("PROVISION_MASTER", "from the variable")
    assert obtain(tmp_path, Sources(person=True)).reveal() == "typed"
    assert "PROVISION_MASTER" not in os.environ


def test_the_variable_is_last_and_leaves_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVISION_MASTER", "from the variable")
    assert obtain(tmp_path, Sources()).reveal() == "from the variable"
    assert "PROVISION_MASTER" not in os.environ


def test_the_variable_is_gone_from_what_the_kernel_shows_of_the_process():
    script = (
        "import os; from provision.credentials.master import from_environment as take\n"
        "assert take() == os.environ['SAME'] == take()\n"
        "print(open('/proc/self/environ').read().count('canary'), 'PROVISION_MASTER' in os.environ)"
    )
    environment = {"PROVISION_MASTER": "canary é", "PATH": os.environ["PATH"], "SAME": "canary é"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout == "1 False\n", done.stderr


def test_without_any_source_the_error_names_them(tmp_path):
    with pytest.raises(KeyringError) as caught:
        obtain(tmp_path / "keyring.kdbx", Sources())
    hint = caught.value.failure.hint
    assert all(word in hint for word in ("terminal", "--unlock-fd", "LoadCredential", "PROVISION_MASTER"))


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_answer_is_no_master(tmp_path, text):
    with pytest.raises(KeyringError, match="locked"):
        obtain(tmp_path, Sources(descriptor=pipe(text)))


def test_a_missing_file_and_a_closed_descriptor_are_told(tmp_path):
    with pytest.raises(KeyringError, match="cannot be read"):
        obtain(tmp_path, Sources(file=tmp_path / "none"))
    with pytest.raises(KeyringError, match="--unlock-fd"):
        obtain(tmp_path, Sources(descriptor=987))


def test_a_new_one_is_typed_twice(tmp_path, monkeypatch):
    answers = iter(["long enough", "long enough", "long enough", "another one"])
    monkeypatch.setattr(master.getpass, "getpass", lambda _prompt: next(answers))
    assert invent(tmp_path, Sources(person=True)).reveal() == "long enough"
    with pytest.raises(KeyringError, match="differ"):
        invent(tmp_path, Sources(person=True))


def test_a_short_new_one_is_refused(tmp_path):
    with pytest.raises(KeyringError, match="at least 8"):
        invent(tmp_path, Sources(descriptor=pipe("1234567")))


def test_a_throw_away_file_is_made_private_and_used_again(tmp_path):
    file = tmp_path / "lab" / "master"
    made = invent(tmp_path, Sources(file=file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert obtain(tmp_path, Sources(file=file)) == made
