"""The keyring of a project, and the credential of each host."""

from pathlib import Path

from provision.credentials import master
from provision.credentials.doctor import examine
from provision.credentials.entries import MADE, Kind, Owner, Sort, is_made, parse_sort, previous
from provision.credentials.kdbx import KdbxKeyring
from provision.credentials.lookup import Way, find_ways, unlock
from provision.credentials.rotation import Rotation
from provision.credentials.vault import Vault
from provision.errors import KeyringError, ProvisionError, UsageError
from provision.model import Host, Secret
from provision.settings import Settings

__all__ = [
    "MADE", "Kind", "Owner", "Rotation", "Sort", "check", "examine", "forget", "held", "init", "is_made",
    "names", "open_early", "parse_sort", "previous", "store", "unlock",
]  # fmt: skip


def open_early(settings: Settings) -> None:
    """Open the embedded keyring before ``unlock``, where no person has to be asked for its password.

    Argon2 takes half a second, in C, so another thread can work meanwhile. Raises KeyringError as ``unlock``.
    """
    backend = Vault.of(settings).backend
    if isinstance(backend, KdbxKeyring) and not master.Sources.of(settings).may_ask():
        backend.usernames("")


def init(settings: Settings) -> Path:
    """Create the embedded keyring file with a new master password, and return its path.

    Raises KeyringError when it exists, or when another keyring is in use.
    """
    backend = Vault.of(settings).backend
    if not isinstance(backend, KdbxKeyring):
        raise KeyringError(
            f"the keyring {backend.name} is in use; it needs no init",
            "`fab credentials.set NAME`, or for a file of its own: `fab credentials.init --keyring kdbx`",
        )
    if backend.path.exists():
        raise KeyringError(f"{backend.path} exists already", "`fab credentials.list`")
    backend.create(master.invent(backend.path, master.Sources.of(settings)))
    return backend.path


def held(settings: Settings, owner: Owner, kind: Sort) -> Secret | None:
    """Return the stored secret, usable or not; raises KeyringError."""
    return Vault.of(settings).held(owner, kind)


def store(settings: Settings, owner: Owner, kind: Sort, secret: Secret) -> None:
    """Store one secret and read it back; the one that it replaces is kept as previous.

    Raises UsageError for a text that cannot be a secret, KeyringError when the keyring fails.
    """
    Vault.of(settings).replace([(owner, kind, secret)])


def forget(settings: Settings, owner: Owner, kind: Sort | None = None) -> tuple[Sort, ...]:
    """Remove one owner's secrets, of one kind or of all kinds, and return the kinds removed.

    Secrets made by this program, which exist nowhere else, are removed only by their kind. Raises UsageError
    when there are none.
    """
    vault = Vault.of(settings)
    sorts: tuple[Sort, ...] = (kind,) if kind else tuple(each for each in Kind if each not in MADE)
    gone = tuple(each for each in sorts if vault.drop(owner, each))
    if not gone:
        raise UsageError(f"the keyring holds no {kind or 'secret'} for {owner}", "`fab credentials.list`")
    return gone


def check(hosts: tuple[Host, ...], settings: Settings) -> dict[str, tuple[str, ...] | ProvisionError]:
    """Return, by host, where its secrets come from: ``("password from group/web",)``."""
    ways = find_ways(hosts, settings)
    return {name: way.origin if isinstance(way, Way) else way for name, way in ways.items()}


def names(settings: Settings, hosts: tuple[Host, ...] = ()) -> tuple[str, ...]:
    """Return the names of the stored entries, ``host/web1/password``, never their values.

    The embedded file lists all; another keyring is asked for those of ``hosts``, their groups and all.
    """
    groups = sorted({group for host in hosts for group in host.groups if group != "all"})
    candidates = [Owner.host(host.name) for host in hosts] + [Owner.group(name) for name in groups]
    return Vault.of(settings).names([*candidates, Owner.everyone()])
