"""Who gets into a host: what each verb wants there, and the new logins that prove it.

A flow has two ends around the Changes that converge makes: ``begin`` says what is wanted, and refuses what
would lock somebody out; ``finish`` looks from outside, by logins that share nothing with the open one.
"""

from provision.access.case import Flow
from provision.access.harden import Harden
from provision.access.keys import Install, Remove
from provision.access.rotate import Rotate
from provision.access.run import Locks, settled
from provision.credentials import Rotation
from provision.session import Connections, Entrant
from provision.settings import Settings

__all__ = ["FLOWS", "Locks", "locks", "settled"]

FLOWS: dict[str, type[Flow]] = {
    "keys.install": Install,
    "keys.remove": Remove,
    "hosts.harden": Harden,
    "credentials.rotate": Rotate,
}


def locks(
    verb: str, settings: Settings, entrants: tuple[Entrant, ...], connections: Connections
) -> Locks | None:
    """Give what ``verb`` does to the access of hosts; None for a verb that is about something else."""
    flow = FLOWS.get(verb)
    return Locks(flow(Rotation(settings)), entrants, connections.grant) if flow else None
