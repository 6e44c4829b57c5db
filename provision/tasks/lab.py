"""Throw-away stand-in hosts on this machine, for trials and tests."""

import sys

from provision.workflows.command import LOCAL, command
from provision.workflows.project import Flags, whole_number


@command(
    shared=LOCAL,
    help={
        "hosts": "how many hosts to boot",
        "profile": "el10, el9, el8 or el7: what the stand-ins are dressed as",
    },
)
def up(flags: Flags, hosts: str = "2", profile: str = "el10") -> None:
    """Boot stand-in hosts and make them the inventory."""
    from provision.workflows import demo

    sys.stdout.write(demo.up(whole_number("hosts", hosts), profile))


@command(shared=LOCAL)
def status(flags: Flags) -> int:
    """Show the lab that is up."""
    from provision.workflows import demo

    return demo.status()


@command(shared=LOCAL)
def down(flags: Flags) -> None:
    """Remove the lab and everything that belongs to it."""
    from provision.workflows import demo

    demo.down()
