"""The settings of a project: its paths, and what the command line says about them."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

# The longest part of a typed path that messages repeat.
LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a project that stages use; paths are absolute.

    ``pins`` is the known_hosts file, ``state_dir`` the project's ``.provision``. ``inventory_is_named`` is
    True when the command line named the inventory. ``master_file`` has the master password of a throw-away
    keyring (only the lab's). ``interactive`` is True when there is a terminal to ask on.
    """

    inventory: tuple[Path, ...]
    pins: Path
    keyring_file: Path
    state_dir: Path
    master_file: Path | None = None
    keyring: str | None = None
    unlock_fd: int | None = None
    interactive: bool = False
    inventory_is_named: bool = False


def is_there(path: Path) -> bool:
    """Return whether ``path`` exists; False, not an error, for a path that is too long."""
    return os.path.exists(path)


def project_root(start: Path) -> Path:
    """Return the nearest directory from ``start`` upwards with an inventory or a fabfile; else ``start``."""
    for place in (start, *start.parents):
        if (place / "inventory").is_dir() or (place / "fabfile.py").is_file():
            return place
    return start


def default_keyring_file(root: Path) -> Path:
    """Return the keyring file of the project in ``root``: ``$PROVISION_KEYRING_FILE``, or one of its own.

    The file's directory also names the project in a desktop's keyring. Two projects of one name must not
    offer their passwords to each other's hosts, so the name ends in a hash of the path.
    """
    named = os.environ.get("PROVISION_KEYRING_FILE")
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    mark = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:8]
    return Path(named or f"{data}/provision/{root.name}-{mark}/keyring.kdbx").expanduser().absolute()
