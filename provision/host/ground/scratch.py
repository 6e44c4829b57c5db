"""Directories of a run for the time it lasts; what a killed run left of them is told by a lock."""

import fcntl
import glob
import os
import shutil
import tempfile
import time

# mkdtemp makes a name of its own there; /tmp may be too small for a hundred megabytes.
PLACE = "/var/tmp"  # noqa: S108
# On a tmpfs, for what must work on a full or read-only disk too.
SMALL = "/run"
PREFIX = "provision-"
# Longer than a maker needs from making a directory to locking it.
_MOMENT_S = 0.5


class Folder(object):
    """A private directory, made now; ``close`` removes it."""

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
    """Give the directories whose maker is dead; the kernel frees a lock with its holder."""
    places = [machine.path(place) for place in (PLACE, SMALL)]
    every = [path for place in places for path in glob.glob(os.path.join(place, PREFIX + "*"))]
    found = [path for path in every if _is_free(path)]
    if found:
        time.sleep(_MOMENT_S)
    return [path for path in found if _is_free(path)]


def sweep(machine):
    """Remove what killed runs left."""
    for path in abandoned(machine):
        shutil.rmtree(path, ignore_errors=True)


def _is_free(path):
    try:
        handle = os.open(path, os.O_RDONLY)
    except (IOError, OSError):
        return False  # It has just gone.
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (IOError, OSError):
        return False
    finally:
        os.close(handle)
    return True
