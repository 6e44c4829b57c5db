"""Parse a cloud console's export of host keys: the log of a first boot, or a list."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from provision.errors import UsageError
from provision.model import HostKey
from provision.trust import type_inside

_KEY = re.compile(
    r"\b(ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)|ssh-rsa) (AAAA[A-Za-z0-9+/]+={0,2})(?![A-Za-z0-9+/=])"
)
# A line of a list: a name followed by the key. cloud-init's log lines have a colon after the first word.
_OTHERS = re.compile(r"(?!ssh-|ecdsa-)\S*[^\s:] (?:ssh-ed25519|ecdsa-sha2-\S+|ssh-rsa) AAAA")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}(?![A-Za-z0-9+/])")
# The block that cloud-init prints between other messages of the boot.
_BLOCK = re.compile(r"-----BEGIN SSH HOST KEY \w+-----\n(.*?)-----END SSH HOST KEY", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Exported:
    """The export about one host: whole keys, one per type, and fingerprints."""

    keys: tuple[HostKey, ...]
    fingerprints: tuple[str, ...]


def exported(text: str, name: str, names: Iterable[str]) -> Exported:
    """Return the keys of host ``name``; ``names`` are all requested hosts.

    In a list each line begins with a host's name; a text without such lines is the console log of one host.
    Raises UsageError when it has no key of this host, or two of one type, or could belong to several hosts.
    """
    names = tuple(names)
    blocks = _BLOCK.findall(text.replace("\r", ""))
    printed = "".join(blocks) if blocks else text
    lines = [line for line in printed.splitlines() if _KEY.search(line) or _FINGERPRINT.search(line)]
    named = [line for line in lines if line.split()[0] in names]
    if not named and len(names) > 1:
        raise UsageError(
            "that file names no host", "put the host's name before each line, or trust one at a time"
        )
    if not named and any(_OTHERS.match(line) for line in lines):
        raise UsageError(
            f"that file names other hosts, but not {name}", f"put {name} before each of its lines"
        )
    own = [line for line in named if line.split()[0] == name] if named else lines
    keys = {
        HostKey(name, kind, blob)
        for line in own
        for kind, blob in _KEY.findall(line)
        if type_inside(blob) == kind
    }
    fingerprints = {found for line in own for found in _FINGERPRINT.findall(line)}
    if not keys and not fingerprints:
        raise UsageError(
            f"that file holds no host key of {name}", "export the log of its first boot, and try again"
        )
    if len({key.type for key in keys}) < len(keys):
        raise UsageError(
            f"that file holds two different keys of one type for {name}", "see which boot is the last one"
        )
    return Exported(tuple(sorted(keys, key=lambda key: key.type)), tuple(sorted(fingerprints)))
