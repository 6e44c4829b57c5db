"""The embedded keyring file: what it keeps, and what it does when it is harmed."""

import multiprocessing
import os
import subprocess
import sys

import pykeepass
import pytest
from keyring.errors import PasswordDeleteError, PasswordSetError
from keyring.testing.backend import BackendBasicTests

from provision import atomic
from provision.credentials import storage
from provision.credentials.book import Book
from provision.credentials.kdbx import KdbxKeyring
from provision.errors import KeyringError
from provision.model import Secret
from tests.unit.keyrings import cheap_blank

MASTER = Secret("correct horse battery")


@pytest.fixture(scope="module")
def blank():
    return cheap_blank(MASTER)


@pytest.fixture
def file(tmp_path, blank):
    place = tmp_path / "shop" / "keyring.kdbx"
    place.parent.mkdir(mode=0o700)
    place.write_bytes(blank)
    place.chmod(0o600)
    return place


def opened(file, master=MASTER):
    return KdbxKeyring(file, lambda: master)


class TestAsAnyKeyring(BackendBasicTests):
    """The keyring library's own battery; XML cannot hold control characters but TAB."""

    DIFFICULT_CHARS = " \t" + "".join(map(chr, range(33, 127)))[:94]

    @pytest.fixture(autouse=True)
    def _init_properties(self, file):
        self.keyring = opened(file)
        self.credentials_created = set()


def test_a_new_file_is_kdbx_4_with_argon2_and_aes_and_private(tmp_path):
    file = tmp_path / "new" / "keyring.kdbx"
    opened(file).create(MASTER)
    database = pykeepass.PyKeePass(file, password=MASTER.reveal())
    assert (database.version, database.kdf_algorithm, database.encryption_algorithm) == (
        (4, 0),
        "argon2",
        "aes256",
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_is_never_made_over_another(file):
    before = file.read_bytes()
    with pytest.raises(KeyringError, match="exists already"):
        opened(file).create(MASTER)
    assert file.read_bytes() == before


def test_no_file_is_like_an_empty_one_and_asks_for_no_master(tmp_path):
    ring = KdbxKeyring(tmp_path / "keyring.kdbx", lambda: pytest.fail("asked for a master"))
    assert ring.get_password("provision/x", "host/web1/password") is None
    assert ring.usernames("provision/x") == ()


def test_setting_without_a_file_names_init(tmp_path):
    with pytest.raises(KeyringError) as caught:
        opened(tmp_path / "keyring.kdbx").set_password("s", "u", "p")
    assert caught.value.failure.hint == "fab credentials.init"


@pytest.mark.parametrize("text", [" ends ", "a\tb", "'\"\\%$#", "{{ 7*7 }}", "]]>&amp;<x>", "🐙", "x" * 1023])
def test_what_was_set_is_read_by_another_process_unchanged(file, text):
    opened(file).set_password("s", "u", text)
    assert opened(file).get_password("s", "u") == text


@pytest.mark.parametrize("text", ["\x1b[0m", "\x07", "\x00", "\ufffe"])
def test_text_that_xml_cannot_hold_is_refused_and_nothing_changes(file, text):
    ring = opened(file)
    ring.set_password("s", "u", "before")
    with pytest.raises(PasswordSetError):
        ring.set_password("s", "u", text)
    with pytest.raises(PasswordSetError):
        ring.set_password("s", "v", text)
    assert ring.get_password("s", "u") == "before"
    assert opened(file).usernames("s") == ("u",)


@pytest.mark.parametrize("name", ["x' or '1'='1", 'x" or "1"="1', "*", ".*", "web1'] | //Entry[", "", "WEB1"])
def test_a_crafted_name_finds_no_other_entry(file, name):
    ring = opened(file)
    ring.set_password("s", "web1", "of web1")
    assert ring.get_password("s", name) is None
    assert ring.get_password(name, "web1") is None
    with pytest.raises(PasswordDeleteError):
        ring.delete_password("s", name)


def test_a_crafted_name_is_a_name_like_any_other(file):
    name = 'web1"] | //Entry["'
    opened(file).set_password("s", "web1", "of web1")
    opened(file).set_password("s", name, "of the other")
    assert opened(file).get_password("s", name) == "of the other"
    assert opened(file).get_password("s", "web1") == "of web1"


def test_an_entry_in_the_recycle_bin_is_gone(file):
    opened(file).set_password("s", "u", "p")
    database = pykeepass.PyKeePass(file, password=MASTER.reveal())
    database.trash_entry(database.entries[0])
    database.save()
    assert opened(file).get_password("s", "u") is None


def test_an_entry_moved_into_a_folder_by_hand_is_found(file):
    opened(file).set_password("s", "u", "p")
    database = pykeepass.PyKeePass(file, password=MASTER.reveal())
    folder = database.add_group(database.root_group, "servers")
    database.move_entry(database.entries[0], folder)
    database.save()
    assert opened(file).get_password("s", "u") == "p"


def test_a_wrong_master_is_told_and_says_nothing_of_it(file):
    with pytest.raises(KeyringError, match="does not open") as caught:
        opened(file, Secret("wrong-canary")).get_password("s", "u")
    assert "wrong-canary" not in repr(caught.value.failure)


def test_each_flipped_bit_is_noticed(file):
    opened(file).set_password("s", "u", "p")
    whole = file.read_bytes()
    for place in range(len(whole)):
        harmed = bytearray(whole)
        harmed[place] ^= 1 << place % 8
        file.write_bytes(harmed)
        with pytest.raises(KeyringError):
            opened(file).get_password("s", "u")


def test_each_truncation_is_noticed(file):
    opened(file).set_password("s", "u", "p")
    whole = file.read_bytes()
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        with pytest.raises(KeyringError):
            opened(file).get_password("s", "u")


def test_a_damaged_file_names_the_copy_and_the_copy_opens(file):
    ring = opened(file)
    ring.set_password("s", "u", "first")
    ring.set_password("s", "v", "second")
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(KeyringError) as caught:
        opened(file).get_password("s", "u")
    assert caught.value.failure.hint.endswith(f"cp {storage.previous(file)} {file}")
    storage.previous(file).replace(file)
    assert opened(file).get_password("s", "u") == "first"


def test_a_damaged_file_is_never_written_over(file):
    file.write_bytes(file.read_bytes()[:-40])
    harmed = file.read_bytes()
    with pytest.raises(KeyringError):
        opened(file).set_password("s", "u", "p")
    assert file.read_bytes() == harmed


def test_the_master_is_asked_once_and_the_change_of_another_is_seen(file):
    asked = []
    ring = KdbxKeyring(file, lambda: asked.append(1) or MASTER)
    assert ring.get_password("s", "u") is None
    opened(file).set_password("s", "u", "by another")
    assert ring.get_password("s", "u") == "by another"
    ring.set_password("s", "v", "mine")
    assert opened(file).usernames("s") == ("u", "v")
    assert asked == [1]


def test_a_write_leaves_only_file_copy_and_lock_all_private(file):
    opened(file).set_password("s", "u", "p")
    opened(file).delete_password("s", "u")
    modes = {each.name: each.stat().st_mode & 0o777 for each in file.parent.iterdir()}
    assert modes == dict.fromkeys(["keyring.kdbx", "keyring.kdbx.lock", "keyring.kdbx.previous"], 0o600)


def test_a_full_disk_is_told_and_harms_nothing(file, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    before = file.read_bytes()
    ring = opened(file)
    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(KeyringError, match="No space left"):
        ring.set_password("s", "u", "p")
    assert file.read_bytes() == before
    assert ring.get_password("s", "u") is None


def test_what_a_killed_writer_left_does_not_stop_the_next(file):
    file.with_name(".keyring.kdbx.new").write_bytes(b"half")
    opened(file).set_password("s", "u", "p")
    assert opened(file).get_password("s", "u") == "p"


def _write_ten(file, writer):
    for number in range(10):
        opened(file).set_password("s", f"{writer}-{number}", "p")


def test_two_writers_at_once_lose_nothing(file):
    spawn = multiprocessing.get_context("fork")
    writers = [spawn.Process(target=_write_ten, args=(file, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert len(opened(file).usernames("s")) == 20


def test_a_held_lock_is_waited_for_within_a_bound(file, monkeypatch):
    monkeypatch.setattr(storage, "LOCK_WAIT_S", 0.1)
    with storage.exclusive(file), pytest.raises(KeyringError, match="another process"):
        opened(file).set_password("s", "u", "p")


def test_seeds_are_fresh_in_each_write(file):
    opened(file).set_password("s", "u", "p")
    first = file.read_bytes()
    opened(file).set_password("s", "u", "p")
    assert file.read_bytes()[40:] != first[40:]
    assert b"correct" not in first


def test_the_keyring_command_uses_the_file(file):
    def keyring(*words, text=""):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": str(file.parent),
            "PYTHON_KEYRING_BACKEND": "provision.credentials.kdbx.KdbxKeyring",
            "PROVISION_KEYRING_FILE": str(file),
            "PROVISION_MASTER": MASTER.reveal(),
        }
        command = [sys.executable, "-m", "keyring", *words]
        return subprocess.run(command, input=text, env=environment, capture_output=True, text=True)

    assert keyring("set", "provision/shop", "host/web1/password", text="s3cret").returncode == 0
    assert keyring("get", "provision/shop", "host/web1/password").stdout == "s3cret\n"
    assert opened(file).get_password("provision/shop", "host/web1/password") == "s3cret"
    assert keyring("del", "provision/shop", "host/web1/password").returncode == 0
    assert keyring("get", "provision/shop", "host/web1/password").returncode == 1


def test_a_book_that_reads_back_otherwise_is_not_sealed(blank):
    book = Book.open(blank, MASTER)
    book.put("s", "u", "a\ud7ffb\ufdd0")
    book.seal()
    book._entries["s", "ghost"] = book._entries["s", "u"]
    with pytest.raises(ValueError, match="changes"):
        book.seal()
