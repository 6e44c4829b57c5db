"""Docker's package repository, and the key whose signatures rpm trusts."""

import os
import time

from ..ground import secret, systems, web
from ..ground.change import REMOVED, THERE, Change, Together
from ..ground.errors import HostError, Refusal
from ..ground.files import FileChange, diff, private
from . import dnf_errors, openpgp, repofile, sources
from .sources import CA_FILE, REPO_FILE

KEY_FILE = "/etc/pki/rpm-gpg/RPM-GPG-KEY-docker"
HEADER = "# Managed by provision; changes here are overwritten."
# On EL 8 the module container-tools hides packages of other repositories that provide what its own do, and
# containerd.io with them (rancher/rancher issue 23045); see HOTFIX REPOSITORIES in dnf.modularity(7).
MODULAR, UNFILTERED = "/8", ["module_hotfixes=1"]
# A repository that a closed host cannot reach would fail each dnf on it.
BUNDLED = "# Disabled: the packages came from a bundle."
DOWNLOAD_TIMEOUT_S = 15
KEY_FILE_CAP_BYTES = 1 << 20
# The name that yum 3, dnf 4 and dnf 5 all know.
HOLD = "exclude="


def repo_text(facts, desired):
    """Return the text of our .repo file, with a number in its baseurl instead of $releasever."""
    where, channel = systems.supported(facts).repository, desired["channel"]
    base, proxy = sources.address(facts, desired), sources.proxy(desired)
    bundled = [BUNDLED] if desired.get("bundled") else []
    more = UNFILTERED if where.endswith(MODULAR) else []
    more = more + ["proxy=" + proxy] * bool(proxy) + ["sslcacert=" + CA_FILE] * bool(desired.get("ca"))
    return "\n".join([HEADER] + bundled + [
        "[docker-ce-%s]" % channel, "name=Docker CE %s (%s)" % (channel, where),
        "baseurl=" + base, "enabled=%d" % (not bundled), "gpgcheck=1", "repo_gpgcheck=0", "sslverify=1",
        "gpgkey=file://" + KEY_FILE,
    ] + more + [""])


def settle(machine, facts, desired, solver, asks):
    """Return ``desired`` with one mirror, from which ``solver`` takes packages from now on.

    ``asks``: packages will be fetched. With a bundle no mirror is asked.
    """
    if solver.repos.bundle:
        chosen = sources.offhand(machine, facts, desired)
    else:
        chosen, said = sources.settled(machine, facts, desired, asks)
        solver.mirrors += said
    solver.take(repo_text(facts, chosen), chosen.get("ca"))
    return chosen


class _RepoFile(FileChange):
    """A .repo file, whose diff masks the login of a proxy."""

    def __init__(self, machine, content, **how):
        FileChange.__init__(self, machine, REPO_FILE, content, **how)
        is_secret = any(dress and not dress.mode & 0o077 for dress in (self.old_dress, self.dress))
        texts = [None if side is None else side.decode("utf-8", "replace") for side in (self.old, content)]
        sides = [side and side.encode("utf-8") for side in repofile.masked(texts[0], texts[1], is_secret)]
        self.diff = diff(REPO_FILE, *sides)


def _written(facts, desired, held):
    """Return our .repo file as it is on a host: the packages ``held`` are hidden from its own dnf or yum.

    Ours reads a copy without that line.
    """
    text = repo_text(facts, desired)
    return text + HOLD + " ".join(held) + "\n" if held else text


def _kept(machine, facts, desired, held):
    """Return our .repo file, or the present one if it does the same, or differs only in repo_gpgcheck.

    We do not switch that on: dnf then imports the key separately for the repository, asks for confirmation,
    and fails for dnf-automatic and every other command that cannot ask. With a bundle, a repository that is
    enabled stays so.
    """
    text, there = _written(facts, desired, held), machine.text(REPO_FILE)
    enabled = _written(facts, dict(desired, bundled=False), held)
    return there if repofile.is_equivalent(there, enabled) else text


def _dress(machine, desired):
    """Return the mode and owner of our .repo file: root's alone for a proxy's login, else as it is."""
    proxy = desired.get("proxy") or ""
    if isinstance(proxy, secret.SecretText) or "@" in proxy:
        return private()
    had_login = "@" in repofile.option(machine.text(REPO_FILE), "proxy")
    return private()._replace(mode=0o644) if had_login else None


def plan(machine, facts, desired, trusted, held=()):
    """Return the Changes for the repository; ``trusted`` are the keys that rpm has imported.

    ``held`` are the packages that no other program upgrades from it.
    """
    text = _kept(machine, facts, desired, held)
    fingerprint = plain(desired["gpg_fingerprint"])
    data = key(machine, desired, fingerprint)
    parts = [
        FileChange(machine, KEY_FILE, data),
        ImportKey(machine, fingerprint, trusted),
        _authorities(machine, desired.get("ca")),
        _RepoFile(machine, text.encode("utf-8"), dress=_dress(machine, desired)),
    ]
    needed = [part for part in parts if part.needed()]
    if not needed:
        return []
    _refuse_expired(data, fingerprint)
    name = "docker-ce (%s)" % systems.supported(facts).repository
    before, after = repofile.described(machine.text(REPO_FILE)), repofile.option(text, "baseurl")
    if before == after and not [part for part in needed if part.subject != REPO_FILE]:
        before, after = _hold(machine.text(REPO_FILE)), _hold(text)
    short = u"key %s\u2026%s" % (fingerprint[:4], fingerprint[-4:])
    change = Together("repository", name, before, short if before in ("", after) else after, needed)
    # No diff of a key: its fingerprint is in the line.
    change.diff = parts[2].diff + parts[3].diff
    return [change]


def _authorities(machine, text):
    folders = None if text else [machine.path(os.path.dirname(CA_FILE))]
    return FileChange(machine, CA_FILE, text.encode("ascii") if text else None, folders=folders)


def plan_file_back(machine, content, dress, folders):
    """Return the Change that restores an earlier .repo file."""
    before = "" if machine.read(REPO_FILE) is None else THERE
    how = {"after": "as it was before", "before": before, "dress": dress, "folders": folders}
    change = _RepoFile(machine, content, **how)
    return [change] if change.needed() else []


def plan_absent(machine, desired, trusted, before):
    """Return the Changes that remove our repository and its key; others' files are kept or restored."""
    if not machine.text(REPO_FILE).startswith(HEADER):
        return []
    file = _RepoFile(machine, before.content(REPO_FILE))
    key = FileChange(
        machine, KEY_FILE, before.content(KEY_FILE), folders=before.folders(machine, KEY_FILE))
    forget = [] if before.key_trusted else [ForgetKey(machine, plain(desired["gpg_fingerprint"]), trusted)]
    needed = [part for part in [file] + forget + [key, _authorities(machine, "")] if part.needed()]
    if not needed:
        return []
    sides = [(side or b"").decode("utf-8", "replace") for side in (file.old, file.content)]
    now, then = [repofile.option(side, "baseurl") for side in sides]
    change = Together("repository", "docker-ce", now, then if file.content else REMOVED, needed)
    change.diff = file.diff
    return [change]


def plan_back(machine, record, trusted):
    """Return the Change that restores whether rpm trusts the key."""
    make = ImportKey if record["trusted"] else ForgetKey
    change = make(machine, record["fingerprint"], trusted)
    return [change] if change.needed() else []


def is_trusted(fingerprint, trusted):
    """Return whether the key is among ``trusted``: rpm 4 names it by 8 digits, rpm 6 by all."""
    return any(plain(fingerprint).lower().endswith(version) for version in trusted)


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


def _refuse_expired(data, fingerprint):
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


def _wrong_key(message, evidence):
    return Refusal(
        "wrong-key", message,
        "set docker_engine_gpg_key to Docker's key file, or"
        " docker_engine_gpg_fingerprint to the key you trust",
        evidence, "packages that this key signs would be trusted; the mirror may be wrong or hostile")


def plain(fingerprint):
    """Return a fingerprint without its spaces."""
    return fingerprint.replace(" ", "").upper()


def _hold(text):
    return "held" if "\n" + HOLD in text else "not held"
