"""Packages in one file, for hosts that reach no package repository."""

from provision.workflows.command import VIA, command
from provision.workflows.project import Flags, settings


@command(
    help={
        "from": "a host that reaches the repositories, with the system and processor of those that do not",
        "to": "the file to write (default: docker-VERSION-SYSTEM.tar in this directory)",
        "force": "replace the file if it exists",
    }
    | VIA
)
def make(flags: Flags, from_: str = "", to: str = "", force: bool = False, via: str = "public") -> None:
    """Collect Docker's packages and all they need into a file.

    The host only downloads: nothing is installed there. `fab provision --bundle FILE` installs from the file.
    """
    from provision.workflows import bundling

    print(bundling.make(settings(flags), from_, to, via, replace=force))
