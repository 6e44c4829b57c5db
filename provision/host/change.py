"""A Change: one step from what is to what is wanted, that can be shown, made and taken back."""

import difflib
import os
import tempfile


class Change(object):
    """A step of the plan; plan, apply and undo are the same list, so they cannot disagree.

    ``before`` is empty for something new. ``apply`` and ``undo`` may be called again.
    """

    name = ""
    before = ""
    after = ""
    disruptive = False
    diff = ""
    # Does it change rpm's database, which one program at a time may do?
    uses_rpm = False

    def apply(self):
        """Make it so."""
        raise NotImplementedError

    def undo(self):
        """Bring back what was observed when the Change was made, also after half an apply."""
        raise NotImplementedError

    def settle(self):
        """Do what has to wait until every other Change is undone."""

    def backups(self):
        """Give what must not be lost if this process is killed: (path, bytes) pairs."""
        return []

    def lines(self):
        """Give how a person reads it, one mapping a line."""
        names = ("name", "before", "after", "disruptive", "diff")
        return [{name: getattr(self, name) for name in names}]


class Together(Change):
    """Several Changes that a person reads as one line."""

    def __init__(self, name, before, after, parts):
        self.name = name
        self.before = before
        self.after = after
        self.parts = parts
        self.diff = "".join(part.diff for part in parts)
        self.uses_rpm = any(part.uses_rpm for part in parts)

    def apply(self):
        """Apply each part in order."""
        for part in self.parts:
            part.apply()

    def undo(self):
        """Undo each part, the last one first."""
        for part in reversed(self.parts):
            part.undo()

    def backups(self):
        """Give those of all parts."""
        return [backup for part in self.parts for backup in part.backups()]


class FileChange(Change):
    """A file that shall hold ``content`` (bytes), or shall not be there (None)."""

    def __init__(self, machine, path, content, after="", before=""):
        self.machine = machine
        self.path = path
        self.content = content
        self.old = machine.read(path)
        # A link stays a link: what it points to is replaced.
        self.target = os.path.realpath(machine.path(path))
        self.old_stat = os.stat(self.target) if self.old is not None else None
        self.made = []
        self.name = "file " + path
        self.before = before
        self.after = after if content is not None else "removed"
        self.diff = diff(path, self.old, content)

    def needed(self):
        """Is the file not yet as it shall be?"""
        return self.old != self.content

    def apply(self):
        """Write, or remove, the file."""
        self.made += _make_folders(os.path.dirname(self.target))
        self._put(self.content)

    def undo(self):
        """Put the old content, mode and owner back, and remove the folders that were made."""
        # What apply could not change needs no write, which would fail as it did.
        if self.machine.read(self.path) != self.old:
            self._put(self.old)
        for folder in reversed(self.made):
            if os.path.isdir(folder) and not os.listdir(folder):
                os.rmdir(folder)

    def backups(self):
        """Give the old content."""
        return [] if self.old is None else [(self.path, self.old)]

    def _put(self, content):
        if content is None:
            _remove(self.target)
            return
        if not os.path.isdir(os.path.dirname(self.target)):
            return
        replace_file(self.target, content, self.old_stat)
        if self.machine.has("restorecon") and self.machine.read("/sys/fs/selinux/enforce"):
            self.machine.run(["restorecon", self.target])


def replace_file(path, content, like=None, mode=0o644):
    """Write ``content`` to ``path`` so that a reader, or a power cut, sees the old or the new file.

    ``like`` is a stat result whose mode and owner are kept.
    """
    folder = os.path.dirname(path)
    handle, temporary = tempfile.mkstemp(prefix=".provision-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            _dress(handle, like, mode)
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


def _dress(handle, like, mode):
    if like is not None:
        os.fchown(handle, like.st_uid, like.st_gid)
        mode = like.st_mode & 0o7777
    os.fchmod(handle, mode)


def _remove(path):
    if os.path.lexists(path):
        os.unlink(path)
        sync_folder(os.path.dirname(path))


def _make_folders(folder):
    made = []
    while not os.path.isdir(folder):
        made.insert(0, folder)
        folder = os.path.dirname(folder)
    for each in made:
        os.mkdir(each, 0o755)
    return made


def diff(path, old, new):
    """Give the unified diff of two contents (bytes, or None for no file)."""
    sides = [(side or b"").decode("utf-8", "replace").splitlines(True) for side in (old, new)]
    labels = [path if side is not None else "/dev/null" for side in (old, new)]
    return "".join(difflib.unified_diff(sides[0], sides[1], labels[0], labels[1]))
