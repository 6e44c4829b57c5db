"""One host whose access changes: the connection that stays open, and new logins tried beside it."""

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
# A server that accepts passwords offers at least one of these methods.
PASSWORD_WAYS = frozenset({"password", "keyboard-interactive"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wanted access: ``values`` for provision/host/access/, and the secrets that they name."""

    values: Mapping[str, Any]
    secrets: Mapping[str, Secret] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Case:
    """An open Session, the key and credential that opened it, and the Session of its jump host."""

    session: Session
    key: HostKey
    credential: Credential
    jump: Session | None = None

    @property
    def host(self) -> Host:
        """The host of the Session."""
        return self.session.host

    def lets_in(self, credential: Credential) -> bool:
        """Return whether one new login with only ``credential`` works; raises Unreachable."""
        return self._answer(lambda sock: witness.can_login(self.host, self.key, credential, sock))

    def takes_passwords(self) -> bool:
        """Return whether the host accepts passwords at all; none is sent."""
        ways = self._answer(lambda sock: witness.ways_in(self.host, self.key, sock))
        return bool(PASSWORD_WAYS.intersection(ways))

    def _answer(self, question: Callable[[Any], T]) -> T:
        """Return the answer to ``question``; retry while sshd, which restarts at a reload, accepts nobody."""
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
    """What one verb does about access, before and after the Changes on the host."""

    def __init__(self, rotation: Rotation) -> None:
        self.rotation = rotation

    def begin(self, case: Case) -> Wanted:
        """Return what is wanted on the host; raises ProvisionError, before any change, if that is unsafe."""
        raise NotImplementedError

    def reopened(self, case: Case) -> Session:
        """Return the open Session as it is after the Changes."""
        return case.session

    def finish(self, case: Case) -> None:
        """Prove the change by new logins, and update the keyring; raises NotProvenFromOutside."""
        raise NotImplementedError
