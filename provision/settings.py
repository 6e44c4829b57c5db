"""Where a project keeps its things, and what the command line said about them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """What every stage may need to know of the project; paths are absolute.

    ``pins`` is the known_hosts file, ``state_dir`` the project's ``.provision``.
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
