"""The private directory of one run: sockets, ssh configs, the askpass helper; gone when the run ends."""

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
# A hidden one is being made, which takes no time; one of this age was never finished.
_STALE_S = 3600.0
# The path is written into ssh configs, and a socket's path ends near 100 bytes.
_PLAIN = re.compile(r"/[A-Za-z0-9/._-]{0,63}")


@contextmanager
def open_run_dir() -> Iterator[Path]:
    """Make a 0700 directory under $XDG_RUNTIME_DIR or /tmp, and remove it in every ending.

    What a killed run left is swept first: its lock is free, since the kernel let it go.
    Raises StateUnusable when it cannot be made, ControllerDiskFull when what is in it has no room.
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
    """Raise ControllerDiskFull, with the place, for what finds no room in ``run_dir``."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ControllerDiskFull(*_words(run_dir.parent), evidence=_evidence(error)) from error


def _words(parent: Path) -> tuple[str, str]:
    return (
        f"a run keeps its sockets and lists in {parent} while it goes on, and could not",
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
            if left.lstat().st_uid == os.getuid():  # in /tmp anyone can make a directory of that name
                _sweep_one(left)


def _is_stale(left: Path) -> bool:
    try:
        return time.time() - left.lstat().st_mtime > _STALE_S
    except FileNotFoundError:  # its maker has given it its name
        return False


def _sweep_one(left: Path) -> None:
    try:
        lock = os.open(left / "lock", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        if _is_stale(left):  # something wrote into it while it was removed
            shutil.rmtree(left, ignore_errors=True)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(lock)
