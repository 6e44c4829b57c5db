"""Find the project of a command: its inventory, pins, keyring and state."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from provision.errors import UsageError
from provision.settings import Settings, default_keyring_file, project_root

STATE = ".provision"
LAB = Path(STATE) / "lab"
# The default inventory of a project.
EXAMPLE = Path("inventory") / "hosts.yml"


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that most commands share, as typed."""

    inventory: list[str] = field(default_factory=list)
    keyring: str = ""
    unlock_fd: str = ""
    color: str = "auto"
    output: str = "text"


def whole_number(flag: str, text: str) -> int:
    """Return the value of a flag that is a number; raises UsageError for anything else."""
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise UsageError(f"--{flag} {text!r} is not a number", f"write a whole number: --{flag} 2")
    return int(text)


def is_lab(project: Settings) -> bool:
    """Return whether these settings are those of a lab that is up, with its throw-away keyring."""
    return project.master_file is not None


def settings(flags: Flags, start: Path | None = None) -> Settings:
    """Return the Settings of the project around ``start`` (default: the working directory).

    While a lab is up and no inventory is named, these are inventory, keyring and pins of the lab, which never
    mix with those of real servers.
    """
    home = project_root(start or Path.cwd())
    lab = home / LAB
    in_lab = not flags.inventory and (lab / "inventory.yml").exists()
    named = tuple(Path(path).expanduser().absolute() for path in flags.inventory)
    return Settings(
        inventory=(lab / "inventory.yml",) if in_lab else named or (home / EXAMPLE,),
        pins=lab / "known_hosts" if in_lab else home / "inventory" / "known_hosts",
        keyring_file=lab / "keyring.kdbx" if in_lab else default_keyring_file(home),
        state_dir=home / STATE,
        master_file=lab / "master" if in_lab else None,
        keyring=flags.keyring or None,
        unlock_fd=whole_number("unlock-fd", flags.unlock_fd) if flags.unlock_fd else None,
        interactive=os.isatty(0) and os.isatty(2),
        inventory_is_named=bool(named),
    )
