"""The two ssh configs of a run, as text: *masters* open connections, *clients* only use them."""

from pathlib import Path

from provision.model import Credential, Host

CONNECT_TIMEOUT_S = 10
KEEPALIVE_S = 5
KEEPALIVES = 6

_MASTER_DEFAULTS = f"""\
Host *
  ControlMaster yes
  StrictHostKeyChecking yes
  UserKnownHostsFile {{pins}}
  GlobalKnownHostsFile /dev/null
  KnownHostsCommand none
  UpdateHostKeys no
  CheckHostIP no
  IdentitiesOnly yes
  ForwardAgent no
  ForwardX11 no
  PermitLocalCommand no
  NumberOfPasswordPrompts 1
  ConnectTimeout {CONNECT_TIMEOUT_S}
  ServerAliveInterval {KEEPALIVE_S}
  ServerAliveCountMax {KEEPALIVES}
  LogLevel INFO
"""

_CLIENT_DEFAULTS = """\
Host *
  ControlMaster no
  BatchMode yes
  ProxyCommand false
  ForwardAgent no
  LogLevel ERROR
"""


def masters(run_dir: Path, rows: list[tuple[int, Host, Credential]]) -> str:
    """Return the config that opens connections; ``rows`` numbers their sockets."""
    parts = [_master(run_dir, number, host, credential) for number, host, credential in rows]
    return "\n".join([*parts, _MASTER_DEFAULTS.format(pins=run_dir / "pins")])


def clients(run_dir: Path, rows: list[tuple[int, Host, Credential]]) -> str:
    """Return the config that uses an open master, and fails at once without one."""
    parts = [
        f"Host {host.name}\n  HostName {_literal(host.address)}\n  User {host.user}\n"
        f"  ControlPath {run_dir}/{number}\n"
        for number, host, _ in rows
    ]
    return "\n".join([*parts, _CLIENT_DEFAULTS])


def _master(run_dir: Path, number: int, host: Host, credential: Credential) -> str:
    lines = [
        f"Host {host.name}",
        f"  HostName {_literal(host.address)}",
        f"  Port {host.port}",
        f"  User {host.user}",
        f"  HostKeyAlias {host.name}",
        f"  ControlPath {run_dir}/{number}",
        *(f"  {line}" for line in _login(run_dir, number, credential)),
    ]
    if host.jump:
        # not ProxyJump: its nested ssh would get the password of the target
        lines.append(f"  ProxyCommand ssh -F {run_dir}/clients -W [%h]:%p {host.jump}")
    return "\n".join(lines) + "\n"


def agent_socket(run_dir: Path) -> Path:
    """Return the socket of the run's ssh-agent."""
    return run_dir / "agent"


def public_key(run_dir: Path, number: int) -> Path:
    """Return the file that selects the agent's key for the host of this number."""
    return run_dir / f"{number}.pub"


def _login(run_dir: Path, number: int, credential: Credential) -> list[str]:
    if credential.key_file:
        return [
            f'IdentityFile "{_literal(str(credential.key_file))}"',
            "PreferredAuthentications publickey",
            "IdentityAgent none",
        ]
    if credential.private_key:
        return [
            f"IdentityFile {public_key(run_dir, number)}",
            "PreferredAuthentications publickey",
            f"IdentityAgent {agent_socket(run_dir)}",
        ]
    if credential.password:
        return ["PubkeyAuthentication no", "IdentityAgent none", "PreferredAuthentications password"]
    # only the agent's keys are tried, no file of ~/.ssh
    agent = ["IdentitiesOnly no", "IdentityFile none", "IdentityAgent SSH_AUTH_SOCK"]
    return [*agent, "PreferredAuthentications publickey"]


def _literal(text: str) -> str:
    """Return ``text`` with % escaped, which starts a token in ssh configs."""
    return text.replace("%", "%%")
