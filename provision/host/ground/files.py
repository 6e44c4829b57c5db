"""A file as a Change, and writes that a reader or a power cut sees whole or not at all."""

import difflib
import os
import tempfile
from collections import namedtuple

from .change import REMOVED, Change

TEMPORARY = ".provision-"
# What lies below is our own record; a person reads of it in no plan.
OWN = "/var/lib/provision/"

Dress = namedtuple("Dress", "mode uid gid")


class FileChange(Change):
    """A file that shall hold ``content`` (bytes), or shall not be there (None).

    ``dress`` is its mode and owner, by default those it has. ``folders`` are there only for the file's sake,
    by default those that are missing: they come with it and go with it.
    """

    kind = "file"

    def __init__(self, machine, path, content, after="", before="", dress=None, folders=None):
        self.machine = machine
        self.path = path
        self.content = content
        self.old = machine.read(path)
        # A link stays a link: what it points to is replaced.
        self.target = os.path.realpath(machine.path(path))
        self.old_dress = _dress_of(self.target) if self.old is not None else None
        self.dress = dress or self.old_dress
        self.folders = _missing(os.path.dirname(self.target)) if folders is None else folders
        self.subject = path
        self.before = before
        self.after = after if content is not None else REMOVED
        self.diff = diff(path, self.old, content)
        self.sign = "+" if self.old is None else "-" if content is None else "~"

    def needed(self):
        """Is the file not yet as it shall be?"""
        return not self._is(self.content, self.dress)

    def is_back(self):
        """Is the file as it was when the Change was made?"""
        return self._is(self.old, self.old_dress)

    def look(self):
        """Return the file's name when it is not as it was."""
        return "" if self.is_back() else self.name

    def apply(self):
        """Write, or remove, the file."""
        self._put(self.content, self.dress)

    def undo(self):
        """Put the old content, mode and owner back, and remove the folders that were made."""
        self._put(self.old, self.old_dress)

    def backups(self):
        """Give the old content."""
        return [] if self.old is None else [(self.path, self.old)]

    def records(self):
        """Give how the file was; its content is in the backup."""
        root = self.machine.root
        return [{
            "kind": "file", "path": self.path, "was": self.old is not None, "dress": self.old_dress,
            "folders": ["/" + os.path.relpath(folder, root) for folder in self.folders]}]

    def lines(self):
        """Give the line, but for our own record."""
        return [] if self.path.startswith(OWN) else Change.lines(self)

    def _is(self, content, dress):
        if self.machine.read(self.path) != content:
            return False
        return content is None or dress is None or _dress_of(self.target) == dress

    def _put(self, content, dress):
        if content is None:
            _remove(self.target)
            _remove_empty(self.folders)
        # What could not be changed needs no write, which would fail as that did.
        elif not self._is(content, dress):
            _make(_missing(os.path.dirname(self.target)))
            replace_file(self.target, content, dress)
            self._label(self.target)

    def _label(self, path):
        if self.machine.has("restorecon") and self.machine.read("/sys/fs/selinux/enforce"):
            self.machine.run(["restorecon", path])


def private():
    """Give the dress of a file that may hold secrets."""
    return Dress(0o600, os.geteuid(), os.getegid())


def is_open(target):
    """May others than its owner read, write or run this file, which is there?"""
    return bool(os.stat(target).st_mode & 0o077)


def backup_name(path):
    """Give what the old content of ``path`` is called in the directory of its run."""
    return path.strip("/").replace("/", "%")


def replace_file(path, content, dress=None, mode=0o644):
    """Write ``content`` to ``path`` so that a reader, or a power cut, sees the old or the new file.

    ``dress`` is the mode and owner it gets; without one, ``mode`` and whoever runs this.
    """
    folder = os.path.dirname(path)
    handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            if dress is not None:
                os.fchown(handle, dress.uid, dress.gid)
            os.fchmod(handle, mode if dress is None else dress.mode)
            os.fsync(handle)
        os.rename(temporary, path)
    except BaseException:
        _remove(temporary)
        raise
    sync_folder(folder)


def sync_folder(folder):
    """Make a rename or a removal in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _dress_of(path):
    found = os.stat(path)
    return Dress(found.st_mode & 0o7777, found.st_uid, found.st_gid)


def _remove(path):
    if os.path.lexists(path):
        os.unlink(path)
        sync_folder(os.path.dirname(path))


def _missing(folder):
    missing = []
    while not os.path.isdir(folder):
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    return missing


def _make(folders):
    for folder in folders:
        os.mkdir(folder, 0o755)
        sync_folder(os.path.dirname(folder))


def _remove_empty(folders):
    for folder in reversed(folders):
        if os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)
            sync_folder(os.path.dirname(folder))


def diff(path, old, new):
    """Give the unified diff of two contents (bytes, or None for no file)."""
    sides = [(side or b"").decode("utf-8", "replace").splitlines(True) for side in (old, new)]
    labels = [path if side is not None else "/dev/null" for side in (old, new)]
    return "".join(difflib.unified_diff(sides[0], sides[1], labels[0], labels[1]))
