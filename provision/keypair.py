"""An ed25519 key that lives in the keyring and in memory, and in no file.

As a secret it is one line: the base64 text of OpenSSH's own private key format, without the lines around it.
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
    """Make a new private key."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return Secret("".join(pem.decode().splitlines()[1:-1]))


def pem(key: Secret) -> str:
    """Return what ssh-add and paramiko read; only for their stdin and their memory."""
    return f"{_BEGIN}{key.reveal()}\n{_END}"


def public(key: Secret, name: str = "NAME") -> str:
    """Return the public half, type and base64; raises MissingCredential for one of ``name`` that is no key."""
    try:
        base64.b64decode(key.reveal(), validate=True)
        found = load_ssh_private_key(pem(key).encode(), None)
    except (ValueError, binascii.Error, TypeError) as error:
        raise MissingCredential(
            f"the private-key of {name} in the keyring is no key",
            f"`fab credentials.forget {name} --kind private-key`, then: `fab keys.install {name}`",
            evidence=type(error).__name__,
        ) from None
    return found.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
