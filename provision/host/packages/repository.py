"""Docker's package repository: our .repo file, and what belongs to it."""

import os

from ..ground import secret, systems
from ..ground.change import REMOVED, THERE, Together
from ..ground.files import FileChange, diff, private
from . import repofile, signing_key, sources
from .signing_key import KEY_FILE
from .sources import CA_FILE, REPO_FILE

HEADER = "# Managed by provision; changes here are overwritten."
# On EL 8 the module container-tools hides packages of other repositories that provide what its own do, and
# containerd.io with them (rancher/rancher issue 23045); see HOTFIX REPOSITORIES in dnf.modularity(7).
MODULAR, UNFILTERED = "/8", ["module_hotfixes=1"]
# A repository that a closed host cannot reach would fail each dnf on it.
BUNDLED = "# Disabled: the packages came from a bundle."
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
    fingerprint = signing_key.plain(desired["gpg_fingerprint"])
    data = signing_key.key(machine, desired, fingerprint)
    parts = [
        FileChange(machine, KEY_FILE, data),
        signing_key.ImportKey(machine, fingerprint, trusted),
        _authorities(machine, desired.get("ca")),
        _RepoFile(machine, text.encode("utf-8"), dress=_dress(machine, desired)),
    ]
    needed = [part for part in parts if part.needed()]
    if not needed:
        return []
    signing_key.refuse_expired(data, fingerprint)
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
    fingerprint = signing_key.plain(desired["gpg_fingerprint"])
    forget = [] if before.key_trusted else [signing_key.ForgetKey(machine, fingerprint, trusted)]
    needed = [part for part in [file] + forget + [key, _authorities(machine, "")] if part.needed()]
    if not needed:
        return []
    sides = [(side or b"").decode("utf-8", "replace") for side in (file.old, file.content)]
    now, then = [repofile.option(side, "baseurl") for side in sides]
    change = Together("repository", "docker-ce", now, then if file.content else REMOVED, needed)
    change.diff = file.diff
    return [change]


def _hold(text):
    return "held" if "\n" + HOLD in text else "not held"
