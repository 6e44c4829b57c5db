"""The keyring file and the world: another reader, a writer killed at every step, no room."""

import csv
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provision.credentials import storage
from provision.credentials.kdbx import KdbxKeyring
from provision.errors import KeyringError
from provision.model import Secret
from tests.unit.keyrings import cheap_blank

MASTER = Secret(' a "master" \\ % 🐙 ')
FAB = Path(sys.executable).with_name("fab")
SECRETS = [
    " both ends ",
    "tab\tinside",
    "quotes ' \" and \\",
    "% $ # ; & | `id` $(id)",
    "{{ 7*7 }}",
    "]]><x>&amp;",
    "emoji 🐙",
    "ימין לשמאל",
    'a,b\t"c"',
    "x" * 1023,
    "é" * 511,
]
# What the interpreter tells of before it is done: every step of a write that a kill could follow.
STEPS = {"open", "os.rename", "os.link", "os.remove", "os.mkdir"}
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def file(tmp_path):
    place = tmp_path / "shop" / "keyring.kdbx"
    place.parent.mkdir(mode=0o700)
    place.write_bytes(cheap_blank(MASTER))
    place.chmod(0o600)
    return place


def opened(file):
    return KdbxKeyring(file, lambda: MASTER)


def keepassxc(file, verb, *options, entry=(), text=""):
    """Run KeePassXC's command: a reader and writer that shares no code with ours."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(file.parent),
        "LANG": "C.UTF-8",
        "QT_QPA_PLATFORM": "offscreen",
    }
    argv = ["keepassxc-cli", verb, "-q", *options, file, *entry]
    given = f"{MASTER.reveal()}\n{text}"
    return subprocess.run(argv, input=given, env=environment, capture_output=True, text=True, timeout=60)


def test_keepassxc_reads_every_secret_as_it_was_stored(file):
    ring = opened(file)
    for number, secret in enumerate(SECRETS):
        ring.set_password("provision/shop", f"host/web{number}/password", secret)
    done = keepassxc(file, "export", "-f", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines(keepends=True)))
    assert [row["Password"] for row in rows] == SECRETS
    assert {row["Title"] for row in rows} == {"provision/shop"}
    assert [row["Username"] for row in rows] == [f"host/web{n}/password" for n in range(len(SECRETS))]


def test_what_keepassxc_stores_is_read_here(file):
    done = keepassxc(file, "add", "-u", "host/web1/password", "-p", entry=["provision"], text=" theirs 🐙\n")
    assert done.returncode == 0, done.stderr
    assert opened(file).get_password("provision", "host/web1/password") == " theirs 🐙"


def test_a_file_of_the_real_strength_is_opened_by_keepassxc(tmp_path):
    file = tmp_path / "new" / "keyring.kdbx"
    opened(file).create(MASTER)
    shown = keepassxc(file, "db-info").stdout
    assert "Cipher: AES" in shown
    assert "KDF: Argon2" in shown


def test_the_verb_stores_a_secret_as_it_is_and_refuses_what_cannot_be_one(file, tmp_path):
    (tmp_path / "fabfile.py").write_text("from provision.tasks import namespace\n")

    def fab(text):
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8",
            "PROVISION_KEYRING_FILE": str(file), "PROVISION_MASTER": MASTER.reveal(),
        }  # fmt: skip
        argv = [FAB, "credentials.set", "web1", "--stdin", "--replace"]
        done = subprocess.run(argv, cwd=tmp_path, env=environment, input=text, capture_output=True)
        return done.returncode, done.stderr.decode()

    whole = "".join(SECRETS[:8])
    assert fab(f" {whole} \n".encode()) == (0, "")
    for refused in (b"", b"\n", b"canary" * 200, b"canary\x1b[31m", b"canary\rx", b"canary\xff"):
        code, said = fab(refused)
        assert code == 1
        assert "this cannot be a password" in said or "is not UTF-8" in said
        assert "canary" not in said
    assert opened(file).get_password("provision/shop", "host/web1/password") == f" {whole} "


def _die_at(step, file):
    left = [step]

    def hook(event, _arguments):
        if event in STEPS:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    ring = opened(file)
    ring.get_password("s", "u")  # opening is no part of saving
    sys.addaudithook(hook)
    ring.set_password("s", "u", "after")


def test_a_writer_killed_at_any_step_leaves_the_old_or_the_new_file(file):
    for step in range(100):
        opened(file).set_password("s", "u", "before")
        opened(file).set_password("s", "other", f"of step {step}")
        writer = FORK.Process(target=_die_at, args=(step, file))
        writer.start()
        writer.join(30)
        assert opened(file).get_password("s", "u") in ("before", "after")
        assert opened(file).get_password("s", "other") == f"of step {step}"
        if writer.exitcode == 0:
            break
        assert writer.exitcode == -signal.SIGKILL
    assert 6 <= step < 99
    assert opened(file).get_password("s", "u") == "after"


def _write_on(file):
    for number in range(10_000):
        opened(file).set_password("s", str(number), "x" * 500)


def test_a_writer_killed_at_any_moment_loses_nothing_that_was_stored(file):
    chance, known = random.Random(5), set()
    for _ in range(12):
        writer = FORK.Process(target=_write_on, args=(file,))
        writer.start()
        time.sleep(chance.uniform(0.02, 0.2))
        writer.kill()
        writer.join()
        found = set(opened(file).usernames("s"))
        assert known <= found
        known = found
    assert len(known) > 1


def _with_no_room(file, said):
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
    try:
        opened(file).set_password("s", "u", "after")
    except KeyringError as error:
        said.put(error.failure.message)


def test_a_file_system_that_takes_no_more_is_told_and_the_file_is_whole(file):
    opened(file).set_password("s", "u", "before")
    whole, said = file.read_bytes(), FORK.Queue()
    writer = FORK.Process(target=_with_no_room, args=(file, said))
    writer.start()
    assert said.get(timeout=30) == f"cannot write {file}: File too large"
    writer.join()
    assert file.read_bytes() == whole
    assert {each.name for each in file.parent.iterdir()} == {each.name for each in storage.all_of(file)}
    opened(file).set_password("s", "u", "after")
    assert opened(file).get_password("s", "u") == "after"
