"""Wait for another package manager: rpm fails at once when its lock is taken.

The locks of rpm and dnf end with their processes; a file that stays behind means nothing.
"""

import errno
import fcntl
import os
import re
import struct
import time

from ..ground import scratch
from ..ground.errors import Refusal
from . import detach

# On newer systems /var/lib/rpm is a link to /usr/lib/sysimage/rpm.
FILE = "/var/lib/rpm/.rpm.lock"
HELD = "package-lock-held"
POLL_S = 0.2
PATIENCE_S = 60
# dnf 4 (dnf/lock.py), and yum (/var/run/yum.pid).
_PID = re.compile(r"already locked by (?:PID )?(\d+)|running as pid (\d+)", re.IGNORECASE)
# struct flock of fcntl(2): type, whence, start, length, pid.
_FLOCK = "hhqqi"


def wait(machine, timeout_s):
    """Wait until rpm's database may be changed; raise with the holder's command after ``timeout_s``.

    Return the process that was waited for; empty for none.
    """
    return _wait(machine, timeout_s, _holder)


def wait_for_named(machine, timeout_s, words):
    """Wait, as ``wait`` does, for the process named in ``words``, the output of a failed dnf."""
    found = _PID.search(words)
    if not found:
        return wait(machine, timeout_s)
    pid = int(found.group(1) or found.group(2))
    return _wait(machine, timeout_s, lambda machine: pid if _command(machine, pid) else None)


def wait_for_orphans(machine, timeout_s):
    """Wait until no dnf of a killed run is running: it continues alone, and may still change packages."""
    return _wait(machine, timeout_s, _orphan)


def held(evidence):
    """Return the error for a package database that another program is changing."""
    return Refusal(
        HELD, "another package manager is at work on this host",
        "wait until it has ended, or give --lock-timeout more seconds; then: `again`", evidence)


def _wait(machine, timeout_s, find):
    deadline, waited = time.time() + timeout_s, ""
    holder = find(machine)
    while holder is not None:
        waited = "pid %d: %s" % (holder, _command(machine, holder)[:200])
        if time.time() > deadline:
            raise held(waited)
        detach.renew()
        time.sleep(POLL_S)
        holder = find(machine)
    return waited


def _holder(machine):
    """Return the process that holds the lock for writing, or None."""
    try:
        with open(machine.path(FILE), "rb") as stream:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(stream, fcntl.F_GETLK, asked))
    except (IOError, OSError) as error:
        if error.errno != errno.ENOENT:
            raise
        return None
    return None if kind == fcntl.F_UNLCK else pid


def _orphan(machine):
    """Return a process that works in an abandoned scratch directory, or None."""
    folders = scratch.abandoned(machine)
    commands = [(pid, " ".join(words)) for pid, words in machine.commands()] if folders else []
    return next((pid for pid, command in commands if pid != os.getpid() and any(
        folder in command for folder in folders)), None)


def _command(machine, pid):
    try:
        return " ".join(machine.text("/proc/%d/cmdline" % pid).split("\0")).strip()
    except (IOError, OSError):
        return ""  # The process has just ended.
