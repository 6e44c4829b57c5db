"""Count the keys in a key file and give their fingerprints, without gpg.

RFC 9580: armor in section 6, packet headers in 4.2, the version 4 fingerprint in 5.5.4.2.
"""

import base64
import binascii
import hashlib
import re

PUBLIC_KEY = 6
ARMOR = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----[^\n]*\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)


def fingerprints(data):
    """Give the fingerprint of each primary key in ``data`` (bytes), armored or not.

    Raises ValueError when it is no key file, or holds a key that is not version 4.
    """
    bodies = [body for block in _blocks(data) for tag, body in _packets(block) if tag == PUBLIC_KEY]
    return [_fingerprint(body) for body in bodies]


def _fingerprint(body):
    if body[:1] != b"\x04":
        raise ValueError("a key of another version than 4")
    head = bytearray([0x99, len(body) >> 8, len(body) & 0xFF])
    return hashlib.sha1(bytes(head + body)).hexdigest().upper()  # noqa: S324 (the RFC says SHA-1)


def _blocks(data):
    text = data.decode("latin-1").replace("\r", "")
    armored = ARMOR.findall(text)
    return [_unarmor(block) for block in armored] if armored else [bytearray(data)]


def _unarmor(block):
    # Headers end at the first empty line; the last line that starts with = is a checksum.
    body = block.split("\n\n", 1)[-1]
    lines = [line for line in body.split("\n") if line and not line.startswith("=")]
    try:
        return bytearray(base64.b64decode("".join(lines).encode("ascii")))
    except (binascii.Error, TypeError, UnicodeError):
        raise ValueError("broken armor")


def _packets(data):
    at = 0
    while at < len(data):
        try:
            tag, size, at = _header(data, at)
        except IndexError:
            raise ValueError("cut short")
        if at + size > len(data):
            raise ValueError("cut short")
        yield tag, data[at:at + size]
        at += size


def _header(data, at):
    first = data[at]
    if not first & 0x80:
        raise ValueError("no key file")
    if first & 0x40:
        size, at = _new_length(data, at + 1)
        return first & 0x3F, size, at
    width = (1, 2, 4, 0)[first & 3]
    if not width:
        raise ValueError("a packet without a length")
    return (first >> 2) & 0x0F, _number(data[at + 1:at + 1 + width]), at + 1 + width


def _new_length(data, at):
    first = data[at]
    if first < 192:
        return first, at + 1
    if first < 224:
        return ((first - 192) << 8) + data[at + 1] + 192, at + 2
    if first == 255:
        return _number(data[at + 1:at + 5]), at + 5
    raise ValueError("a packet in parts")


def _number(octets):
    value = 0
    for octet in octets:
        value = value << 8 | octet
    return value
