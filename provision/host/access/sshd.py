"""Password login switched off in sshd; a timer restores the old setting unless a new login succeeds.

The first value that sshd reads counts. The setting goes into a drop-in that sorts first where sshd_config
includes the folder early enough, else to the top of sshd_config.
"""

import fnmatch
import glob
import os
import re

from ..ground.change import THERE, Change
from ..ground.errors import HostError, Refusal
from ..ground.files import Dress, FileChange
from . import guard

MAIN = "/etc/ssh/sshd_config"
DROP_IN = "/etc/ssh/sshd_config.d/00-provision.conf"
# OpenSSH before 8.7 knows the last one by the name in the middle.
WORDS = ("passwordauthentication", "challengeresponseauthentication", "kbdinteractiveauthentication")
_JUDGED = (WORDS[0], WORDS[2])
SETTING = (
    b"# By provision: nobody logs in with a password.\n"
    b"PasswordAuthentication no\nChallengeResponseAuthentication no\nKbdInteractiveAuthentication no\n")
UNITS = ("sshd.service", "ssh.service")
PROGRAM = "/usr/sbin/sshd"


def effective(machine, user):
    """Return the effective settings of sshd for ``user``: -T of sshd(8).

    Raise when sshd rejects its own files: nothing is known then.
    """
    # All criteria of a Match: sshd may reject valid settings without one of them.
    who = "user=%s,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22" % user
    ran = machine.run([PROGRAM, "-T", "-C", who])
    if ran.rc:
        raise _refusal(ran, "sshd does not accept its own settings")
    lines = [line.split(None, 1) for line in ran.out.splitlines()]
    return {words[0].lower(): words[1].strip() for words in reversed(lines) if len(words) == 2}


def plan(machine, user, run):
    """Return the Changes that switch password login off, proven for ``user``, in the named run."""
    off = takes_no_password(effective(machine, user))
    if off and not guard.is_set(machine):
        return []
    unit = _unit(machine)
    if off:
        # Written by a run that was cut short, and not proven yet: start its timer again.
        return [guard.Guard(machine, None, run, unit), SshdReload(machine, user, unit)]
    setting = _setting(machine)
    return [guard.Guard(machine, setting, run, unit), setting, SshdReload(machine, user, unit)]


def plan_back(machine, changes):
    """Return the Change that reloads sshd, if ``changes`` write its files."""
    touched = any(change.kind == "file" and change.subject in (MAIN, DROP_IN) for change in changes)
    return [SshdReload(machine, "", _unit(machine))] if touched else []


def takes_no_password(settings):
    """Return whether these settings allow no password login."""
    return all(settings.get(word, "no") == "no" for word in _JUDGED)


def exceptions(machine):
    """Return, in words, each Match that allows passwords regardless of the setting above it.

    They are shown only: sshd -T answers for one login at a time.
    """
    drop_ins = os.path.dirname(DROP_IN)
    names = sorted(glob.glob(os.path.join(machine.path(drop_ins), "*.conf")))
    paths = [MAIN] + [os.path.join(drop_ins, os.path.basename(name)) for name in names]
    return [
        "a password is taken under %s (%s)" % (match[:80], path)
        for path in paths for match in _open_matches(machine.text(path))]


def _open_matches(text):
    found, match = [], ""
    for line in text.splitlines():
        words = re.split(r"[\s=]+", line.strip().lower())
        if words[0] == "match":
            match = line.strip()
        elif match and words[0] in WORDS and words[1:2] == ["yes"] and match not in found:
            found.append(match)
    return found


class SshdReload(Change):
    """A reload of sshd; with a ``user``, its settings for that login must allow no password."""

    kind = "reload"
    subject = "sshd"

    def __init__(self, machine, user, unit):
        self.machine = machine
        self.user = user
        self.unit = unit
        self.brief = "; ".join(exceptions(machine))
        self.after = "; ".join(["open connections stay"] + [self.brief] * bool(self.brief))

    def apply(self):
        """Check the files with sshd, then reload it."""
        ran = self.machine.run([PROGRAM, "-t"])
        if ran.rc:
            raise _refusal(ran, "sshd does not accept the new setting")
        settings = effective(self.machine, self.user) if self.user else {}
        if not takes_no_password(settings):
            raise HostError(
                "password-login-stays", "another line of sshd's settings keeps password login on",
                "look for PasswordAuthentication, and Match, in /etc/ssh on the host; then: `again`",
                ", ".join("%s %s" % (word, settings.get(word, "?")) for word in _JUDGED))
        self._reload()

    def undo(self):
        """Do nothing until the files are restored: see settle."""

    def settle(self):
        """Reload it with the restored files."""
        self._reload()

    def _reload(self):
        if self.unit:
            ran = self.machine.run(["systemctl", "reload", self.unit])
            if ran.rc:
                raise HostError(
                    "sshd-not-reloaded", "systemctl could not reload sshd",
                    "journalctl -u %s on the host says more; then: `again`" % self.unit,
                    (ran.err.strip() or "exit code %d" % ran.rc).splitlines()[-1])


def _setting(machine):
    if _reads_drop_in(machine.text(MAIN)) and os.path.isdir(machine.path(os.path.dirname(DROP_IN))):
        dress = Dress(0o600, os.geteuid(), os.getegid())
        return FileChange(machine, DROP_IN, SETTING, "no password login", dress=dress)
    old = machine.read(MAIN)
    if old is None:
        raise HostError("no-sshd", "this host has no " + MAIN, "`fab hosts.shell {host}`")
    return FileChange(machine, MAIN, SETTING + old, "no password login", THERE)


def _reads_drop_in(text):
    """Return whether sshd reads the drop-in before any other value, and for every login."""
    folder = os.path.dirname(MAIN)
    for line in text.splitlines():
        words = re.split(r"[\s=]+", line.strip().lower())
        patterns = [os.path.join(folder, word.strip('"')) for word in words[1:]]
        if words[0] == "include" and any(fnmatch.fnmatch(DROP_IN, pattern) for pattern in patterns):
            return True
        if words[0] == "match" or words[0] in WORDS:
            return False
    return False


def _unit(machine):
    """Return the unit of the listening sshd; empty where systemd starts one per connection."""
    active = [unit for unit in UNITS if machine.run(["systemctl", "is-active", unit]).rc == 0]
    return active[0] if active else ""


def _refusal(ran, message):
    return Refusal(
        "sshd-config", message, "on the host, sshd -t names the line; correct it, then: `again`",
        (ran.err.strip() or "exit code %d" % ran.rc).splitlines()[0])
