"""The embedded keyring: one KDBX 4 file, which KeePassXC opens too.

It is a backend of the ``keyring`` library like any other:
``PYTHON_KEYRING_BACKEND=provision.credentials.kdbx.KdbxKeyring keyring get SERVICE NAME``.
The file is then ``$PROVISION_KEYRING_FILE``, or the one of the project in this directory.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError, PasswordSetError

from provision.credentials import master, storage
from provision.credentials.book import Book, Damaged, WrongMaster
from provision.errors import KeyringError
from provision.model import Secret
from provision.settings import default_keyring_file, project_root

Stamp = tuple[int, int, int]


class KdbxKeyring(KeyringBackend):
    """Keep secrets in one encrypted file, which is opened once, and again only when it has changed.

    ``file`` is its path; ``obtain`` returns the master password, and is called at most once.
    """

    priority = 0.5  # below a desktop's own keyring, above none

    def __init__(self, file: Path | None = None, obtain: Callable[[], Secret] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.path = (file or default_keyring_file(project_root(Path.cwd()))).resolve()
        self._obtain = obtain or (lambda: master.obtain(self.path, master.Sources(person=sys.stdin.isatty())))
        self._master: Secret | None = None
        self._open: tuple[Stamp, Book] | None = None

    def create(self, master_password: Secret) -> None:
        """Create an empty file; raises KeyringError when it exists."""
        with storage.exclusive(self.path):
            if self.path.exists():
                raise KeyringError(f"{self.path} exists already", "`fab credentials.list`")
            storage.replace(self.path, Book.blank(master_password))
        self._master = master_password

    def get_password(self, service: str, username: str) -> str | None:
        """Return one secret, or None; a missing file counts as empty. Raises KeyringError."""
        book = self._book()
        return book.get(service, username) if book else None

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store one secret; raises PasswordSetError for text that the file cannot represent."""
        self.set_passwords(service, {username: password})

    def set_passwords(self, service: str, passwords: Mapping[str, str]) -> None:
        """Store several secrets by username in one write, all or none; raises as ``set_password``."""
        with storage.exclusive(self.path):
            book = self._existing()
            try:
                for username, password in passwords.items():
                    book.put(service, username, password)
                self._save(book)
            except ValueError:
                self._open = None
                raise PasswordSetError("a KDBX file cannot hold this text") from None

    def delete_password(self, service: str, username: str) -> None:
        """Remove one secret; raises PasswordDeleteError when there is none."""
        with storage.exclusive(self.path):
            book = self._existing()
            if not book.drop(service, username):
                raise PasswordDeleteError("no such entry")
            self._save(book)

    def usernames(self, service: str) -> tuple[str, ...]:
        """Return the names of all entries of one service, sorted, without secrets."""
        book = self._book()
        return book.usernames(service) if book else ()

    @contextmanager
    def rehearsal(self) -> Iterator["KdbxKeyring"]:
        """Yield a temporary copy of the keyring, for tests. Raises KeyringError."""
        self._existing()
        try:
            with storage.exclusive(self.path), storage.beside(self.path) as directory:
                copy = KdbxKeyring(directory / self.path.name, self._unlocked)
                storage.replace(copy.path, self.path.read_bytes())
                yield copy
        except OSError as error:
            raise storage.cannot_write(self.path, error) from error

    def _unlocked(self) -> Secret:
        return self._master or self._obtain()

    def _save(self, book: Book) -> None:
        self._open = None
        data, copy = book.seal()
        storage.replace(self.path, data)
        self._open = _stamp(os.stat(self.path)), copy

    def _existing(self) -> Book:
        book = self._book()
        if book is None:
            raise KeyringError(f"there is no keyring file {self.path}", "`fab credentials.init`")
        return book

    def _book(self) -> Book | None:
        with suppress(FileNotFoundError):
            if self._open and self._open[0] == _stamp(os.stat(self.path)):
                return self._open[1]
            self._open = self._read()
            return self._open[1]
        return None

    def _read(self) -> tuple[Stamp, Book]:
        try:
            with self.path.open("rb") as source:
                stamp, data = _stamp(os.fstat(source.fileno())), source.read()
        except PermissionError as error:
            raise KeyringError(f"{self.path} cannot be read", f"ls -l {self.path}") from error
        self._master = self._unlocked()
        return stamp, self._opened(data, self._master)

    def _opened(self, data: bytes, master_password: Secret) -> Book:
        try:
            return Book.open(data, master_password)
        except WrongMaster:
            self._master = None
            raise KeyringError(
                f"the master password does not open {self.path}", "run the same command again"
            ) from None
        except Damaged as damage:
            raise KeyringError(
                f"{self.path} is damaged, and nothing in it is used",
                f"put the copy from before the last change in its place: "
                f"cp {storage.previous(self.path)} {self.path}",
                evidence=f"it does not pass its own checksum ({damage})",
            ) from None


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns
