"""The private directory of one run, for sockets, ssh configs and the askpass helper; removed at its end."""

import errno
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from provision.errors import ControllerDiskFull, StateUnusable

_PREFIX = "provision-"
_FALLBACK = Path("/tmp")  # noqa: S108 - mkdtemp makes it private
# A hidden directory is being created, which takes no time; one of this age was abandoned.
_STALE_S = 3600.0
# The path is written into ssh configs, and that of a socket is limited to about 100 bytes.
_PLAIN = re.compile(r"/[A-Za-z0-9/._-]{0,63}")


@contextmanager
def open_run_dir() -> Iterator[Path]:
    """Yield a new 0700 directory under $XDG_RUNTIME_DIR or /tmp, and always remove it.

    Directories of killed runs are removed first: the kernel has released their lock. Raises StateUnusable
    when it cannot be created, ControllerDiskFull when the disk is full.
    """
    parent = _parent()
    for place in {parent, _FALLBACK}:
        _sweep(place)
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}{os.getuid()}-", dir=parent))
    except OSError as error:
        raise StateUnusable(*_words(parent), evidence=_evidence(error)) from error
    path = parent / made.name[1:]
    with (made / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made.rename(path)  # only now can a sweep see it
        try:
            with room_in(path):
                yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def room_in(run_dir: Path) -> Iterator[None]:
    """Raise ControllerDiskFull when the disk of ``run_dir`` is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ControllerDiskFull(*_words(run_dir.parent), evidence=_evidence(error)) from error


def _words(parent: Path) -> tuple[str, str]:
    return (
        f"the sockets and lists of a run could not be written to {parent}",
        f"make room (df -h {parent}), or set XDG_RUNTIME_DIR to another directory of yours",
    )


def _evidence(error: OSError) -> str:
    return f"{error.strerror}: {error.filename}"


def _parent() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    usable = _PLAIN.fullmatch(runtime) and os.access(runtime, os.W_OK | os.X_OK)
    return Path(runtime) if usable else _FALLBACK


def _sweep(parent: Path) -> None:
    made, unborn = (parent.glob(f"{dot}{_PREFIX}{os.getuid()}-*") for dot in ("", "."))
    for left in [*made, *filter(_is_stale, unborn)]:
        with suppress(OSError):
            if left.lstat().st_uid == os.getuid():  # in /tmp anyone can create a directory of that name
                _sweep_one(left)


def _is_stale(left: Path) -> bool:
    try:
        return time.time() - left.lstat().st_mtime > _STALE_S
    except FileNotFoundError:  # its owner has just renamed it
        return False


def _sweep_one(left: Path) -> None:
    try:
        lock = os.open(left / "lock", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        if _is_stale(left):  # something wrote to it while it was removed
            shutil.rmtree(left, ignore_errors=True)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(lock)
