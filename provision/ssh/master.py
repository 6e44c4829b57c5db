"""Open the OpenSSH master of one host, or explain why it did not open."""

import os
import secrets as random_source
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from provision import errors
from provision.errors import ProvisionError
from provision.model import Credential, Host, HostKey
from provision.ssh import remote
from provision.ssh.broker import Broker
from provision.ssh.errors import endless, explain, no_shell, wrong_passphrase
from provision.ssh.greeting import Greeting, listen

LOGIN_TIMEOUT_S = 30.0
INTERACTIVE = ("-o", "PreferredAuthentications=keyboard-interactive")
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Entrant:
    """A host that is ready to log in to: its values, its credential, and the key that it must show."""

    host: Host
    credential: Credential
    key: HostKey


class PasswordNotOffered(ProvisionError):
    """The server accepts passwords by keyboard-interactive only."""


def open_master(
    run_dir: Path,
    broker: Broker,
    entrant: Entrant,
    options: tuple[str, ...],
    on_start: Callable[[subprocess.Popen[bytes]], None],
) -> None:
    """Log in with these ``options`` of ssh.

    ``on_start`` gets the process that keeps the connection, before the login. Raises ProvisionError for a
    login that failed, and PasswordNotOffered.
    """
    ready = "up-" + random_source.token_hex(8)
    argv = ["ssh", "-F", str(run_dir / "masters"), *options, "-M", "-T", entrant.host.name]
    argv.append(f"sh -c 'echo {ready}; exec cat >/dev/null'")
    credential, pipe = entrant.credential, subprocess.PIPE
    secrets = {"PASSWORD": credential.password, "PASSPHRASE": credential.passphrase}
    tokens = {kind: broker.grant(secret, once=True) for kind, secret in secrets.items() if secret}
    environment = _environment(run_dir, credential, tokens)
    master = subprocess.Popen(
        argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
    )
    on_start(master)
    greeting = listen(master, ready, LOGIN_TIMEOUT_S)
    if greeting.is_ready:
        return
    if "PASSPHRASE" in tokens and broker.is_redeemed(tokens["PASSPHRASE"]):
        raise wrong_passphrase(entrant.host)
    raise _refusal(entrant, greeting, master.returncode, retry=options != INTERACTIVE)


def _refusal(entrant: Entrant, greeting: Greeting, code: int, *, retry: bool) -> ProvisionError:
    host = entrant.host
    if retry and entrant.credential.password and _offers_only_interactive(greeting.err):
        return PasswordNotOffered("the host asks for the password by keyboard-interactive")
    if greeting.is_endless:
        return endless(host, greeting.out or greeting.err)
    if greeting.is_late:
        return errors.SilentHost(
            f"{host.address}:{host.port} did not finish the login in {LOGIN_TIMEOUT_S:.0f} s",
            f"`fab hosts.ping {host.name}`",
            meaning="the host is overloaded, or its login shell hangs",
        )
    error = explain(host, entrant.key, entrant.credential, greeting.err)
    has_shell_ended = type(error) is errors.Unreachable and 0 <= code < remote.SSH_FAILED
    return no_shell(host, greeting.out or greeting.err) if has_shell_ended else error


def _environment(run_dir: Path, credential: Credential, tokens: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    if credential.key_file is None and credential.password is None:
        kept["SSH_AUTH_SOCK"] = os.environ.get("SSH_AUTH_SOCK", "")
    return (
        kept
        | {f"PROVISION_TOKEN_{kind}": token for kind, token in tokens.items()}
        | {
            "SSH_ASKPASS": str(run_dir / "askpass"),
            "SSH_ASKPASS_REQUIRE": "force",
            "PROVISION_BROKER": str(run_dir / "broker"),
        }
    )


def _offers_only_interactive(words: str) -> bool:
    methods = words.rpartition("Permission denied (")[2].partition(")")[0].split(",")
    return "keyboard-interactive" in methods and "password" not in methods
