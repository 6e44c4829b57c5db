"""The cache of what takes long to build: ``~/.cache/provision``."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HASH_LENGTH = 12


def root() -> Path:
    """Return the cache directory, created if need be."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base / "provision"
    path.mkdir(parents=True, exist_ok=True)
    return path


def key(*parts: str | bytes) -> str:
    """Return a short hash of a recipe."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()[:HASH_LENGTH]


@contextmanager
def building(target: Path) -> Iterator[Path]:
    """Yield a directory to fill; it becomes ``target`` only when it is complete."""
    for abandoned in target.parent.glob(".building-*"):
        pid = abandoned.name.split("-")[1]
        if not Path("/proc", pid).exists():
            shutil.rmtree(abandoned, ignore_errors=True)
    half = target.parent / f".building-{os.getpid()}-{target.name}"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    try:
        yield half
        if not target.exists():
            half.rename(target)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def drop_older(target: Path, *, in_use: str) -> None:
    """Remove the results of older recipes of the same name, unless their path occurs in ``in_use``."""
    for old in target.parent.glob(f"{target.name.rsplit('-', 1)[0]}-*"):
        if old != target and str(old) not in in_use:
            shutil.rmtree(old, ignore_errors=True)
