"""What a cloud console says of host keys: cloud-init's blocks, lists, and what is no answer."""

import base64

import pytest

from provision.errors import UsageError
from provision.model import HostKey
from provision.trust.console import exported


def blob(kind: str, seed: str = "a") -> str:
    data = b"".join(len(part).to_bytes(4) + part for part in (kind.encode(), seed.encode() * 8))
    return base64.b64encode(data).decode()


ED, RSA = (f"{kind} {blob(kind)}" for kind in ("ssh-ed25519", "ssh-rsa"))
FINGERPRINT = HostKey("web1", *ED.split()).fingerprint
CONSOLE = f"""\
[   12.1] cloud-init[812]: Generating public/private rsa key pair, SHA256:{"A" * 43}\r
-----BEGIN SSH HOST KEY FINGERPRINTS-----\r
256 {FINGERPRINT} root@web1 (ED25519)\r
-----END SSH HOST KEY FINGERPRINTS-----\r
-----BEGIN SSH HOST KEY KEYS-----\r
{ED} root@web1\r
{RSA} root@web1\r
-----END SSH HOST KEY KEYS-----\r
web1 login: \r
"""


def types(text: str, name: str = "web1", names: tuple[str, ...] = ("web1",)) -> list[str]:
    return [key.type for key in exported(text, name, names).keys]


def test_the_log_of_a_first_boot_gives_each_key_and_its_fingerprint() -> None:
    found = exported(CONSOLE, "web1", ["web1"])
    assert [(key.name, key.type) for key in found.keys] == [("web1", "ssh-ed25519"), ("web1", "ssh-rsa")]
    assert found.fingerprints == (FINGERPRINT,)


def test_what_stands_outside_of_cloud_inits_blocks_is_not_taken() -> None:
    assert "A" * 43 not in str(exported(CONSOLE, "web1", ["web1"]).fingerprints)


def test_the_output_of_ssh_keygen_gives_a_fingerprint() -> None:
    found = exported(f"256 {FINGERPRINT} root@web1 (ED25519)\n", "web1", ["web1"])
    assert (found.keys, found.fingerprints) == ((), (FINGERPRINT,))


def test_in_a_list_each_host_has_its_own_lines() -> None:
    text = f"web1 {ED}\nweb2 {RSA}\nweb2 SHA256:{'B' * 43}\n"
    names = ("web1", "web2")
    assert types(text, "web1", names) == ["ssh-ed25519"]
    assert types(text, "web2", names) == ["ssh-rsa"]
    assert exported(text, "web2", names).fingerprints == (f"SHA256:{'B' * 43}",)


@pytest.mark.parametrize(
    ("text", "names", "words"),
    [
        (f"{ED}\n", ("web1", "web2"), "names no host"),
        ("web1 login: \n", ("web1",), "no host key of web1"),
        (f"web2 {ED}\n", ("web1", "web2"), "no host key of web1"),
        (f"{ED}\nssh-ed25519 {blob('ssh-ed25519', 'b')}\n", ("web1",), "two different keys"),
        (f"ssh-rsa {blob('ssh-ed25519')}\n", ("web1",), "no host key of web1"),
        (f"web2 {ED}\n", ("web1",), "names other hosts, but not web1"),
        ("", ("web1",), "no host key of web1"),
    ],
)
def test_what_could_be_misread_is_refused(text: str, names: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        exported(text, "web1", names)
