"""The errors of this program; each class sets the kind, the stage and the status of the host that it stops.

A class of its own is for an error that is caught, or raised in several places. The others are a
ProvisionError with a ``kind``, which reports keep.
"""

from dataclasses import replace
from typing import Self

from provision.hints import Hint, parse
from provision.model import Failure, Host, Stage, Status


class ProvisionError(Exception):
    """An error with a message, a hint and, where there is one, a line of evidence.

    ``message`` says what happened, and on which host; ``hint`` what to do, with commands in backticks (see
    ``hints``). ``meaning`` explains the message, and ``state`` says what was changed. ``kind`` and ``status``
    replace those of the class.
    """

    kind = "error"
    status = Status.FAILED
    stage: Stage | None = None

    def __init__(
        self,
        message: str,
        hint: str | Hint = "",
        *,
        evidence: str = "",
        meaning: str = "",
        state: str = "",
        kind: str = "",
        status: Status | None = None,
    ) -> None:
        super().__init__(message)
        parts = parse(hint) if isinstance(hint, str) else hint
        self.failure = Failure(
            kind or self.kind, message, parts, self.stage, evidence, meaning, state, status or self.status
        )

    def at(self, stage: Stage) -> Failure:
        """Return the failure with ``stage`` set."""
        return replace(self.failure, stage=stage)


class UsageError(ProvisionError):
    """The command cannot start; no host was touched (exit code 1)."""

    kind = "usage"


class InventoryError(UsageError):
    """The inventory cannot be read, or has an invalid value."""

    kind = "inventory"


class NothingSelected(UsageError):
    """The limit or the inventory selects no host."""

    kind = "nothing-selected"


class KeyringError(UsageError):
    """The keyring is missing, is refused, or does not open."""

    kind = "keyring"


class StateUnusable(UsageError):
    """A directory on the controller that a run needs cannot be written."""

    kind = "state-unusable"


class HelperUnusable(UsageError):
    """The askpass helper cannot run on the controller."""

    kind = "askpass-unusable"


class LabError(UsageError):
    """The lab cannot do what was asked."""

    kind = "lab"


class MissingCredential(ProvisionError):
    """The keyring has no usable credential for the host."""

    kind, status, stage = "missing-credential", Status.REFUSED, Stage.UNLOCK


class UnknownHostKey(ProvisionError):
    """The host has no pinned key."""

    kind, status, stage = "unknown-host-key", Status.REFUSED, Stage.TRUST


class ChangedHostKey(ProvisionError):
    """The host shows a key that is not pinned."""

    kind, status, stage = "changed-host-key", Status.REFUSED, Stage.TRUST

    @classmethod
    def than_pinned(cls, name: str, pinned: str, offered: str) -> Self:
        """Return the error of host ``name``, which showed fingerprint ``offered`` instead of ``pinned``."""
        return cls(
            f"{name} shows another host key than its pin",
            f"compare with the cloud console; only if it agrees: `fab hosts.trust {name} --replace {pinned}`",
            evidence=f"pinned {pinned}, offered {offered}",
            meaning="reinstalled, the address was given to another server, or someone sits in between",
        )


class LoginFailed(ProvisionError):
    """The host was reached, and the login as root failed; each cause has its own ``kind``."""

    kind, stage = "login-failed", Stage.CONNECT


class LoginRefused(LoginFailed):
    """The password, key or account was not accepted, or the key file cannot be used; one attempt was made."""

    kind = "login-refused"


class SudoRefused(LoginFailed):
    """sudo is missing, did not accept the password, or is not allowed for the user."""

    kind = "sudo-refused"


class Interrupted(ProvisionError):
    """A signal stopped the run before the host was done."""

    kind, status = "interrupted", Status.UNKNOWN


class Unreachable(ProvisionError):
    """No SSH connection could be opened; subclasses set the words in ``says``, ``means`` and ``advice``."""

    kind, status, stage = "unreachable", Status.UNREACHABLE, Stage.CONNECT
    says = "no connection to {name} could be opened"
    means = ""
    advice = "`fab hosts.ping {name}`"

    @classmethod
    def of(cls, host: Host, evidence: str = "", *, after_s: float = 0.0) -> Self:
        """Return this error for ``host``; ``after_s`` is the wait in seconds."""
        where = f"[{host.address}]:{host.port}" if ":" in host.address else f"{host.address}:{host.port}"
        words = {"name": host.name, "address": host.address, "where": where, "after": f"{after_s:.0f} s"}
        said, advice = cls.says.format(**words), cls.advice.format(**words)
        return cls(said, advice, meaning=cls.means, evidence=evidence)


class ConnectionRefused(Unreachable):
    """The host is up, and nothing listens on the port."""

    kind = "connection-refused"
    says = "{where} refused the connection"
    means = "the host is up and nothing listens on this port: sshd is down or on another port"
    advice = "correct ansible_host or ansible_port of {name}, or start sshd; then: `fab hosts.ping {name}`"


class NoAnswer(Unreachable):
    """Nothing answered in time: packets are dropped."""

    kind = "no-answer"
    says = "no answer on {where} in {after}"
    means = "the packet is dropped: host down or security group; not a login problem"


class NoRoute(Unreachable):
    """The network has no route to the host."""

    kind = "no-route"
    says = "no route to {where}"
    means = "the controller's network does not lead there: VPN off, wrong address, or host gone"


class NameNotFound(Unreachable):
    """The address is a DNS name that does not resolve."""

    kind = "name-not-found"
    says = "the name {address} does not resolve"
    means = "a typing error, or the controller's DNS does not know the name"
    advice = "correct ansible_host of {name} in the inventory"


class SilentHost(Unreachable):
    """The port is open, and no SSH server answers."""

    kind = "silent"
    says = "{where} takes the connection, and no SSH answer comes"
    means = "the port is open, but no SSH server answers: host overloaded or hung, or another service"


class NotSsh(Unreachable):
    """The server does not speak SSH, or has no algorithm in common with us."""

    kind = "not-ssh"
    says = "{where} does not speak SSH, or no version that we support"
    means = "another service listens on this port, or the server has no algorithm in common with us"
    advice = "correct ansible_port of {name} in the inventory; then: `fab hosts.ping {name}`"


class HungUp(Unreachable):
    """The server closed the connection before the login was decided."""

    kind = "hung-up"
    says = "{where} closed the connection before the login was decided"
    means = "not an SSH server, or one that limits connections (MaxStartups, fail2ban)"
    advice = "correct ansible_port of {name} if it is not SSH's; then: `fab hosts.ping {name}`"


class ConnectionLost(Unreachable):
    """An open connection was lost."""

    kind = "connection-lost"


class CommandTimedOut(ProvisionError):
    """A command on the host did not end in time."""


class AccessRefused(ProvisionError):
    """A change of access could lock somebody out, so it was not made."""

    kind, status = "access-refused", Status.REFUSED


class NotProvenFromOutside(ProvisionError):
    """A change of access was made, and new logins did not prove it."""

    kind, status, stage = "access-not-proven", Status.FAILED, Stage.VERIFY


class NotProven(ProvisionError):
    """The checks could not be completed."""

    kind, status, stage = "not-proven", Status.UNKNOWN, Stage.VERIFY


class ControllerDiskFull(ProvisionError):
    """The disk of the controller is full in the middle of a run."""

    kind, status = "controller-disk-full", Status.UNKNOWN


class ReportNotWritten(ProvisionError):
    """The run has ended, and its report cannot be written."""

    kind = "report-not-written"
