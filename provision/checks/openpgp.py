"""The fingerprints in a host's key file, subkeys included, without gpg on the host.

RFC 9580: armor in section 6, packet headers in 4.2, the version 4 fingerprint in 5.5.4.2.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

_PRIMARY, _SUBKEY = 6, 14
_BLOCK = rb"PGP PUBLIC KEY BLOCK-----"
_ARMOR = re.compile(rb"-----BEGIN " + _BLOCK + rb"(.*?)-----END " + _BLOCK, re.DOTALL)


def certificates(data: bytes) -> list[list[str]]:
    """Return the fingerprints of each key in ``data`` and its subkeys, in lower case hex; [] for none.

    A key of a version other than 4 is skipped.
    """
    blocks = [_octets(block) for block in _ARMOR.findall(data)] or [data]
    try:
        packets = [packet for block in blocks for packet in _packets(block)]
    except (IndexError, ValueError):
        return []
    found: list[list[str]] = [[]]
    for tag, body in packets:
        if tag == _PRIMARY:
            found.append([])
        if tag in (_PRIMARY, _SUBKEY) and body[:1] == b"\x04":
            content = b"\x99" + len(body).to_bytes(2, "big") + body
            found[-1].append(hashlib.sha1(content, usedforsecurity=False).hexdigest())
    return [keys for keys in found if keys]


def _octets(armor: bytes) -> bytes:
    """Return what one block of armor holds; headers end at an empty line, and a line with = is a checksum."""
    lines = [line.strip() for line in armor.strip(b"\r\n").splitlines()]
    body = lines[lines.index(b"") + 1 :] if b"" in lines else lines
    try:
        return base64.b64decode(b"".join(line for line in body if not line.startswith(b"=")))
    except binascii.Error:
        return b""


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, size, at = _header(data, at)
        if at + size > len(data):
            raise ValueError("cut short")
        yield tag, data[at : at + size]
        at += size


def _header(data: bytes, at: int) -> tuple[int, int, int]:
    """Return type and length of the packet at ``at``, and where its body begins."""
    first = data[at]
    if not first & 0x80:
        raise ValueError("no packet")
    if first & 0x40:
        return first & 0x3F, *_new_length(data, at + 1)
    width = (1, 2, 4, 0)[first & 3]
    if not width:
        raise ValueError("a packet without a length")
    end = at + 1 + width
    return first >> 2 & 0x0F, int.from_bytes(data[at + 1 : end], "big"), end


def _new_length(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 192:
        return first, at + 1
    if first < 224:
        return (first - 192 << 8) + data[at + 1] + 192, at + 2
    if first == 255:
        return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5
    raise ValueError("a packet in parts")
