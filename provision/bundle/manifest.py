"""What is in a bundle: the files with their checksums, and the hosts that they are for."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FORMAT = 1
KEY = "key"
KEY_CAP_BYTES = 1 << 20
CAP_BYTES = 8 << 30
_WORDS = {
    "system": re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}"),
    "platform": re.compile(r"[a-z0-9._-]+ [0-9]* [a-z0-9_]+"),
    "channel": re.compile(r"[a-z][a-z0-9-]*"),
    "version": re.compile(r"[A-Za-z0-9.+~^_-]{1,100}"),
}
_SIGNER = re.compile(r"[0-9a-f]{16}")
_NAME = re.compile(r"key|(?:repodata|packages)/[A-Za-z0-9_][A-Za-z0-9.+~^_-]{0,200}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a bundle."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a bundle: packages of one ``version`` of Docker for hosts of one ``platform``.

    ``system`` names the platform for a person. ``signers`` are the ids of the keys that signed the packages.
    """

    system: str
    platform: str
    channel: str
    version: str
    signers: tuple[str, ...]
    members: tuple[Member, ...]

    @property
    def data(self) -> bytes:
        """The manifest as it is in the file."""
        members = [[each.name, each.size, each.sha256] for each in self.members]
        row = {word: getattr(self, word) for word in _WORDS}
        row |= {"format": FORMAT, "signers": list(self.signers), "members": members}
        return json.dumps(row, indent=1, sort_keys=True).encode() + b"\n"

    @property
    def file_name(self) -> str:
        """The name for a file with this bundle."""
        return f"docker-{self.version}-{self.platform.replace(' ', '-')}.tar"

    @property
    def size(self) -> int:
        """The bytes of all members."""
        return sum(each.size for each in self.members)


def manifest_of(row: Mapping[str, Any]) -> Manifest:
    """Return the Manifest of its ``row`` in JSON; raises ValueError for one of another form."""
    try:
        words = {word: str(row[word] or "") for word in _WORDS}
        signers = tuple(map(str, row["signers"]))
        members = tuple(Member(str(name), int(size), str(digest)) for name, size, digest in row["members"])
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"its manifest is of another form: {type(error).__name__}") from None
    texts = [(_WORDS[word], words[word]) for word in words] + [(_SIGNER, each) for each in signers]
    for member in members:
        texts += [(_NAME, member.name), (_SHA256, member.sha256)]
    for pattern, text in texts:
        if not pattern.fullmatch(text):
            raise ValueError(f"its manifest has an unusable value: {ascii(text)[:80]}")
    sizes = {each.name: each.size for each in members}
    if len(sizes) != len(members) or not 0 < sizes.get(KEY, 0) <= KEY_CAP_BYTES:
        raise ValueError("its manifest names a file twice, or no key")
    if min(sizes.values()) < 0 or sum(sizes.values()) > CAP_BYTES:
        raise ValueError(f"its manifest has a size that is not possible, or is above {CAP_BYTES >> 30} GB")
    return Manifest(**words, signers=signers, members=members)
