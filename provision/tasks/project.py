"""Find the project that a command is about: its inventory, pins, keyring and state."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from provision.settings import Settings

STATE = ".provision"
LAB = Path(STATE) / "lab"


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that most commands share, as typed."""

    inventory: list[str] = field(default_factory=list)
    keyring: str = ""
    unlock_fd: int = -1
    color: str = "auto"
    output: str = "text"


def root(start: Path) -> Path:
    """Give the nearest directory at or above ``start`` with an inventory or a fabfile; else ``start``."""
    for place in (start, *start.parents):
        if (place / "inventory").is_dir() or (place / "fabfile.py").is_file():
            return place
    return start


def settings(flags: Flags, start: Path | None = None) -> Settings:
    """Give the Settings of the project around ``start`` (default: the working directory).

    While a lab is up, and no inventory is named, the commands are about the lab: its inventory,
    its throw-away keyring, its pins. They never mix with those of real servers.
    """
    home = root(start or Path.cwd())
    lab = home / LAB
    in_lab = not flags.inventory and (lab / "inventory.yml").exists()
    named = tuple(Path(path).expanduser().absolute() for path in flags.inventory)
    return Settings(
        inventory=(lab / "inventory.yml",) if in_lab else named or (home / "inventory" / "hosts.yml",),
        pins=lab / "known_hosts" if in_lab else home / "inventory" / "known_hosts",
        keyring_file=lab / "keyring.kdbx" if in_lab else _keyring_file(home),
        state_dir=home / STATE,
        master_file=lab / "master" if in_lab else None,
        keyring=flags.keyring or None,
        unlock_fd=flags.unlock_fd if flags.unlock_fd >= 0 else None,
        interactive=os.isatty(0) and os.isatty(2),
    )


def _keyring_file(home: Path) -> Path:
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    named = os.environ.get("PROVISION_KEYRING_FILE")
    # two projects may be called infra, and neither may offer its passwords to the other's hosts
    mark = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:8]
    return Path(named or f"{data}/provision/{home.name}-{mark}/keyring.kdbx").expanduser().absolute()
