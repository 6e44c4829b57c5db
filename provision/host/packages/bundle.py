"""A bundle: the packages that another host has collected, as a repository of this host for one run."""

import os
import re

from ..ground.errors import HostError, Refusal
from . import metadata, openpgp
from .signing_key import KEY_FILE

# Packages of a module need no list of modules here: what is in the bundle is meant.
REPOSITORY = """\
[provision-bundle]
name=A bundle of provision
baseurl=file://%s
enabled=1
gpgcheck=1
repo_gpgcheck=0
module_hotfixes=1
gpgkey=%s
"""
_KEY_FILES = re.compile(r"file://(/[^\s,]+)")
_PIECE_BYTES = 1 << 16


def platform(facts):
    """Return what hosts with the same packages have in common: 'rocky 9 x86_64'."""
    major = facts.release.get("VERSION_ID", "").split(".")[0]
    return " ".join((facts.release.get("ID", "").lower(), major, facts.arch))


class BundleSource(object):
    """The bundle that the controller has: ``manifest`` says what is in it, ``fetch`` takes members of it.

    They come over standard input, each when this host asks for it.
    """

    def __init__(self, machine, manifest):
        self.machine = machine
        self.manifest = manifest
        self.members = {name: (size, digest) for name, size, digest in manifest["members"]}
        self.folder = ""
        self.there = set()

    def refuse_elsewhere(self, facts):
        """Raise where the packages are those of another system or processor."""
        if platform(facts) != self.manifest["platform"]:
            raise Refusal(
                "other-bundle", "the bundle is for %s, and this host has %s" % (
                    self.manifest["system"], facts.system),
                "make one on a connected host with this system: fab bundle.make --from NAME",
                "%s, not %s" % (self.manifest["platform"], platform(facts)))

    def open(self, folder, repo_files):
        """Fetch the metadata into ``folder``; return the text of a .repo file.

        Packages of the system have to be signed by a key that one of the host's own ``repo_files`` names: the
        bundle brings no trust along.
        """
        self.folder, self.there = folder, set()
        self._take([name for name in sorted(self.members) if name.startswith(metadata.FOLDER)])
        named = set()
        for path in repo_files:
            named.update(_KEY_FILES.findall(self.machine.text(path)))
        signers = [path for path in sorted(named - {KEY_FILE}) if self._has_signed(path)]
        return REPOSITORY % (folder, " ".join("file://" + path for path in [KEY_FILE] + signers))

    def fetch(self, rows=None):
        """Fetch the packages of these Rows, or without them all packages."""
        packages = [name for name in sorted(self.members) if name.startswith(metadata.PACKAGES)]
        wanted = None if rows is None else {
            "%s/%s-%s.%s.rpm" % (metadata.PACKAGES, row.name, row.evr.split(":")[-1], row.arch)
            for row in rows if row.action != "remove"}
        self._take([name for name in packages if wanted is None or name in wanted])

    def _has_signed(self, path):
        data = self.machine.read(path)
        try:
            found = openpgp.fingerprints(data or b"", (openpgp.PUBLIC_KEY, openpgp.SUBKEY))
        except ValueError:
            return data is not None  # rpm may be able to read it.
        return any(each.lower().endswith(signer) for each in found for signer in self.manifest["signers"])

    def _take(self, names):
        names = [name for name in names if name not in self.there]
        if names:
            megabytes = 1 + (sum(self.members[name][0] for name in names) >> 20)
            self.machine.tell("receives %d MB of the bundle" % megabytes)
            self.machine.tell({"send": names})
        for name in names:
            self._receive(name)
            self.there.add(name)

    def _receive(self, name):
        path = os.path.join(self.folder, name)
        if not os.path.isdir(os.path.dirname(path)):
            os.mkdir(os.path.dirname(path))
        left, expected = self.members[name]
        with open(path, "wb") as stream:
            while left:
                piece = os.read(self.machine.source, min(left, _PIECE_BYTES))
                if not piece:
                    raise HostError(
                        "bundle-cut", "the bundle did not arrive: the connection has ended", "`again`",
                        "%s: %d bytes are missing" % (name, left))
                stream.write(piece)
                left -= len(piece)
        if metadata.digest(path) != expected:
            raise HostError(
                "bundle-damaged", "the bundle has changed since this run began", "`again`",
                "%s: want sha256 %s" % (name, expected))
