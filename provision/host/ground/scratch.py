"""Temporary directories of a run; a lock tells them from those that a killed run left."""

import fcntl
import glob
import os
import shutil
import tempfile
import time

# mkdtemp makes a unique name there; /tmp may be too small for a hundred megabytes.
PLACE = "/var/tmp"  # noqa: S108
# On a tmpfs, for what must work with a full or read-only disk too.
SMALL = "/run"
PREFIX = "provision-"
# Longer than it takes from creating a directory to locking it.
_MOMENT_S = 0.5


class Folder(object):
    """A new private directory; ``close`` removes it."""

    def __init__(self, machine, place=PLACE):
        self.path = tempfile.mkdtemp(prefix=PREFIX, dir=machine.path(place))
        self._lock = os.open(self.path, os.O_RDONLY)
        fcntl.fcntl(self._lock, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self):
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def abandoned(machine):
    """Return the directories whose process is dead: the kernel has released their lock."""
    places = [machine.path(place) for place in (PLACE, SMALL)]
    every = [path for place in places for path in glob.glob(os.path.join(place, PREFIX + "*"))]
    found = [path for path in every if _is_free(path)]
    if found:
        time.sleep(_MOMENT_S)
    return [path for path in found if _is_free(path)]


def sweep(machine):
    """Remove the directories that killed runs left."""
    for path in abandoned(machine):
        shutil.rmtree(path, ignore_errors=True)


def _is_free(path):
    try:
        handle = os.open(path, os.O_RDONLY)
    except (IOError, OSError):
        return False  # It was just removed.
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (IOError, OSError):
        return False
    finally:
        os.close(handle)
    return True
