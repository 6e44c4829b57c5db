"""The names of secrets in the keyring, and which texts can be secrets."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from provision.desired import SECRET_NAME
from provision.errors import UsageError
from provision.model import INVENTORY_NAME, Host, Secret
from provision.settings import Settings

LONGEST_SECRET_BYTES = 1023


class Kind(StrEnum):
    """What a secret opens."""

    PASSWORD = "password"  # noqa: S105 - the word, not a password
    SUDO = "sudo"
    PASSPHRASE = "passphrase"  # noqa: S105 - the word, not a passphrase
    # Made by this program, never typed: see rotation.py.
    PRIVATE_KEY = "private-key"
    PENDING_KEY = "pending-key"
    PENDING_PASSWORD = "pending-password"  # noqa: S105 - the word, not a password
    # Replaced by a rotation or by a person.
    PREVIOUS_PASSWORD = "previous-password"  # noqa: S105 - the word, not a password
    PREVIOUS_SUDO = "previous-sudo"
    PREVIOUS_PASSPHRASE = "previous-passphrase"  # noqa: S105 - the word, not a passphrase


_PREVIOUS = {
    Kind.PASSWORD: Kind.PREVIOUS_PASSWORD,
    Kind.SUDO: Kind.PREVIOUS_SUDO,
    Kind.PASSPHRASE: Kind.PREVIOUS_PASSPHRASE,
}
MADE = (Kind.PRIVATE_KEY, Kind.PENDING_KEY, Kind.PENDING_PASSWORD, *_PREVIOUS.values())


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """A secret that the desired state names as ``{secret: NAME}``, as for a proxy or a registry."""

    name: str
    is_previous: bool = False

    def __str__(self) -> str:
        return f"{'previous-' if self.is_previous else ''}secret/{self.name}"


Sort = Kind | NamedSecret


def is_made(sort: Sort) -> bool:
    """Return whether this program makes such a secret."""
    return sort.is_previous if isinstance(sort, NamedSecret) else sort in MADE


def previous(sort: Sort) -> Sort | None:
    """Return the sort under which a replaced secret is kept; None for those this program makes."""
    if isinstance(sort, NamedSecret):
        return None if sort.is_previous else NamedSecret(sort.name, is_previous=True)
    return _PREVIOUS.get(sort)


def parse_sort(word: str) -> Sort:
    """Parse the value of --kind, such as ``password`` or ``secret/proxy``; raises UsageError."""
    scope, slash, name = word.partition("/")
    if slash and scope in ("secret", "previous-secret") and SECRET_NAME.fullmatch(name):
        return NamedSecret(name, is_previous=scope != "secret")
    try:
        return Kind(word)
    except ValueError:
        raise UsageError(f"--kind {word} is not known", f"one of {', '.join(Kind)}, secret/NAME") from None


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a secret: one host, one group of the inventory, or all hosts."""

    scope: str
    name: str = ""

    @classmethod
    def host(cls, name: str) -> "Owner":
        """Return the owner for one host; raises UsageError for an invalid name."""
        return cls("host", _valid(name))

    @classmethod
    def group(cls, name: str) -> "Owner":
        """Return the owner for one group, or for all hosts; raises UsageError for an invalid name."""
        return cls.everyone() if name == "all" else cls("group", _valid(name))

    @classmethod
    def parse(cls, text: str) -> "Owner":
        """Parse ``web1``, ``host/web1``, ``group/web`` or ``all``; raises UsageError."""
        scope, slash, name = text.rpartition("/")
        if text in ("all", "group/all"):
            return cls.everyone()
        return cls.group(name) if slash and scope == "group" else cls.host(text.removeprefix("host/"))

    @classmethod
    def everyone(cls) -> "Owner":
        """Return the owner for all hosts."""
        return cls("all")

    def __str__(self) -> str:
        return f"{self.scope}/{self.name}" if self.name else self.scope


def service(settings: Settings) -> str:
    """Return the project's name in the keyring, from the directory of its keyring file."""
    return f"provision/{settings.keyring_file.parent.name}"


def username(owner: Owner, kind: Sort) -> str:
    """Return the name of one entry: ``host/web1/password``, ``group/web/sudo``, ``all/secret/proxy``."""
    return f"{owner}/{kind}"


def owners(host: Host) -> Iterator[Owner]:
    """Yield the owners whose secrets this host may use, the nearest first: host, groups, all."""
    yield Owner.host(host.name)
    yield from (Owner.group(name) for name in host.groups if name != "all")
    yield Owner.everyone()


def set_command(owner: Owner, kind: Sort = Kind.PASSWORD, more: str = "") -> str:
    """Return the command that stores this entry, marked as in ``hints``; ``more`` are further options."""
    which = "" if kind is Kind.PASSWORD else f" --kind {kind}"
    return f"`fab credentials.set {_typed(owner)}{which}{more}`"


def forget_command(owner: Owner, kind: Sort) -> str:
    """Return the command that removes this entry, marked as in ``hints``."""
    return f"`fab credentials.forget {_typed(owner)} --kind {kind}`"


def flaw(secret: Secret) -> str:
    """Return why a text cannot be a secret, or an empty text when it can.

    The limits: 1 to 1023 bytes (the most that ssh reads from askpass), UTF-8, no control characters but TAB
    (the keyring file is XML, and a line break ends an answer).
    """
    text = secret.reveal()
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if not 1 <= size <= LONGEST_SECRET_BYTES:
        return f"it has {size} bytes, and 1 to {LONGEST_SECRET_BYTES} are possible"
    if any(unicodedata.category(letter) == "Cc" and letter != "\t" for letter in text):
        return "it holds a control character"
    return ""


def _typed(owner: Owner) -> str:
    return owner.name if owner.scope == "host" else str(owner)


def _valid(name: str) -> str:
    if not INVENTORY_NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a host or a group", "`fab hosts.list`")
    return name
