"""Replace secrets: a new one is pending until a login proves it, then promoted; the old one is kept.

Each step is one keyring entry, read back. After an interruption at any point, the secret that opens the host
is still there: a pending password is tried after the current one, a pending key is not tried at all.
"""

import fcntl
import secrets as random_source
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from provision import keypair
from provision.credentials.entries import Kind, Owner
from provision.credentials.vault import Vault
from provision.model import Host, Secret
from provision.settings import Settings

_CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_.+")
_LENGTH = 28


class Rotation:
    """Replace passwords and keys in one project's keyring; safe to call from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.RLock()

    def password(self, host: Host) -> Secret | None:
        """Return the host's current password in the keyring."""
        with self._lock:
            found = self._vault().find(host, Kind.PASSWORD)
            return found[1] if found else None

    def begin_password(self, host: Host) -> Secret:
        """Return the pending password: that of an interrupted rotation, or a new one.

        Two runs at once get the same.
        """
        with self._alone():
            pending = self._vault().get(_own(host), Kind.PENDING_PASSWORD)
            if pending is None or pending == self.password(host):  # else it was promoted already
                pending = _invented()
                self._vault().put(_own(host), Kind.PENDING_PASSWORD, pending)
            return pending

    def promote_password(self, host: Host, proven: Secret, *, opens_sudo: bool) -> None:
        """Make the proven password the current one, also for sudo where sudo accepted it.

        Each password that it replaces is kept as previous. Another password that is pending by now stays
        pending.
        """
        with self._alone():
            vault, owner = self._vault(), _own(host)
            sudo = vault.find(host, Kind.SUDO)
            old = self.password(host) or (sudo[1] if sudo and opens_sudo else None)
            if old and old != proven:
                vault.put(owner, Kind.PREVIOUS_PASSWORD, old)
            if sudo and opens_sudo:
                vault.replace([(owner, Kind.SUDO, proven)])  # the old one may open something else
            vault.put(owner, Kind.PASSWORD, proven)
            if vault.get(owner, Kind.PENDING_PASSWORD) == proven:
                vault.drop(owner, Kind.PENDING_PASSWORD)

    def begin_key(self, host: Host) -> Secret:
        """Return the pending private key, or a new one."""
        with self._lock:
            pending = self.pending_key(host)
            if pending is None:
                pending = keypair.generate()
                self._vault().put(_own(host), Kind.PENDING_KEY, pending)
            return pending

    def pending_key(self, host: Host) -> Secret | None:
        """Return the private key that is not in use yet, or no longer."""
        with self._lock:
            return self._vault().get(_own(host), Kind.PENDING_KEY)

    def promote_key(self, host: Host) -> None:
        """Use the pending key for logins from now on."""
        self._move_key(host, Kind.PENDING_KEY, Kind.PRIVATE_KEY)

    def demote_key(self, host: Host) -> None:
        """Stop using the key for logins; it becomes pending."""
        self._move_key(host, Kind.PRIVATE_KEY, Kind.PENDING_KEY)

    def drop_key(self, host: Host) -> None:
        """Remove the pending key."""
        with self._lock:
            self._vault().drop(_own(host), Kind.PENDING_KEY)

    def _move_key(self, host: Host, source: Kind, target: Kind) -> None:
        with self._lock:
            key = self._vault().get(_own(host), source)
            if key:
                self._vault().put(_own(host), target, key)
                self._vault().drop(_own(host), source)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold a lock against other threads, and against other runs of the project."""
        self._settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock, (self._settings.state_dir / "rotation.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _vault(self) -> Vault:
        return Vault.of(self._settings)


def _own(host: Host) -> Owner:
    return Owner.host(host.name)


def _invented() -> Secret:
    """Return a random password with all usual character classes, and nothing special to a shell."""
    letters = [random_source.choice(each) for each in _CLASSES]
    letters += [random_source.choice("".join(_CLASSES)) for _ in range(_LENGTH - len(letters))]
    random_source.SystemRandom().shuffle(letters)
    return Secret("".join(letters))
