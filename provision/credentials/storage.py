"""Write the keyring file atomically, one process at a time."""

import fcntl
import functools
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provision import atomic
from provision.errors import KeyringError

LOCK_WAIT_S = 10.0
LOCK_STEP_S = 0.05


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Hold the lock beside ``file``; its directory is created, mode 0700, if need be.

    Raises KeyringError when another process holds the lock for 10 s, or when it cannot be created.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(_beside(file, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise cannot_write(file, error) from error
    try:
        _wait_for(lock, file)
        yield
    finally:
        os.close(lock)


@contextmanager
def beside(file: Path) -> Iterator[Path]:
    """Yield an empty directory beside ``file``, and remove it; remains of a killed process are removed first.

    The caller holds the lock. Raises OSError.
    """
    directory = _beside(file, ".rehearsal")
    try:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def replace(file: Path, data: bytes) -> None:
    """Replace the content of ``file`` by ``data``, mode 0600; the old content stays as ``.previous``.

    The caller holds the lock. After a crash at any point the file is the old or the new one. Raises
    KeyringError when it cannot be written; the old file is then unchanged.
    """
    keep = functools.partial(_keep_previous, file)
    try:
        with atomic.replacing(file, atomic.PRIVATE, before=keep) as out:
            out.write(data)
    except OSError as error:
        raise cannot_write(file, error) from error


def previous(file: Path) -> Path:
    """Return the path of the copy from before the last write."""
    return _beside(file, ".previous")


def all_of(file: Path) -> tuple[Path, ...]:
    """Return the existing files: the keyring, its previous copy and its lock."""
    return tuple(each for each in (file, previous(file), _beside(file, ".lock")) if each.exists())


def cannot_write(file: Path, error: OSError) -> KeyringError:
    """Return the error of a keyring file that cannot be written."""
    return KeyringError(
        f"cannot write {file}: {error.strerror}",
        f"make room or set the rights (ls -ld {file.parent}), then try again; the old file is unchanged",
    )


def _keep_previous(file: Path) -> None:
    # A hard link to the old file, so that a reader finds a file at every moment.
    if file.exists():
        step = _beside(file, ".old")
        step.unlink(missing_ok=True)
        step.hardlink_to(file)
        step.replace(previous(file))


def _wait_for(lock: int, file: Path) -> None:
    end = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise KeyringError(
                    f"another process has been writing {file} for {LOCK_WAIT_S:.0f} s",
                    f"end it (fuser {_beside(file, '.lock')} names it), then try again",
                ) from None
        time.sleep(LOCK_STEP_S)


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)
