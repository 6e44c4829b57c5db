"""The key of a login user: one line of authorized_keys; other lines are left unchanged."""

import os

from ..ground.change import REMOVED
from ..ground.errors import HostError, Refusal
from ..ground.files import Dress, FileChange
from . import sshd

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def plan(machine, user, key, present):
    """Return the Changes that add ``key`` (type, base64 and comment) for ``user``, or remove it."""
    account = Account(machine, user)
    path = _place(machine, account)
    old = machine.read(path)
    change = AuthorizedKeys(machine, path, _content(old or b"", key, present), account)
    change.before, change.after = ("", "in " + path) if present else ("in " + path, REMOVED)
    return [change] if change.content != (old or b"") else []


class Account(object):
    """A login user as NSS knows it, which includes LDAP."""

    def __init__(self, machine, user):
        words = machine.run(["getent", "passwd", user]).out.strip().split(":")
        if len(words) < 7:
            raise HostError("no-user", "this host has no user " + user, "correct ansible_user")
        self.name = user
        self.uid, self.gid, self.home = int(words[2]), int(words[3]), words[5]


class AuthorizedKeys(FileChange):
    """The authorized_keys of one user, who owns it: sshd ignores a file that others can write.

    No record is kept for an undo: removing the key again would lock out whoever uses it.
    """

    kind = "key"

    def __init__(self, machine, path, content, account):
        self.account = account
        dress = Dress(FILE_MODE, account.uid, account.gid)
        if os.path.isfile(machine.path(path)):
            # A file of root that several users share keeps its owner.
            there = os.stat(machine.path(path))
            dress = Dress(there.st_mode & 0o7777, there.st_uid, there.st_gid)
        FileChange.__init__(self, machine, path, content, dress=dress)
        self.subject = "of " + account.name
        self.diff = ""

    def apply(self):
        """Write it; a folder created for it belongs to the user too."""
        for folder in self.folders:
            if not os.path.isdir(folder):
                os.mkdir(folder, FOLDER_MODE)
                os.chown(folder, self.account.uid, self.account.gid)
                self._label(folder)
        FileChange.apply(self)

    def records(self):
        """Return none."""
        return []

    def backups(self):
        """Return none, as it is never undone."""
        return []


def _place(machine, account):
    """Return the first file in which sshd looks for this user's keys: AuthorizedKeysFile, sshd_config(5)."""
    place = sshd.effective(machine, account.name).get("authorizedkeysfile", "").split()[:1] or ["none"]
    path = place[0].replace("%%", "\0").replace("%h", account.home).replace("%u", account.name)
    path = os.path.join(account.home, path.replace("\0", "%"))
    if place == ["none"] or "%" in path:
        raise HostError(
            "no-key-file", "sshd on this host reads no authorized_keys file for " + account.name,
            "set AuthorizedKeysFile in sshd_config there", "AuthorizedKeysFile " + place[0])
    if any(os.path.islink(machine.path(each)) for each in (path, os.path.dirname(path))):
        raise Refusal(
            "linked-key-file",
            "the authorized_keys file of %s is a symbolic link, which root does not follow" % account.name,
            "replace the link with a regular file on the host", path)
    return path


def _content(old, key, present):
    """Return the file with or without the key, which is identified by its second word, not by its comment."""
    blob = key.split()[1].encode("ascii")
    lines = old.splitlines(True)
    others = [line for line in lines if line.lstrip().startswith(b"#") or blob not in line.split()]
    if not present:
        return b"".join(others)
    if len(others) < len(lines):
        return old
    if old and not old.endswith(b"\n"):
        old += b"\n"
    return old + key.encode("ascii") + b"\n"
