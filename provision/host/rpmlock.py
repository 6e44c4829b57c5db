"""Wait for another package manager: rpm itself gives up at once when its lock is taken."""

import errno
import fcntl
import struct
import time

from .errors import HostError

# On newer systems a link to /usr/lib/sysimage/rpm leads there.
FILE = "/var/lib/rpm/.rpm.lock"
POLL_S = 0.2
# struct flock of fcntl(2): type, whence, start, length, pid.
_FLOCK = "hhqqi"


def wait(machine, timeout_s):
    """Return when rpm's database may be changed; raises with the holder's command after ``timeout_s``."""
    deadline = time.time() + timeout_s
    holder = _holder(machine)
    while holder is not None:
        if time.time() > deadline:
            raise held(_told(machine, holder))
        time.sleep(POLL_S)
        holder = _holder(machine)


def held(evidence):
    """Give the error for a package database that another program changes."""
    return HostError(
        "package-lock-held", "another package manager is at work on this host",
        "wait until it has ended, or set docker_engine_lock_timeout higher; then: fab provision", evidence)


def _holder(machine):
    """Give the process that holds the lock for writing, or None."""
    try:
        with open(machine.path(FILE), "rb") as stream:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(stream, fcntl.F_GETLK, asked))
    except (IOError, OSError) as error:
        if error.errno != errno.ENOENT:
            raise
        return None
    return None if kind == fcntl.F_UNLCK else pid


def _told(machine, pid):
    words = machine.text("/proc/%d/cmdline" % pid).split("\0")
    return "pid %d: %s" % (pid, " ".join(words).strip()[:200])
