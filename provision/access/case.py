"""One host whose access changes: the login that stays open, and the new ones that are tried beside it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from provision.credentials import Rotation
from provision.errors import ConnectionRefused, HungUp
from provision.model import Credential, Host, HostKey, Secret, Session
from provision.ssh import remote, witness

T = TypeVar("T")

TRIES = 3
PAUSE_S = 1.0
# What a server that takes passwords offers: at least one of them.
PASSWORD_WAYS = frozenset({"password", "keyboard-interactive"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted on the host, by the words of provision/host/access/, and the secrets named in it."""

    values: Mapping[str, Any]
    secrets: Mapping[str, Secret] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Case:
    """An open Session, how it was opened, and the Session of its jump host."""

    session: Session
    key: HostKey
    credential: Credential
    jump: Session | None = None

    @property
    def host(self) -> Host:
        """The host itself."""
        return self.session.host

    def lets_in(self, credential: Credential) -> bool:
        """Try one new login with exactly this; raises Unreachable when nobody answered."""
        return self._answer(lambda sock: witness.can_login(self.host, self.key, credential, sock))

    def takes_passwords(self) -> bool:
        """Ask the host whether it takes passwords at all; none is sent."""
        ways = self._answer(lambda sock: witness.ways_in(self.host, self.key, sock))
        return bool(PASSWORD_WAYS.intersection(ways))

    def _answer(self, question: Callable[[Any], T]) -> T:
        """Ask, and where the door was shut before a login was tried, again: sshd starts anew at a reload."""
        for _ in range(TRIES - 1):
            try:
                with self._way() as sock:
                    return question(sock)
            except (ConnectionRefused, HungUp):
                time.sleep(PAUSE_S)
        with self._way() as sock:
            return question(sock)

    @contextmanager
    def _way(self) -> Iterator[Any]:
        if self.jump is None:
            yield None
            return
        with remote.way_through(self.jump, self.host) as sock:
            yield sock


class Flow:
    """What one verb does to the access of a host, before and after the Changes there."""

    def __init__(self, rotation: Rotation) -> None:
        self.rotation = rotation

    def begin(self, case: Case) -> Wanted:
        """Say what is wanted on the host; raises what keeps it from being begun. Nothing was changed then."""
        raise NotImplementedError

    def reopened(self, case: Case) -> Session:
        """Return the open Session as it is once the Changes are made."""
        return case.session

    def finish(self, case: Case) -> None:
        """Prove it by new logins, and keep in the keyring what is proven; raises when it is not."""
        raise NotImplementedError
