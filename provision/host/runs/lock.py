"""One run at a time on a host; the kernel releases the lock when its holder dies.

No process id is stored, as it could be reused, and a reboot empties /run.
"""

import errno
import fcntl
import json
import os
import time
from contextlib import contextmanager

from ..ground.errors import Refusal

# On a tmpfs, so that it works with a full or read-only disk.
FILE = "/run/provision.lock"
POLL_S = 0.2


@contextmanager
def held(machine, request):
    """Hold the host's lock; raise with what is known of the holder when the wait times out."""
    handle = os.open(machine.path(FILE), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.fcntl(handle, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        if not _try(handle, fcntl.LOCK_EX):
            machine.tell("waits for another run")
            _wait(handle, request["lock_timeout_s"])
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        _write(handle, json.dumps({
            "who": request["who"], "run": request["run"], "what": request.get("what", ""), "since": since}))
        yield
        _write(handle, "")
    finally:
        os.close(handle)


def _wait(handle, timeout_s):
    deadline = time.time() + timeout_s
    while not _try(handle, fcntl.LOCK_EX):
        if time.time() > deadline:
            raise _refusal(os.read(handle, 4096).decode("utf-8", "replace"))
        time.sleep(POLL_S)


def taken(machine):
    """Return whether a run holds the host's lock."""
    try:
        handle = os.open(machine.path(FILE), os.O_RDONLY)
    except (IOError, OSError):
        return False
    try:
        return not _try(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _try(handle, how):
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except (IOError, OSError) as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def _refusal(text):
    try:
        holder = json.loads(text)
    except ValueError:
        holder = None
    holder = holder if isinstance(holder, dict) else {}
    evidence = "%s, run %s, since %s" % tuple(holder.get(key) or "unknown" for key in ("who", "run", "since"))
    if holder.get("what"):
        evidence += ": %s" % holder["what"]
    return Refusal(
        "lock-held", "another run is at work on this host",
        "wait until it has ended, or give --lock-timeout more seconds; then: `again`", evidence)


def _write(handle, text):
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, text.encode("utf-8"))
