"""Throw-away stand-in hosts on this machine, to try and to test."""

import sys

from provision.tasks import demo
from provision.tasks.command import command
from provision.tasks.project import Flags


@command(help={"hosts": "how many", "profile": "el10 or el9: which EL the stand-ins are dressed as"})
def up(flags: Flags, hosts: int = 2, profile: str = "el10") -> None:
    """Boot stand-in hosts and make them the inventory."""
    sys.stdout.write(demo.up(hosts, profile))


@command()
def status(flags: Flags) -> int:
    """Show the lab that is up."""
    return demo.status()


@command()
def down(flags: Flags) -> None:
    """Remove the lab and everything that belongs to it."""
    demo.down()
