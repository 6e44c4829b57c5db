"""The .repo files of a workspace: copies of the host's, and ours as it will be."""

import glob
import os
import shutil

from . import archive, repofile
from .sources import CA_FILE

REPO_FOLDER = "/etc/yum.repos.d"


class ReposDir(object):
    """What a package manager of ours reads in place of the host's .repo files.

    ``text`` is our .repo file, empty for none, and ``authorities`` (PEM) verify its server. ``with_archive``
    reads the archive of CentOS in place of its mirrors. A ``bundle`` is the only repository.

    Once it is filled, ``passed_over`` says which other files have Docker's packages, which are left out, and
    ``archived`` whether the archive is used.
    """

    with_archive = archived = False
    authorities = None
    passed_over = ()

    def __init__(self, machine, file, text, bundle=None):
        self.machine = machine
        self.file = os.path.basename(file)
        self.text = text
        self.bundle = bundle

    def fill(self, place):
        """Make the directory in the workspace ``place``."""
        folder = os.path.join(place, "reposdir")
        os.mkdir(folder)
        theirs = self._theirs()
        if self.bundle:
            _write(os.path.join(folder, self.file), self.bundle.open(place, theirs))
            return
        found = [self._copy(path, folder) for path in theirs]
        self.passed_over = [words for words in found if words]
        # What our file names is not on the host yet.
        authorities = os.path.join(folder, os.path.basename(CA_FILE))
        if self.authorities:
            _write(authorities, self.authorities)
        if self.text:
            _write(os.path.join(folder, self.file), self.text.replace(CA_FILE, authorities))

    def _theirs(self):
        """Return the host's .repo files, without ours."""
        found = glob.glob(os.path.join(self.machine.path(REPO_FOLDER), "*.repo"))
        names = sorted(os.path.basename(path) for path in found)
        return [os.path.join(REPO_FOLDER, name) for name in names if name != self.file]

    def _copy(self, path, folder):
        """Copy a .repo file without Docker's repositories; return what is said of these, if any."""
        text, target = self.machine.text(path), os.path.join(folder, os.path.basename(path))
        there = archive.redirected(text) if self.with_archive else text
        self.archived = self.archived or there != text
        rest = repofile.without_dockers(there)
        if rest == text:
            shutil.copyfile(self.machine.path(path), target)
        else:
            _write(target, rest)
        return "" if rest == there else "%s: %s" % (path, repofile.dockers(there))


def _write(path, text):
    with open(path, "wb") as stream:
        stream.write(text.encode("utf-8"))
