"""Count the keys in a key file and give their fingerprints, without gpg.

RFC 9580: armor in section 6, packet headers in 4.2, the version 4 fingerprint in 5.5.4.2.
"""

import base64
import hashlib
import re
import struct

PUBLIC_KEY = 6
# Signature, public key, user id, subkey, user attribute: what a public key is made of.
OF_A_KEY = (2, PUBLIC_KEY, 13, 14, 17)
BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}\Z")
BEGIN, END = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"


def fingerprints(data):
    """Give the fingerprint of each primary key in ``data`` (bytes), armored or not.

    Raises ValueError when it is no key file, or holds a key that is not version 4.
    """
    found = list(_packets(_binary(data)))
    strange = sorted(set(tag for tag, _ in found) - set(OF_A_KEY))
    if strange:
        raise ValueError("a packet of type %d, which no public key has" % strange[0])
    return [_fingerprint(body) for tag, body in found if tag == PUBLIC_KEY]


def armored(data):
    """Give ``data`` in armor that we write ourselves.

    Readers of armor differ in what they take for its beginning and end: what has been checked here
    must be what rpm reads. The checksum is that of RFC 9580, section 6.1.
    """
    octets = _binary(data)
    text = base64.b64encode(bytes(octets)).decode("ascii")
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    check = base64.b64encode(struct.pack(">I", _crc24(octets))[1:]).decode("ascii")
    return "\n".join([BEGIN, ""] + lines + ["=" + check, END, ""]).encode("ascii")


def _crc24(octets):
    value = 0xB704CE
    for octet in octets:
        value ^= octet << 16
        for _ in range(8):
            value <<= 1
            if value & 0x1000000:
                value ^= 0x1864CFB
    return value


def _fingerprint(body):
    if body[:1] != b"\x04":
        raise ValueError("a key of another version than 4")
    head = bytearray([0x99, len(body) >> 8, len(body) & 0xFF])
    return hashlib.sha1(bytes(head + body)).hexdigest().upper()  # noqa: S324 (the RFC says SHA-1)


def _binary(data):
    text = data.decode("latin-1").replace("\r", "").strip()
    if not text.startswith("-----"):
        return bytearray(data)
    lines = [line.strip() for line in text.split("\n")]
    if lines[0] != BEGIN or lines[-1] != END or any(line.startswith("-----") for line in lines[1:-1]):
        raise ValueError("it must be one block of armor and nothing else")
    return _unarmor(lines[1:-1])


def _unarmor(lines):
    # Headers end at the first empty line; a last line that starts with = is a checksum.
    body = lines[lines.index("") + 1:] if "" in lines else lines
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
