"""The table of what the gate types, in order: one line more for each verb that touches a secret."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

# The secrets, by what they are called where one is found.
PASSWORD = "password"
SUDO = "sudo password"
PASSPHRASE = "passphrase"
MASTER = "master password"
WRONG = "mistyped password"
PROXY = "proxy login"
REGISTRY = "registry password"
IMPORTED = "imported password"
SECRETS = (PASSWORD, SUDO, PASSPHRASE, MASTER, WRONG, PROXY, REGISTRY, IMPORTED)
# What stands around a marker, where the secret is no free text.
SHAPES = {PROXY: ("http://ops:", "@192.0.2.1:3128"), IMPORTED: ("el9,", "")}
# The places that a secret must be at, as ends of what a hit is called; each step that needs one is below.
MUST_HOLD = {
    MASTER: ("environ of fab",),
    PROXY: ("upper/etc/docker/daemon.json",),
    REGISTRY: ("upper/root/.docker/config.json",),
}
# Those that it may be at: the old file that a journal keeps for the undo; what the engine starts as root, to
# which it hands its own proxy on. The names are those that moby's sources start: itself ("exe"), for a
# network, for `docker info` (docker-init, runc and containerd say their versions) and for a layer.
ENGINE = (
    "dockerd", "exe", "docker-proxy", "docker-init", "containerd", "runc", "iptables", "ip6tables", "nft",
    "modprobe", "unpigz",
)  # fmt: skip
MAY_HOLD = {
    PROXY: (
        "/etc%docker%daemon.json", "upper/etc/yum.repos.d/docker-ce.repo", "/etc%yum.repos.d%docker-ce.repo",
        *(f"environ of {name}" for name in ENGINE),
    )
}  # fmt: skip

KILL = signal.SIGKILL
FAILED, UNREACHABLE = 2, 4
INTERRUPTED = {signal.SIGABRT: -signal.SIGABRT, signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}


class Moment(Enum):
    """When a command is stopped: once a file of this name is in its run directory."""

    CONNECTING = "masters"
    CONVERGING = "runner/artifacts"
    VERIFYING = "verify-*.log"


@dataclass(frozen=True, slots=True)
class Step:
    """One command: what is ``typed``, and with which ``code`` it must end.

    The canary named ``stdin`` is piped in; ``wanted`` are role variables, without their prefix, from now on;
    ``stop`` is the signal that ends it, at its ``moment``. A ``verbose`` one runs with all that Ansible and
    Invoke can say of it. The master password comes from a descriptor, or from the ``variable``.
    """

    typed: str
    code: int = 0
    stdin: str = ""
    wanted: Mapping[str, Any] = field(default_factory=dict)
    stop: signal.Signals | None = None
    moment: Moment = Moment.CONNECTING
    verbose: bool = False
    variable: bool = False


_LOGINS: dict[str, dict[str, Any]] = {
    "daemon_options": {"proxies": {"http-proxy": {"secret": "proxy"}}},
    "registry_logins": {"registry.example": {"username": "ops", "password": {"secret": "registry"}}},
}


def _setting(number: int) -> dict[str, Any]:
    """Return a setting of the daemon that no earlier step has, so that there is something to change."""
    return {"daemon_options": _LOGINS["daemon_options"] | {"max-concurrent-downloads": number}}


def _stopped(stop: signal.Signals, number: int) -> tuple[Step, ...]:
    code = INTERRUPTED[stop]
    return (
        Step("plan", code, stop=stop, moment=Moment.CONNECTING),
        Step("provision --no-verify", code, wanted=_setting(number), stop=stop, moment=Moment.CONVERGING),
        Step("verify", code, stop=stop, moment=Moment.VERIFYING),
    )


# el1 is entered as root with a password; el2 through el1, as a user with a key that has a passphrase, and a
# sudo password.
STEPS = (
    Step("credentials.init"),
    Step("credentials.set el1 --stdin", stdin=PASSWORD),
    Step("credentials.set el2 --kind passphrase --stdin", stdin=PASSPHRASE),
    Step("credentials.set el2 --kind sudo --stdin", stdin=SUDO),
    Step("credentials.set all --kind secret/proxy --stdin", stdin=PROXY),
    Step("credentials.set all --kind secret/registry --stdin", stdin=REGISTRY),
    Step("credentials.import --csv --unlisted", stdin=IMPORTED),
    Step("credentials.list"),
    Step("credentials.doctor"),
    Step("plan --diff", variable=True, wanted=_LOGINS),
    Step("provision", wanted=_setting(4)),
    Step("provision --no-verify", FAILED, wanted={"daemon_options": {"no-such-option": True}}),
    Step("provision --no-verify", wanted=_setting(5) | {"proxy": {"secret": "proxy"}}, verbose=True),
    Step("hosts.undo all --yes"),
    *_stopped(signal.SIGINT, 6),
    *_stopped(signal.SIGKILL, 7),
    Step("plan", INTERRUPTED[signal.SIGABRT], stop=signal.SIGABRT),  # a core dump, if it may leave one
    Step("verify --output json", verbose=True),
    Step("credentials.set el1 --stdin --replace", stdin=WRONG),
    Step("plan", FAILED | UNREACHABLE),
    Step("credentials.set el1 --stdin --replace", stdin=PASSWORD),
    Step("credentials.set el2 --kind sudo --stdin --replace", stdin=WRONG),
    Step("plan", FAILED, verbose=True),
    Step("keys.install el1"),
    Step("credentials.rotate el1", verbose=True),
    Step("credentials.rotate el1", INTERRUPTED[KILL], stop=KILL, moment=Moment.CONVERGING),
    Step("hosts.harden el1", INTERRUPTED[KILL], stop=KILL, moment=Moment.CONVERGING),
    Step("hosts.harden el1"),
    Step("credentials.rotate el1"),
    Step("hosts.undo el1 --yes"),
    Step("keys.remove el1"),
    Step("credentials.forget el1"),
    Step("credentials.forget el9"),
)
