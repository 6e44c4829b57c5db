"""Where a project keeps its things, and what the command line said about them."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

# How much of a path that a person typed is repeated.
LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Settings:
    """What every stage may need to know of the project; paths are absolute.

    ``pins`` is the known_hosts file, ``state_dir`` the project's ``.provision``.
    ``inventory_is_named`` says that the command line named it, and that it is not the default.
    ``master_file`` holds the master password of a throw-away keyring (the lab's alone).
    ``interactive`` says that there is a terminal that may be asked.
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
    """Return whether there is such a file; a path that is too long to be one is none, and no error."""
    return os.path.exists(path)


def project_root(start: Path) -> Path:
    """Return the nearest directory at or above ``start`` with an inventory or a fabfile; else ``start``."""
    for place in (start, *start.parents):
        if (place / "inventory").is_dir() or (place / "fabfile.py").is_file():
            return place
    return start


def default_keyring_file(root: Path) -> Path:
    """Return the keyring file of the project in ``root``: ``$PROVISION_KEYRING_FILE``, or one of its own.

    The file's directory also names the project in a desktop's keyring. Two projects may be called infra,
    and neither may offer its passwords to the other's hosts: so the name ends in a mark of the path.
    """
    named = os.environ.get("PROVISION_KEYRING_FILE")
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    mark = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:8]
    return Path(named or f"{data}/provision/{root.name}-{mark}/keyring.kdbx").expanduser().absolute()
