"""The key files of a host are read as gpg reads them, subkeys included."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.checks.openpgp import certificates


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A keyring with two keys, one of them with a subkey."""
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    make = ["--passphrase", "", "--quick-gen-key"]
    gpg(home, *make, "one@example.org", "future-default", "default", "never")
    gpg(home, *make, "two@example.org", "rsa2048", "sign", "never")
    yield home
    # The agent that gpg has started would stay.
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)


def gpg(home: Path, *words: str) -> bytes:
    command = ["gpg", "--batch", "--homedir", str(home), *words]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_every_key_is_found_with_its_subkeys_with_and_without_armor(home: Path) -> None:
    rows = gpg(home, "--with-colons", "--list-keys").decode().splitlines()
    one, subkey, two = [row.split(":")[9].lower() for row in rows if row.startswith("fpr")]
    want = [[one, subkey], [two]]
    assert certificates(gpg(home, "--export")) == want
    assert certificates(gpg(home, "--armor", "--export")) == want
    both = [gpg(home, "--armor", "--export", f"{name}@example.org") for name in ("one", "two")]
    assert certificates(b"a note\n" + b"\n".join(both)) == want


@pytest.mark.parametrize("data", [b"", b"no key", b"\x99\xff", b"\x98\x02\x03\x00", b"\x9b\x00"])
def test_what_is_no_key_file_has_no_key(data: bytes) -> None:
    assert certificates(data) == []
    armor = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + data + b"\n-----END PGP PUBLIC KEY BLOCK-----\n"
    assert certificates(armor) == []
