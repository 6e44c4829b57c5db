"""Replace a file atomically: after a crash at any point it is the old or the new one, and whole."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# The person's umask takes from it.
SHARED, PRIVATE = 0o666, 0o600


@contextmanager
def replacing(
    file: Path, mode: int = SHARED, *, before: Callable[[], None] | None = None, lasts: bool = True
) -> Iterator[IO[bytes]]:
    """Yield a stream; what is written to it becomes the content of ``file`` when the context ends.

    ``before`` is called when all is written and ``file`` is still the old one. With ``lasts`` the new one
    also survives a power cut. After an error the old file is unchanged. Raises OSError.
    """
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)  # what a killed process left
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as out:
        try:
            yield out
            out.flush()
            if lasts:
                os.fsync(out.fileno())
            if before:
                before()
            if not _is_open_as(out, fresh):
                raise OSError(errno.EBUSY, "another process writes it, too")
            fresh.replace(file)
        except BaseException:
            if _is_open_as(out, fresh):
                fresh.unlink()
            raise
    if lasts:
        _sync(file.parent)


def replace(file: Path, data: bytes, mode: int = SHARED, *, lasts: bool = True) -> None:
    """Replace the content of ``file`` by ``data``; arguments and errors are those of ``replacing``."""
    with replacing(file, mode, lasts=lasts) as out:
        out.write(data)


def _is_open_as(out: IO[bytes], fresh: Path) -> bool:
    """Return whether the path is still that of the open file."""
    try:
        return os.path.samestat(os.fstat(out.fileno()), fresh.stat())
    except OSError:
        return False


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
