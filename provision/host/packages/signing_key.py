"""Docker's signing key: fetched, compared with its fingerprint, and trusted by rpm."""

import time

from ..ground import web
from ..ground.change import REMOVED, Change
from ..ground.errors import HostError, Refusal
from . import dnf_errors, openpgp, sources

KEY_FILE = "/etc/pki/rpm-gpg/RPM-GPG-KEY-docker"
DOWNLOAD_TIMEOUT_S = 15
KEY_FILE_CAP_BYTES = 1 << 20


def key(machine, desired, fingerprint):
    """Return Docker's key from the request, from this host or from its mirror, checked and in new armor."""
    given = desired.get("gpg_key")
    if given:
        return checked_key(given.encode("latin-1"), fingerprint)
    held = machine.read(KEY_FILE)
    try:
        is_there = held is not None and openpgp.fingerprints(held) == [fingerprint]
    except ValueError:
        is_there = False
    return openpgp.armored(held) if is_there else checked_key(_download(machine, desired), fingerprint)


def _download(machine, desired):
    url = desired.get("gpg_key_url") or desired["mirror"].rstrip("/") + "/linux/centos/gpg"
    through, trust = sources.proxies(machine, desired), web.trusting(desired.get("ca"))
    try:
        return web.get(url, DOWNLOAD_TIMEOUT_S, KEY_FILE_CAP_BYTES, through, trust)
    except web.Unanswered as error:
        kind = "repository-tls" if web.is_untrusted("%s" % error) else "repository-unreachable"
        raise HostError(
            kind, "the signing key cannot be fetched",
            "open egress to this address, or set docker_engine_gpg_key to a file", "%s: %s" % (url, error))


def checked_key(data, fingerprint):
    """Return ``data`` in new armor; raise unless it holds exactly the key ``fingerprint``."""
    try:
        found = openpgp.fingerprints(data)
    except ValueError as error:
        raise _wrong_key("the key file is not one OpenPGP public key", str(error))
    if len(found) != 1:
        raise _wrong_key("the key file holds %d keys instead of one" % len(found), ", ".join(found))
    if found[0] != plain(fingerprint):
        evidence = "want %s is %s" % (plain(fingerprint), found[0])
        raise _wrong_key("the key file holds another key", evidence)
    return openpgp.armored(data)


def refuse_expired(data, fingerprint):
    """Raise when the key has expired, or is damaged."""
    try:
        end = openpgp.expiry(data)
    except (ValueError, IndexError):
        raise _wrong_key("the key file is damaged", fingerprint)
    if end is not None and end < time.time():
        raise Refusal(
            "expired-key", "the signing key has expired",
            "take the newer key file from the same source, and set docker_engine_gpg_key to it",
            "%s ended on %s" % (fingerprint, time.strftime("%Y-%m-%d", time.gmtime(end))),
            "rpm trusts no package that this key signs")


def _wrong_key(message, evidence):
    return Refusal(
        "wrong-key", message,
        "set docker_engine_gpg_key to Docker's key file, or"
        " docker_engine_gpg_fingerprint to the key you trust",
        evidence, "packages that this key signs would be trusted; the mirror may be wrong or hostile")


def plain(fingerprint):
    """Return a fingerprint without its spaces."""
    return fingerprint.replace(" ", "").upper()


def is_trusted(fingerprint, trusted):
    """Return whether the key is among ``trusted``: rpm 4 names it by 8 digits, rpm 6 by all."""
    return any(plain(fingerprint).lower().endswith(version) for version in trusted)


class ImportKey(Change):
    """Docker's key imported into rpm."""

    kind = "rpm"
    subject = "key"
    after = "trusted"
    uses_rpm = True

    def __init__(self, machine, fingerprint, trusted):
        self.machine = machine
        self.fingerprint = fingerprint
        self.trusted = trusted

    def needed(self):
        """Return whether rpm does not trust the key yet."""
        return not is_trusted(self.fingerprint, self.trusted)

    def records(self):
        """Return whether rpm trusted it."""
        return [{
            "kind": "key", "fingerprint": self.fingerprint,
            "trusted": is_trusted(self.fingerprint, self.trusted)}]

    def apply(self):
        """Import it from our verified file."""
        ran = self.machine.run(["rpm", "--import", self.machine.path(KEY_FILE)])
        if ran.rc:
            raise _wrong_key("rpm does not accept the key", (ran.err or ran.out).strip()[-300:])

    def undo(self):
        """Remove it."""
        form = "%{VERSION} %{NAME}-%{VERSION}-%{RELEASE}\n"
        ran = self.machine.run(["rpm", "-q", "gpg-pubkey", "--qf", form])
        rows = [line.split() for line in ran.out.splitlines() if line.count(" ") == 1]
        for package in (row[1] for row in rows if self.fingerprint.lower().endswith(row[0])):
            erased = self.machine.run(["rpm", "-e", package])
            if erased.rc:
                raise dnf_errors.classify(erased.out + erased.err)


class ForgetKey(ImportKey):
    """The reverse: Docker's key removed from rpm."""

    after = REMOVED

    def needed(self):
        """Return whether rpm trusts the key."""
        return not ImportKey.needed(self)

    apply = ImportKey.undo
    undo = ImportKey.apply


def plan_back(machine, record, trusted):
    """Return the Change that restores whether rpm trusts the key."""
    make = ImportKey if record["trusted"] else ForgetKey
    change = make(machine, record["fingerprint"], trusted)
    return [change] if change.needed() else []
