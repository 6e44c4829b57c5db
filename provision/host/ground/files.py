"""A file as a Change, and atomic writes that survive a power cut."""

import difflib
import os
import tempfile
from collections import namedtuple

from .change import REMOVED, Change

TEMPORARY = ".provision-"
# Our own records; no plan shows them.
OWN = "/var/lib/provision/"

Dress = namedtuple("Dress", "mode uid gid")


class FileChange(Change):
    """A file with the wanted ``content`` (bytes), or to be removed (None).

    ``dress`` is its mode and owner, by default its present ones. ``folders`` exist only for the file, by
    default those that are missing: they are created and removed with it.
    """

    kind = "file"

    def __init__(self, machine, path, content, after="", before="", dress=None, folders=None):
        self.machine = machine
        self.path = path
        self.content = content
        self.old = machine.read(path)
        # A symbolic link is kept: its target is replaced.
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
        """Return whether the file differs from what is wanted."""
        return not self._is(self.content, self.dress)

    def is_back(self):
        """Return whether the file is as it was when the Change was created."""
        return self._is(self.old, self.old_dress)

    def look(self):
        """Return the Change's name when the file is not as it was."""
        return "" if self.is_back() else self.name

    def apply(self):
        """Write or remove the file."""
        self._put(self.content, self.dress)

    def undo(self):
        """Restore the old content, mode and owner, and remove the folders that were created."""
        self._put(self.old, self.old_dress)

    def backups(self):
        """Return the old content."""
        return [] if self.old is None else [(self.path, self.old)]

    def records(self):
        """Return the file's previous state; its content is in the backup."""
        root = self.machine.root
        return [{
            "kind": "file", "path": self.path, "was": self.old is not None, "dress": self.old_dress,
            "folders": ["/" + os.path.relpath(folder, root) for folder in self.folders]}]

    def lines(self):
        """Return the line, or none for our own record."""
        return [] if self.path.startswith(OWN) else Change.lines(self)

    def _is(self, content, dress):
        if self.machine.read(self.path) != content:
            return False
        return content is None or dress is None or _dress_of(self.target) == dress

    def _put(self, content, dress):
        if content is None:
            _remove(self.target)
            for folder in reversed(self.folders):
                if os.path.isdir(folder) and not os.listdir(folder):
                    os.rmdir(folder)
                    sync_folder(os.path.dirname(folder))
        # A file that could not be changed needs no write, which would fail again.
        elif not self._is(content, dress):
            for folder in _missing(os.path.dirname(self.target)):
                os.mkdir(folder, 0o755)
                sync_folder(os.path.dirname(folder))
            replace_file(self.target, content, dress)
            self._label(self.target)

    def _label(self, path):
        if self.machine.has("restorecon") and self.machine.read("/sys/fs/selinux/enforce"):
            self.machine.run(["restorecon", path])


def private():
    """Return the mode and owner of a file that may hold secrets."""
    return Dress(0o600, os.geteuid(), os.getegid())


def is_open(target):
    """Return whether group or others have access to this existing file."""
    return bool(os.stat(target).st_mode & 0o077)


def backup_name(path):
    """Return the name of the backup of ``path`` in the folder of its run."""
    return path.strip("/").replace("/", "%")


def replace_file(path, content, dress=None, mode=0o644):
    """Write ``content`` to ``path`` atomically, also across a power cut.

    ``dress`` is its mode and owner; without one, they are ``mode`` and those of this process.
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


def diff(path, old, new):
    """Return the unified diff of two contents (bytes, or None for no file)."""
    sides = [(side or b"").decode("utf-8", "replace").splitlines(True) for side in (old, new)]
    labels = [path if side is not None else "/dev/null" for side in (old, new)]
    return "".join(difflib.unified_diff(sides[0], sides[1], labels[0], labels[1]))
