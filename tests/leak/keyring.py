"""The content of a keyring file: secrets that a command made by itself are searched for, too."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from provision import keypair
from provision.credentials.book import Book
from provision.model import Secret
from tests.leak.canaries import Canary


def held(file: Path, master: Secret) -> Iterator[Canary]:
    """Return a canary for each password in the file, and two for each private key: its halves.

    A key may be written over two lines; one half of it is then still whole.
    """
    book = Book.open(file.read_bytes(), master)
    service = f"provision/{file.parent.name}"
    for name in book.usernames(service):
        secret = Secret(book.get(service, name) or "")
        is_key = name.endswith("-key")
        for marker in _halves(secret) if is_key else [_longest_word(secret)]:
            yield Canary(f"keyring: {name}", secret, marker)


def _longest_word(secret: Secret) -> str:
    words: list[str] = re.findall(r"[\w.-]+", secret.reveal(), re.ASCII)
    return max(words, key=len)


def _halves(secret: Secret) -> tuple[str, str]:
    """Return the halves of the seed alone: the rest is the same for all keys, or public."""
    key = load_ssh_private_key(keypair.pem(secret).encode(), None)
    assert isinstance(key, Ed25519PrivateKey)
    seed = key.private_bytes_raw()
    before = base64.b64decode(secret.reveal()).index(seed)
    letters = secret.reveal()[-(-before * 8 // 6) : (before + len(seed)) * 8 // 6]
    middle = len(letters) // 2
    return letters[:middle], letters[middle:]
