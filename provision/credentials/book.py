"""The content of one KDBX 4 file in memory; entries are found by comparison, never by a query."""

import functools
import io
from typing import Any

from provision.model import Secret


@functools.cache
def _library() -> Any:
    """Import pykeepass when a file is opened: it takes 0.17 s, which then overlaps with other work."""
    import pykeepass.entry
    import pykeepass.exceptions

    return pykeepass


class WrongMaster(Exception):
    """The master password does not open the file."""


class Damaged(Exception):
    """The bytes are not a whole KDBX 4 file."""


class Book:
    """An open keyring file; changes are in memory until ``seal`` returns the bytes to store.

    ``find_entries`` of pykeepass is not used: it builds a query from its argument, so that a crafted name
    finds another entry.
    """

    def __init__(self, database: Any) -> None:
        self._database = database
        bin_ = database.recyclebin_group
        self._entries = {
            (entry.title or "", entry.username or ""): entry
            for entry in database.entries
            if bin_ is None or not _inside(entry, bin_)
        }

    @property
    def version(self) -> tuple[int, int]:
        """The version of the file format."""
        major, minor = self._database.version
        return major, minor

    @classmethod
    def blank(cls, master: Secret) -> bytes:
        """Return the bytes of an empty file (KDBX 4, Argon2, AES-256); takes about 1 s."""
        out = io.BytesIO()
        _library().create_database(out, password=master.reveal())
        return out.getvalue()

    @classmethod
    def open(cls, data: bytes, master: Secret) -> "Book":
        """Open the bytes of a file; the key derivation takes about 0.4 s.

        Raises WrongMaster, or Damaged when any part of the file is missing or changed.
        """
        library = _library()
        try:
            # Check the header first: a flipped bit there could ask for hours or gigabytes.
            library.PyKeePass(io.BytesIO(data), transformed_key=bytes(32), decrypt=False)
            book = cls(library.PyKeePass(io.BytesIO(data), password=master.reveal()))
        except library.exceptions.CredentialsError:
            raise WrongMaster from None
        except Exception as error:  # construct, zlib and lxml each raise their own
            raise Damaged(type(error).__name__) from None
        if book.version < (4, 0):
            raise Damaged("older than KDBX 4")
        return book

    def get(self, service: str, username: str) -> str | None:
        """Return the secret of one entry, or None."""
        entry = self._entries.get((service, username))
        return None if entry is None else entry.password or ""

    def put(self, service: str, username: str, secret: str) -> None:
        """Set one entry; raises ValueError for text that XML cannot represent."""
        entry = self._entries.get((service, username))
        if entry is None:
            entry = _library().entry.Entry(
                title=service, username=username, password=secret, kp=self._database
            )
            self._database.root_group.append(entry)
            self._entries[service, username] = entry
        else:
            entry.password = secret

    def drop(self, service: str, username: str) -> bool:
        """Remove one entry; return whether there was one."""
        entry = self._entries.pop((service, username), None)
        if entry is not None:
            entry.delete()
        return entry is not None

    def usernames(self, service: str) -> tuple[str, ...]:
        """Return the names of all entries of one service, sorted."""
        return tuple(sorted(user for title, user in self._entries if title == service))

    def seal(self) -> tuple[bytes, "Book"]:
        """Return the bytes to store, and the book read back from them.

        The key derived in ``open`` is reused, so this takes milliseconds; seeds are new at each call. Raises
        ValueError when what is read back differs from what was stored.
        """
        out = io.BytesIO()
        key = self._database.transformed_key
        self._database.save(out, transformed_key=key)
        out.seek(0)
        copy = Book(_library().PyKeePass(out, password=self._database.password, transformed_key=key))
        if copy._content() != self._content():
            raise ValueError("the text changes when it is stored")
        return out.getvalue(), copy

    def _content(self) -> dict[tuple[str, str], str]:
        return {key: entry.password or "" for key, entry in self._entries.items()}


def _inside(entry: Any, group: Any) -> bool:
    above = entry.parentgroup
    while above is not None and above != group:
        above = above.parentgroup
    return above is not None
