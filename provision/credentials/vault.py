"""The secrets of one project by owner and kind, with typed errors."""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from keyring import errors
from keyring.backend import KeyringBackend

from provision.credentials.choose import choose
from provision.credentials.entries import (
    Kind,
    Owner,
    Sort,
    flaw,
    forget_command,
    owners,
    previous,
    service,
    set_command,
    username,
)
from provision.credentials.kdbx import KdbxKeyring
from provision.errors import KeyringError, MissingCredential, UsageError
from provision.model import Host, Secret
from provision.settings import Settings

T = TypeVar("T")
Entry = tuple[Owner, Sort, Secret]


@dataclass(frozen=True, slots=True)
class Vault:
    """The entries of one project in one keyring."""

    backend: KeyringBackend
    service: str

    @classmethod
    def of(cls, settings: Settings) -> "Vault":
        """Open the keyring that the settings and the environment choose; raises KeyringError."""
        return cls(choose(settings), service(settings))

    def find(self, host: Host, kind: Sort) -> tuple[Owner, Secret] | None:
        """Return the nearest entry for a host: its own, that of its groups in order, or that of all."""
        for owner in owners(host):
            secret = self.get(owner, kind)
            if secret is not None:
                return owner, secret
        return None

    def get(self, owner: Owner, kind: Sort) -> Secret | None:
        """Return one secret, or None; raises MissingCredential for one that cannot be used."""
        secret = self.held(owner, kind)
        if secret is None:
            return None
        problem = flaw(secret)
        if problem:
            raise MissingCredential(
                f"the entry {username(owner, kind)} cannot be used: {problem}", set_command(owner, kind)
            )
        return secret

    def held(self, owner: Owner, kind: Sort) -> Secret | None:
        """Return the stored secret, usable or not."""
        text = self._ask(lambda: self.backend.get_password(self.service, username(owner, kind)))
        return None if text is None else Secret(text)

    def put(self, owner: Owner, kind: Sort, secret: Secret) -> None:
        """Store one secret and read it back; raises UsageError or KeyringError."""
        _expect_usable(owner, kind, secret)
        self._write([(owner, kind, secret)])

    def replace(self, entries: Sequence[Entry]) -> None:
        """Store secrets and read them back; each value that is replaced is kept as previous.

        The embedded file stores all of them in one write. Raises KeyringError, or UsageError before anything
        is stored, also for a value that would be lost because its kind has no previous one.
        """
        rows: list[Entry] = []
        for owner, kind, secret in entries:
            _expect_usable(owner, kind, secret)
            old = self.held(owner, kind)
            if old is not None and old != secret:
                place = previous(kind)
                if place is None:
                    raise UsageError(
                        f"another {kind} of {owner} is stored already, and may be the only copy: "
                        "nothing was stored",
                        f"{forget_command(owner, kind)} removes it",
                    )
                rows.append((owner, place, old))
            rows.append((owner, kind, secret))
        self._write(rows)

    def _write(self, rows: Sequence[Entry]) -> None:
        texts = {username(owner, kind): secret.reveal() for owner, kind, secret in rows}
        backend = self.backend
        if isinstance(backend, KdbxKeyring):
            self._ask(lambda: backend.set_passwords(self.service, texts))
        else:
            for name, text in texts.items():
                self._ask(functools.partial(backend.set_password, self.service, name, text))
        for owner, kind, secret in rows:
            if self.held(owner, kind) != secret:
                raise KeyringError(
                    f"the keyring returned another text than was stored for {username(owner, kind)}",
                    f"use the embedded file: {set_command(owner, kind, ' --keyring kdbx')}",
                )

    def drop(self, owner: Owner, kind: Sort) -> bool:
        """Remove one secret; return whether there was one."""
        if self.held(owner, kind) is None:
            return False
        self._ask(lambda: self.backend.delete_password(self.service, username(owner, kind)))
        return True

    def names(self, candidates: Iterable[Owner]) -> tuple[str, ...]:
        """Return the names of the entries, sorted.

        Only the embedded file can list; another keyring is asked for each of ``candidates``.
        """
        backend = self.backend
        if isinstance(backend, KdbxKeyring):
            return backend.usernames(self.service)
        pairs: list[tuple[Owner, Sort]] = [(owner, kind) for owner in candidates for kind in Kind]
        return tuple(sorted(username(*pair) for pair in pairs if self.held(*pair) is not None))

    @property
    def writes_at_once(self) -> bool:
        """Whether several entries are stored in one write, all or none."""
        return isinstance(self.backend, KdbxKeyring)

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except errors.KeyringError as error:
            raise KeyringError(
                f"the keyring {self.backend.name} does not answer",
                "unlock it, or use the embedded file: --keyring kdbx",
                evidence=f"{type(error).__name__}: {error}",
            ) from None


def _expect_usable(owner: Owner, kind: Sort, secret: Secret) -> None:
    problem = flaw(secret)
    if problem:
        raise UsageError(f"this cannot be a {kind}: {problem}", set_command(owner, kind))
