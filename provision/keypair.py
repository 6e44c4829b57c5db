"""An ed25519 key that is kept in the keyring and in memory, and in no file.

The secret is one line: the base64 text of OpenSSH's private key format, without header and footer.
"""

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from provision.errors import MissingCredential
from provision.model import Secret

_BEGIN, _END = ("-----" + word + " OPENSSH PRIVATE KEY-----\n" for word in ("BEGIN", "END"))


def generate() -> Secret:
    """Return a new private key."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return Secret("".join(pem.decode().splitlines()[1:-1]))


def pem(key: Secret) -> str:
    """Return the key as ssh-add and paramiko read it; only for their stdin and memory."""
    return f"{_BEGIN}{key.reveal()}\n{_END}"


def public(key: Secret, name: str = "NAME") -> str:
    """Return type and base64 of the public key; raises MissingCredential for an invalid key of ``name``."""
    try:
        base64.b64decode(key.reveal(), validate=True)
        found = load_ssh_private_key(pem(key).encode(), None)
    except (ValueError, binascii.Error, TypeError) as error:
        raise MissingCredential(
            f"the private-key of {name} in the keyring is not a valid key",
            f"`fab credentials.forget {name} --kind private-key`, then: `fab keys.install {name}`",
            evidence=type(error).__name__,
        ) from None
    return found.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
