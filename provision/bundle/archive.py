"""The file of a bundle: an uncompressed tar archive of a fixed form.

The manifest determines every other byte, so a file in which any byte differs is refused, and nothing of it
reaches a parser of archives.
"""

import functools
import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from provision import atomic
from provision.bundle.manifest import FORMAT, KEY, Manifest, manifest_of
from provision.errors import UsageError

MANIFEST, CHECKSUM = "manifest.json", "manifest.sha256"
_BLOCK_BYTES = 512
_PIECE_BYTES = 1 << 20
MANIFEST_CAP_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose checksums were found right; ``offsets`` are the places of its members."""

    file: Path
    manifest: Manifest
    offsets: Mapping[str, int]

    @property
    def row(self) -> dict[str, Any]:
        """The manifest's values in JSON, and in ``file`` and ``offsets`` where its members are here."""
        found: dict[str, Any] = json.loads(self.manifest.data)
        return found | {"file": str(self.file), "offsets": dict(self.offsets)}

    @property
    def key(self) -> str:
        """The signing key, one character for each byte."""
        member = next(each for each in self.manifest.members if each.name == KEY)
        return b"".join(pieces(self.row, [member.name])).decode("latin-1")


def read(file: Path) -> Bundle:
    """Return the bundle in ``file`` after a check of every byte; raises UsageError."""
    try:
        with file.open("rb") as stream:
            return _checked(file, stream)
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"the bundle {file} is refused: {why}",
            "copy it again from where it was made, or make it again: `fab bundle.make --from HOST`",
            kind="bundle",
        ) from None


def pieces(row: Mapping[str, Any], names: list[str]) -> Iterator[bytes]:
    """Yield the bytes of these members; raises ValueError for other names. ``row`` is that of a Bundle."""
    sizes = {name: size for name, size, _ in row["members"]}
    if not all(isinstance(name, str) and name in sizes for name in names):
        raise ValueError("not a member")
    with Path(row["file"]).open("rb") as stream:
        for name in names:
            stream.seek(row["offsets"][name])
            yield from _pieces(stream, sizes[name])


def expect_free(file: Path, *, replace: bool) -> None:
    """Raise UsageError when ``file`` exists and is not to be ``replace``d, or cannot be made."""
    if file.exists() and not replace:
        raise UsageError(f"{file} exists", "--force replaces it; or write to another file with --to")
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is no directory", "make it, or write to another file with --to")


@contextmanager
def written(file: Path, manifest: Manifest, *, replace: bool) -> Iterator[Callable[[bytes], None]]:
    """Yield a function that takes the bytes of all members in order, and put the file in place at the end.

    It is there whole, or not at all. Raises UsageError when it exists and is not to be ``replace``d, when it
    cannot be written, and for bytes that are not those of the manifest.
    """
    expect_free(file, replace=replace)
    try:
        with atomic.replacing(file) as stream:
            writer = _Writer(stream, manifest)
            yield writer.take
            writer.end()
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written", "see who owns the directory, and that there is room: df -h",
            evidence=error.strerror or "",
        ) from error  # fmt: skip


class _Writer:
    """Write a bundle from the bytes of its members, however they are cut."""

    def __init__(self, stream: IO[bytes], manifest: Manifest) -> None:
        self._stream = stream
        self._members = iter(manifest.members)
        stream.write(_head(manifest.data))
        self._next()

    def take(self, data: bytes) -> None:
        """Write more bytes."""
        while data and self._member:
            part, data = data[: self._left], data[self._left :]
            self._stream.write(part)
            self._hash.update(part)
            self._left -= len(part)
            while self._member and not self._left:
                self._stream.write(_padding(self._member.size))
                _expect(self._hash.hexdigest() == self._member.sha256, self._member.name)
                self._next()

    def end(self) -> None:
        """Write the end of the archive."""
        _expect(self._member is None, self._member.name if self._member else "")
        self._stream.write(bytes(2 * _BLOCK_BYTES))

    def _next(self) -> None:
        self._member = next(self._members, None)
        self._hash = hashlib.sha256()
        self._left = self._member.size if self._member else 0
        if self._member:
            self._stream.write(_header(self._member.name, self._member.size))


def _expect(is_right: bool, name: str) -> None:
    if not is_right:
        raise UsageError(
            f"{name} did not arrive as the host has announced it", "run the same command again",
            kind="bundle", evidence="another sha256, or the connection ended",
        )  # fmt: skip


def _checked(file: Path, stream: IO[bytes]) -> Bundle:
    first = stream.read(_BLOCK_BYTES)
    try:
        size = tarfile.TarInfo.frombuf(first, "utf-8", "strict").size
    except tarfile.TarError:
        size = -1
    if not 0 < size <= MANIFEST_CAP_BYTES:
        raise ValueError("it is no bundle")
    data = stream.read(size)
    stream.seek(0)
    if stream.read(len(_head(data))) != _head(data):
        raise ValueError(f"a byte of {MANIFEST}, or beside it, has changed")
    row = json.loads(data)
    if not isinstance(row, dict) or row.get("format") != FORMAT:
        raise ValueError("another version of this program made it")
    manifest, offsets = manifest_of(row), {}
    for member in manifest.members:
        header, padding = _header(member.name, member.size), _padding(member.size)
        is_right = stream.read(len(header)) == header
        offsets[member.name] = stream.tell()
        found = hashlib.sha256()
        for piece in _pieces(stream, member.size):
            found.update(piece)
        is_right = is_right and stream.read(len(padding)) == padding
        if not is_right or found.hexdigest() != member.sha256:
            raise ValueError(f"a byte of {member.name}, or beside it, has changed")
    if stream.read(2 * _BLOCK_BYTES + 1) != bytes(2 * _BLOCK_BYTES):
        raise ValueError("it does not end where it should")
    return Bundle(file.absolute(), manifest, offsets)


def _head(data: bytes) -> bytes:
    """Return the beginning of a bundle: the manifest, and its own checksum."""
    checksum = hashlib.sha256(data).hexdigest().encode() + b"\n"
    return b"".join(
        _header(name, len(body)) + body + _padding(len(body))
        for name, body in ((MANIFEST, data), (CHECKSUM, checksum))
    )


@functools.cache
def _header(name: str, size: int) -> bytes:
    found = tarfile.TarInfo(name)
    found.size = size
    return found.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK_BYTES)


def _pieces(stream: IO[bytes], left: int) -> Iterator[bytes]:
    """Yield the next ``left`` bytes; raises ValueError when there are fewer."""
    while left:
        piece = stream.read(min(left, _PIECE_BYTES))
        if not piece:
            raise ValueError("it is cut short")
        left -= len(piece)
        yield piece
