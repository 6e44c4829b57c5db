"""read, unlock, trust: select the hosts, and find credential and key of each; none is touched yet."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace

from provision import credentials, inventory
from provision import trust as pins
from provision.errors import ProvisionError, UnknownHostKey
from provision.inventory import Selection
from provision.model import Credential, Host, HostKey
from provision.settings import Settings
from provision.ssh import witness
from provision.ssh.master import Entrant

Credentials = Mapping[str, Credential | ProvisionError]
Keys = Mapping[str, HostKey | ProvisionError]
Entrants = dict[str, Entrant | ProvisionError]


def read(settings: Settings, limit: str, via: str) -> Selection:
    """Read the inventory and select hosts; raises UsageError or InventoryError."""
    return inventory.read(settings, limit=limit, via=via, environ=os.environ)


def unlock(selection: Selection, settings: Settings) -> Credentials:
    """Look up each host's credential, and the secrets of its desired state."""
    return credentials.unlock(_without_state(selection.jumps) + selection.hosts, settings)


def unlock_logins(selection: Selection, settings: Settings) -> Credentials:
    """Look up only the credentials: a missing secret of the desired state, which is not used, is no error."""
    return credentials.unlock(_without_state(selection.jumps + selection.hosts), settings)


def trust(selection: Selection, settings: Settings) -> Keys:
    """Find the public key that each host must show."""
    return pins.trust(selection.jumps + selection.hosts, settings.pins, _fetch_keys)


def entrants(selection: Selection, unlocked: Credentials, keys: Keys) -> Entrants:
    """Return, by host and with jump hosts, the Entrant to log in with, or the error that prevents it."""
    found: Entrants = {}
    for host in selection.jumps + selection.hosts:
        credential, key = unlocked[host.name], keys[host.name]
        if isinstance(key, ProvisionError):
            found[host.name] = key
        elif isinstance(credential, ProvisionError):
            found[host.name] = credential
        else:
            found[host.name] = Entrant(host, credential, key)
    return found


def fingerprint(entrant: Entrant | ProvisionError) -> str:
    """Return the fingerprint that the host must show; empty for a host that is not tried."""
    return entrant.key.fingerprint if isinstance(entrant, Entrant) else ""


def _without_state(hosts: tuple[Host, ...]) -> tuple[Host, ...]:
    return tuple(replace(host, desired={}) for host in hosts)


def _fetch_keys(host: Host) -> Iterator[HostKey]:
    if host.jump:
        raise UnknownHostKey(
            f"{host.name} lies behind {host.jump} and has no pin yet", f"`fab hosts.trust {host.name}`"
        )
    return witness.fetch_keys(host)
