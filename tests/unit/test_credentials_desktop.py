"""The keyring of a desktop: a real gnome-keyring on a session bus of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from provision.settings import default_keyring_file

FAB = Path(sys.executable).with_name("fab")
SECRET = " 'q' \"d\" \\ % $ {{ 7*7 }} # 🐙 ימין "
UNLOCKED = "printf desk | gnome-keyring-daemon --unlock --components=secrets > /dev/null"
LOCKED = "gnome-keyring-daemon --start --components=secrets > /dev/null"


@pytest.fixture
def desktop(tmp_path, tmp_path_factory):
    """Return a function that types commands on a desktop: a session bus, and a keyring ``locked`` or not."""
    runtime = tmp_path_factory.mktemp("run")
    runtime.chmod(0o700)
    (tmp_path / "fabfile.py").write_text("from provision.tasks import namespace\n")
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {ansible_host: 192.0.2.1}}}\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(runtime),
        "LANG": "C.UTF-8",
        "GIVEN": f"{SECRET}\n",
    }

    def run(daemon, *commands):
        script = "\n".join([daemon, *commands]).replace("fab ", f"{FAB} ")
        argv = ["dbus-run-session", "--", "sh", "-c", script]
        return subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90)

    return run


def service(project):
    return default_keyring_file(project).parent.name


def test_a_desktops_keyring_is_found_and_keeps_a_secret_as_it_is(desktop, tmp_path):
    done = desktop(
        UNLOCKED,
        'printf %s "$GIVEN" | fab credentials.set web1 --stdin',
        "fab credentials.check && fab credentials.list && fab credentials.doctor",
        f"{sys.executable} -m keyring get provision/{service(tmp_path)} host/web1/password",
        "fab credentials.forget web1 && fab credentials.list && echo end",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "web1  password from host/web1" in lines
    assert "host/web1/password" in lines
    assert "ok     keyring  SecretService Keyring: this desktop's" in lines
    assert "ok     canary   a secret was set, read back the same, and deleted" in lines
    assert SECRET in lines
    assert lines[-2:] == ["removed the password of host/web1", "end"]
    assert not list(tmp_path.rglob("*.kdbx"))


def test_a_locked_desktop_keyring_is_told_and_does_not_hang(desktop):
    done = desktop(LOCKED, "fab credentials.doctor")
    assert done.returncode == 1
    assert "ok     keyring  SecretService Keyring: this desktop's" in done.stdout
    assert "FAULT  canary   it does not answer: " in done.stdout
    assert "--keyring kdbx" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
