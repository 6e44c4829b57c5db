"""The fingerprints of the keys in a key file, and when they expire, without gpg.

RFC 9580: armor in section 6, packet headers in 4.2, the version 4 fingerprint in 5.5.4.2,
signatures in 5.2.3, their subpackets in 5.2.3.7.
"""

import base64
import hashlib
import re
import struct

PUBLIC_KEY, SUBKEY = 6, 14
SIGNATURE = 2
SIGNED_AT = 2
EXPIRES_AFTER = 9
# Types of self-signatures: over a user id, and over the key alone.
OF_ITSELF = (0x10, 0x11, 0x12, 0x13, 0x1F)
# The packets of a public key: signature, public key, user id, subkey, user attribute.
OF_A_KEY = (SIGNATURE, PUBLIC_KEY, 13, SUBKEY, 17)
BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}\Z")
BEGIN, END = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"


def fingerprints(data, kinds=(PUBLIC_KEY,)):
    """Return the fingerprint of each key of these ``kinds`` in ``data`` (bytes), armored or not.

    Raise ValueError when it is not a key file, or holds a key that is not version 4.
    """
    found = list(_packets(_binary(data)))
    strange = sorted({tag for tag, _ in found} - set(OF_A_KEY))
    if strange:
        raise ValueError("a packet of type %d, which no public key has" % strange[0])
    keys = [body for tag, body in found if tag in kinds]
    if any(body[:1] != b"\x04" for body in keys):
        raise ValueError("a key of a version other than 4")
    heads = [bytearray([0x99, len(body) >> 8, len(body) & 0xFF]) for body in keys]
    return [
        hashlib.sha1(bytes(head + body)).hexdigest().upper()  # noqa: S324 (the RFC says SHA-1)
        for head, body in zip(heads, keys)]


def armored(data):
    """Return ``data`` in new armor.

    Parsers of armor differ in where they see its beginning and end, and rpm must read exactly what was
    checked here. The checksum is the CRC-24 of RFC 9580, section 6.1.
    """
    octets = _binary(data)
    text = base64.b64encode(bytes(octets)).decode("ascii")
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    crc = 0xB704CE
    for octet in octets:
        crc ^= octet << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    check = base64.b64encode(struct.pack(">I", crc)[1:]).decode("ascii")
    return "\n".join([BEGIN, ""] + lines + ["=" + check, END, ""]).encode("ascii")


def expiry(data):
    """Return when the first key in ``data`` expires, in seconds since 1970; None for never.

    The newest self-signature counts. It is not verified here: rpm does that.
    """
    packets = list(_packets(_binary(data)))
    made = _number(packets[0][1][1:5])
    signatures = [
        _subpackets(body) for tag, body in packets
        if tag == SIGNATURE and len(body) > 6 and body[0] == 4 and body[1] in OF_ITSELF]
    newest = max(signatures, key=lambda found: found.get(SIGNED_AT, 0)) if signatures else {}
    return made + newest[EXPIRES_AFTER] if newest.get(EXPIRES_AFTER) else None


def _subpackets(body):
    """Return the hashed subpackets of a version 4 signature that hold a time, as numbers."""
    area, at, found = body[6:6 + _number(body[4:6])], 0, {}
    while at < len(area):
        size, at = _new_length(area, at)
        kind = area[at] & 0x7F
        if kind in (SIGNED_AT, EXPIRES_AFTER):
            found[kind] = _number(area[at + 1:at + size])
        at += size
    return found


def _binary(data):
    text = data.decode("latin-1").replace("\r", "").strip()
    if not text.startswith("-----"):
        return bytearray(data)
    lines = [line.strip() for line in text.split("\n")]
    if lines[0] != BEGIN or lines[-1] != END or any(line.startswith("-----") for line in lines[1:-1]):
        raise ValueError("it must be one block of armor and nothing else")
    # Headers end at the first empty line; a last line that starts with = is a checksum.
    body = lines[1:-1]
    body = body[body.index("") + 1:] if "" in body else body
    body = body[:-1] if body and body[-1].startswith("=") else body
    text = "".join(body)
    if len(text) % 4 or not BASE64.match(text):
        raise ValueError("broken armor")
    return bytearray(base64.b64decode(text.encode("ascii")))


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
        raise ValueError("not a key file")
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
