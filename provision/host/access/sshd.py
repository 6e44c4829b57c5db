"""Password login switched off in sshd, so that a mistake heals by itself: a timer puts the old setting back.

sshd takes the first value that it reads: the setting goes into a file that sorts first where sshd_config
includes its folder early enough, and to the top of sshd_config everywhere else.
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
# The middle one is the name that OpenSSH before 8.7 knows the last one by, and reads first.
WORDS = ("passwordauthentication", "challengeresponseauthentication", "kbdinteractiveauthentication")
_JUDGED = (WORDS[0], WORDS[2])
SETTING = (
    b"# By provision: nobody logs in with a password.\n"
    b"PasswordAuthentication no\nChallengeResponseAuthentication no\nKbdInteractiveAuthentication no\n")
UNITS = ("sshd.service", "ssh.service")
PROGRAM = "/usr/sbin/sshd"


def effective(machine, user):
    """Give what sshd itself says that its settings come to for ``user``; see -T in sshd(8).

    Raises when it does not accept its own files: then nothing here would be true.
    """
    # All that a Match may ask for: without one of them, sshd refuses settings that are right.
    who = "user=%s,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22" % user
    ran = machine.run([PROGRAM, "-T", "-C", who])
    if ran.rc:
        raise _refusal(ran, "sshd does not accept its own settings")
    lines = [line.split(None, 1) for line in ran.out.splitlines()]
    return {words[0].lower(): words[1].strip() for words in reversed(lines) if len(words) == 2}


def plan(machine, user, run):
    """Give the Changes that switch password login off for ``user``, in the run of this name."""
    off = takes_no_password(effective(machine, user))
    if off and not guard.is_set(machine):
        return []
    unit = _unit(machine)
    if off:
        # Written by a run that was cut short, and not proven: as long as that lasts, the timer runs anew.
        return [guard.Guard(machine, None, run, unit), Reload(machine, user, unit)]
    setting = _setting(machine)
    return [guard.Guard(machine, setting, run, unit), setting, Reload(machine, user, unit)]


def plan_back(machine, changes):
    """Give the Change that lets sshd read its files anew, if ``changes`` are to them."""
    touched = any(change.kind == "file" and change.subject in (MAIN, DROP_IN) for change in changes)
    return [Reload(machine, "", _unit(machine))] if touched else []


def takes_no_password(settings):
    """Do these settings let nobody in by a password?"""
    return all(settings.get(word, "no") == "no" for word in _JUDGED)


def exceptions(machine):
    """Give, in words, each Match under which a password is taken whatever stands above it.

    For whom it holds is the operator's affair, and sshd -T answers for one login at a time.
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


class Reload(Change):
    """sshd reading its settings anew; those of ``user`` must let no password in, if one is named."""

    kind = "reload"
    subject = "sshd"

    def __init__(self, machine, user, unit):
        self.machine = machine
        self.user = user
        self.unit = unit
        self.brief = "; ".join(exceptions(machine))
        self.after = "; ".join(["open connections stay"] + [self.brief] * bool(self.brief))

    def apply(self):
        """Let sshd judge its files, then reload it."""
        ran = self.machine.run([PROGRAM, "-t"])
        if ran.rc:
            raise _refusal(ran, "sshd does not accept the new setting")
        if self.user and not takes_no_password(effective(self.machine, self.user)):
            raise HostError(
                "password-login-stays", "another line of sshd's settings keeps password login on",
                "look for PasswordAuthentication, and Match, in /etc/ssh on the host; then: `again`",
                _said(self.machine, self.user))
        self._reload()

    def undo(self):
        """Leave it until the files are back: see settle."""

    def settle(self):
        """Reload it with the files that are back."""
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
    """Is the drop-in read before any value that would stand above it, and for everybody?"""
    for line in text.splitlines():
        words = re.split(r"[\s=]+", line.strip().lower())
        if words[0] == "include" and any(_covers(pattern) for pattern in words[1:]):
            return True
        if words[0] == "match" or words[0] in WORDS:
            return False
    return False


def _covers(pattern):
    return fnmatch.fnmatch(DROP_IN, os.path.join(os.path.dirname(MAIN), pattern.strip('"')))


def _unit(machine):
    """Give the unit of the sshd that listens; none where systemd starts one for each connection."""
    active = [unit for unit in UNITS if machine.run(["systemctl", "is-active", unit]).rc == 0]
    return active[0] if active else ""


def _refusal(ran, message):
    return Refusal(
        "sshd-config", message, "on the host, sshd -t names the line; correct it, then: `again`",
        (ran.err.strip() or "exit code %d" % ran.rc).splitlines()[0])


def _said(machine, user):
    settings = effective(machine, user)
    return ", ".join("%s %s" % (word, settings.get(word, "?")) for word in _JUDGED)
