"""One run at a time on a host; the kernel frees the lock when its holder dies."""

import errno
import fcntl
import json
import os
import time
from contextlib import contextmanager

from .errors import HostError

# On a tmpfs: a full or read-only disk does not hide who is at work.
FILE = "/run/provision.lock"
POLL_S = 0.2


@contextmanager
def held(machine, who, run, timeout_s):
    """Hold the host's lock; raises with the holder's name when it stays taken for ``timeout_s``."""
    handle = os.open(machine.path(FILE), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.fcntl(handle, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        _wait(handle, time.time() + timeout_s)
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        _write(handle, json.dumps({"who": who, "run": run, "since": since}))
        yield
        _write(handle, "")
    finally:
        os.close(handle)


def _wait(handle, deadline):
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except (IOError, OSError) as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        if time.time() > deadline:
            raise _refusal(os.read(handle, 4096).decode("utf-8", "replace"))
        time.sleep(POLL_S)


def _refusal(text):
    try:
        holder = json.loads(text)
    except ValueError:
        holder = None
    holder = holder if isinstance(holder, dict) else {}
    evidence = "%s, run %s, since %s" % tuple(holder.get(key, "unknown") for key in ("who", "run", "since"))
    return HostError(
        "lock-held", "another run is at work on this host",
        "wait until it has ended, or set docker_engine_lock_timeout higher; then: fab provision", evidence)


def _write(handle, text):
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, text.encode("utf-8"))
