"""Find the credential of each host: its key, its password, or the keys of the person's ssh-agent."""

import functools
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace

from provision import keypair
from provision.credentials.entries import Kind, NamedSecret, Owner, set_command
from provision.credentials.kdbx import KdbxKeyring
from provision.credentials.vault import Vault
from provision.desired import secret_names
from provision.errors import MissingCredential, ProvisionError
from provision.model import Credential, Host
from provision.settings import Settings

AGENT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Way:
    """A credential, and where its parts come from, in words and without secrets."""

    credential: Credential
    origin: tuple[str, ...]


def unlock(hosts: tuple[Host, ...], settings: Settings) -> dict[str, Credential | ProvisionError]:
    """Return, by host, its credential, or a MissingCredential whose hint is the command to type.

    The order: a ``key_file`` of the inventory, with a passphrase of the keyring if there is one; a private
    key of the keyring; a password of the keyring; an ssh-agent that has keys. A sudo password is looked up
    for users other than root, and may be missing (NOPASSWD). Each secret is looked up for the host, its
    groups in order, then ``all``. Raises KeyringError when the keyring does not open.
    """
    ways = find_ways(hosts, settings)
    return {name: way.credential if isinstance(way, Way) else way for name, way in ways.items()}


def find_ways(hosts: tuple[Host, ...], settings: Settings) -> dict[str, Way | ProvisionError]:
    """Return what ``unlock`` does, with the origin of each part."""
    vault, agent = Vault.of(settings), functools.cache(agent_has_keys)
    ways: dict[str, Way | ProvisionError] = {}
    for host in hosts:
        try:
            way = _with_sudo(host, vault, _login(host, vault, agent))
            ways[host.name] = _with_secrets(host, vault, _with_pending(host, vault, way))
        except MissingCredential as error:
            ways[host.name] = error
    return ways


def agent_has_keys() -> bool:
    """Return whether the person's ssh-agent has a key; one that does not answer counts as none."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        return False
    try:
        listing = subprocess.run(["ssh-add", "-l"], capture_output=True, timeout=AGENT_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listing.returncode == 0


def _login(host: Host, vault: Vault, agent: Callable[[], bool]) -> Way:
    if host.key_file:
        return _by_key(host, vault)
    key = vault.get(Owner.host(host.name), Kind.PRIVATE_KEY)
    if key:
        keypair.public(key, host.name)  # reject a malformed key before any host is connected to
        return Way(Credential(private_key=key), (f"key from {Owner.host(host.name)}",))
    found = vault.find(host, Kind.PASSWORD)
    if found:
        owner, secret = found
        return Way(Credential(password=secret), (f"password from {owner}",))
    if agent():
        return Way(Credential(), ("keys of the ssh-agent",))
    raise _missing(host, vault)


def _by_key(host: Host, vault: Vault) -> Way:
    if not host.key_file or not host.key_file.is_file():
        raise MissingCredential(
            f"the key file {host.key_file} does not exist",
            f"correct ansible_ssh_private_key_file of {host.name} in the inventory",
        )
    way = Way(Credential(key_file=host.key_file), (f"key file {host.key_file}",))
    found = vault.find(host, Kind.PASSPHRASE)
    if not found:
        return way
    owner, secret = found
    return Way(replace(way.credential, passphrase=secret), (*way.origin, f"passphrase from {owner}"))


def _with_sudo(host: Host, vault: Vault, way: Way) -> Way:
    found = vault.find(host, Kind.SUDO) if host.become or host.user != "root" else None
    if not found:
        return way
    owner, secret = found
    return Way(replace(way.credential, sudo_password=secret), (*way.origin, f"sudo from {owner}"))


def _with_pending(host: Host, vault: Vault, way: Way) -> Way:
    """Add the pending password of an interrupted rotation: the host may have it already."""
    pending = vault.get(Owner.host(host.name), Kind.PENDING_PASSWORD)
    found = vault.find(host, Kind.PASSWORD) if pending else None
    if not pending or (found and found[1] == pending):
        return way
    return Way(replace(way.credential, pending=pending), (*way.origin, "an interrupted rotation"))


def _with_secrets(host: Host, vault: Vault, way: Way) -> Way:
    secrets, origin = {}, list(way.origin)
    for name in secret_names(host.desired):
        found = vault.find(host, NamedSecret(name))
        if not found:
            raise MissingCredential(
                f"the inventory names the secret {name} for {host.name}, and the keyring has none",
                set_command(Owner.everyone(), NamedSecret(name)),
            )
        owner, secrets[name] = found
        origin.append(f"{NamedSecret(name)} from {owner}")
    return Way(replace(way.credential, secrets=secrets), tuple(origin))


def _missing(host: Host, vault: Vault) -> MissingCredential:
    command = set_command(Owner.host(host.name))
    fresh = isinstance(vault.backend, KdbxKeyring) and not vault.backend.path.exists()
    return MissingCredential(
        f"no password for {host.name} in the keyring, no key file in the inventory, "
        "and no key in an ssh-agent",
        f"`fab credentials.init`, then {command}" if fresh else command,
    )
