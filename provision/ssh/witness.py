"""Check a host from outside: the key that it shows, and whether a login works.

Only this module uses paramiko and fabric. It reads no file of the person's ``~/.ssh``.
"""

import base64
import io
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import fabric
import paramiko
from paramiko.auth_strategy import AuthFailure, AuthStrategy, InMemoryPrivateKey, NoneAuth, Password

from provision import keypair
from provision.errors import (
    ChangedHostKey,
    ConnectionRefused,
    HungUp,
    MissingCredential,
    NameNotFound,
    NoAnswer,
    NoRoute,
    NotSsh,
    SilentHost,
    Unreachable,
)
from provision.model import Credential, Host, HostKey

TIMEOUT_S = 10.0
LONGEST_EVIDENCE = 200
_FAMILIES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
KEY_TYPES = tuple(name for family in _FAMILIES for name in family)
# Opens a socket to a host's port, such as one through a jump host.
Dial = Callable[[], Any]

# paramiko prints tracebacks to stderr when its log has no handler.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class _Silence(paramiko.SSHException):  # type: ignore[misc]
    """The handshake did not end in time."""


class _Transport(paramiko.Transport):  # type: ignore[misc]
    """Raise an error where paramiko goes on as if the handshake were complete."""

    def start_client(self, event: Any = None, timeout: float = TIMEOUT_S) -> None:
        self.handshake_timeout = 2 * timeout  # so that paramiko's own limit is not reached first
        try:
            super().start_client(event, timeout)
        finally:
            self.packetizer.complete_handshake()  # stops a timer that would delay our exit
        if not self.initial_kex_done:
            raise _Silence("the handshake did not end")


class _Exactly(AuthStrategy):  # type: ignore[misc]
    """Try only the given sources, and none that a library would add."""

    def __init__(self, sources: list[Any]) -> None:
        super().__init__(ssh_config=None)
        self._sources = sources

    def get_sources(self) -> list[Any]:
        return self._sources


def fetch_keys(host: Host, dial: Dial | None = None, timeout_s: float = TIMEOUT_S) -> Iterator[HostKey]:
    """Yield each key that a host shows, the best type first; the next is fetched only on demand.

    ``dial`` opens a socket to its port each time. Raises as ``fetch_key``.
    """
    first = fetch_key(host, dial and dial(), timeout_s)
    yield first
    for types in _FAMILIES:
        if first.type.removeprefix("ssh-").split("-")[0] not in types[0]:
            with suppress(NotSsh):  # it has shown a key, so it only lacks this type
                yield fetch_key(host, dial and dial(), timeout_s, types)


def fetch_key(
    host: Host, sock: Any = None, timeout_s: float = TIMEOUT_S, types: tuple[str, ...] = KEY_TYPES
) -> HostKey:
    """Return the public key of a host, without a login.

    ``sock`` is an open socket to its port, such as one through a jump host; by default the address is
    connected to. Prefers ed25519, then ecdsa, then rsa. Raises Unreachable and its subclasses.
    """
    with _explained(host, timeout_s):
        transport = _Transport(sock or socket.create_connection((host.address, host.port), timeout_s))
        try:
            transport.get_security_options().key_types = types
            transport.banner_timeout = timeout_s
            transport.start_client(timeout=timeout_s)
            shown = transport.get_remote_server_key()
            return HostKey(host.name, shown.get_name(), shown.get_base64(), trust="tofu")
        finally:
            transport.close()


def can_login(
    host: Host, key: HostKey, credential: Credential, sock: Any = None, timeout_s: float = TIMEOUT_S
) -> bool:
    """Return whether one login with only this credential works.

    Raises ChangedHostKey, before anything is sent, unless the host shows ``key``; MissingCredential for a key
    file that does not open; Unreachable and its subclasses. An agent is used only for a credential that is
    all None. The secret is dropped when the connection closes.
    """
    connection = _connection(host, key, _Exactly(_sources(host, credential)), sock, timeout_s)
    try:
        with _explained(host, timeout_s):
            connection.open()
        return bool(connection.client.get_transport().is_authenticated())
    except paramiko.AuthenticationException:
        _demand_an_answer(host, connection.client.get_transport(), timeout_s)
        return False
    finally:
        connection.client.close()


def ways_in(host: Host, key: HostKey, sock: Any = None, timeout_s: float = TIMEOUT_S) -> tuple[str, ...]:
    """Return the login methods that a host offers to its user: ``("publickey", "password")``.

    No secret is sent. Raises as ``can_login``.
    """
    connection = _connection(host, key, _Exactly([NoneAuth(host.user)]), sock, timeout_s)
    try:
        with _explained(host, timeout_s):
            connection.open()
        return ("none",)
    except AuthFailure as error:
        _demand_an_answer(host, connection.client.get_transport(), timeout_s)
        return tuple(getattr(error.result[-1].result, "allowed_types", ()))
    finally:
        connection.client.close()


def _demand_an_answer(host: Host, transport: Any, timeout_s: float) -> None:
    # paramiko also reports a lost connection or a timeout as a refused login; neither is an answer.
    if not transport.is_active():
        raise HungUp.of(host)
    if not transport.auth_handler.auth_event.is_set():
        raise SilentHost.of(host)


def _connection(host: Host, key: HostKey, proof: "_Exactly", sock: Any, timeout_s: float) -> Any:
    # An explicit, lazy ssh config keeps Fabric from reading any file. The secret is in the strategy and not
    # in connect_kwargs, which Fabric writes to its debug log.
    strategy = {"authentication": {"strategy_class": lambda **_: proof}}
    options = {"sock": sock, "banner_timeout": timeout_s, "auth_timeout": timeout_s}
    connection = fabric.Connection(
        host.address,
        user=host.user,
        port=host.port,
        config=fabric.Config(ssh_config=paramiko.SSHConfig(), lazy=True, overrides=strategy),
        forward_agent=False,
        connect_timeout=timeout_s,
        connect_kwargs=options | {"transport_factory": _Transport},
    )
    name = host.address if host.port == paramiko.config.SSH_PORT else f"[{host.address}]:{host.port}"
    for each in key.all:
        pinned = paramiko.PKey.from_type_string(each.type, base64.b64decode(each.key))
        connection.client.get_host_keys().add(name, each.type, pinned)
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    return connection


def _sources(host: Host, credential: Credential) -> list[Any]:
    if credential.key_file:
        return [InMemoryPrivateKey(host.user, _private_key(credential))]
    if credential.private_key:
        keypair.public(credential.private_key)
        ours = paramiko.Ed25519Key.from_private_key(io.StringIO(keypair.pem(credential.private_key)))
        return [InMemoryPrivateKey(host.user, ours)]
    if credential.password:
        return [Password(host.user, credential.password.reveal)]
    keys = paramiko.Agent().get_keys()
    if not keys:
        raise MissingCredential(
            "the ssh-agent holds no key", f"ssh-add, or `fab credentials.set {host.name}`"
        )
    return [InMemoryPrivateKey(host.user, key) for key in keys]


def _private_key(credential: Credential) -> Any:
    secret = credential.passphrase.reveal().encode() if credential.passphrase else None
    try:
        return paramiko.PKey.from_path(credential.key_file, secret)
    except Exception as error:  # each key format raises its own errors
        raise MissingCredential(
            f"the key file {credential.key_file} does not open",
            "check its passphrase: `fab credentials.set NAME --kind passphrase`",
            evidence=type(error).__name__,
        ) from None


@contextmanager
def _explained(host: Host, timeout_s: float) -> Iterator[None]:
    try:
        yield
    except paramiko.AuthenticationException:
        raise
    except paramiko.BadHostKeyException as error:
        pin = HostKey(host.name, error.expected_key.get_name(), error.expected_key.get_base64())
        offered = HostKey(host.name, error.key.get_name(), error.key.get_base64())
        raise ChangedHostKey.than_pinned(host.name, pin.fingerprint, offered.fingerprint) from None
    except (paramiko.SSHException, EOFError) as error:
        raise _no_conversation(host, error) from None
    except (OSError, UnicodeError) as error:
        raise _no_connection(host, error, timeout_s) from None


def _no_connection(host: Host, error: Exception, timeout_s: float) -> Unreachable:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return NameNotFound.of(host, str(error))
    if isinstance(error, ConnectionRefusedError):
        return ConnectionRefused.of(host)
    if isinstance(error, ConnectionError):
        return HungUp.of(host)
    if isinstance(error, TimeoutError):
        return NoAnswer.of(host, after_s=timeout_s)
    return NoRoute.of(host, str(error))


def _no_conversation(host: Host, error: Exception) -> Unreachable:
    # paramiko wraps the cause, and keeps it as the context.
    cause = error.__context__ or error
    if isinstance(cause, (TimeoutError, _Silence)):
        return SilentHost.of(host)
    if isinstance(cause, (EOFError, OSError)):
        return HungUp.of(host)
    return NotSsh.of(host, str(error)[:LONGEST_EVIDENCE])
