"""Every failure a person can meet; a subclass names a kind and the bucket its host falls in."""

from dataclasses import replace
from typing import Self

from provision.hints import Hint, parse
from provision.model import Failure, Host, Stage, Status


class ProvisionError(Exception):
    """What happened (``message``), what to do (``hint``), one line of proof (``evidence``).

    In the hint backticks enclose a command, as ``hints`` says.
    """

    kind = "error"
    status = Status.FAILED
    stage: Stage | None = None

    def __init__(
        self, message: str, hint: str | Hint = "", *, evidence: str = "", meaning: str = "", state: str = ""
    ) -> None:
        super().__init__(message)
        parts = parse(hint) if isinstance(hint, str) else hint
        self.failure = Failure(self.kind, message, parts, self.stage, evidence, meaning, state, self.status)

    def at(self, stage: Stage) -> Failure:
        """Give the failure as seen by ``stage``."""
        return replace(self.failure, stage=stage)


class UsageError(ProvisionError):
    """The command cannot start; nothing was touched (exit code 1)."""

    kind = "usage"


class InventoryError(UsageError):
    """The inventory cannot be read, or holds a value that is refused."""

    kind = "inventory"


class NothingSelected(UsageError):
    """A limit or an inventory selects no host."""

    kind = "nothing-selected"


class KeyringError(UsageError):
    """No keyring, a refused keyring, or one that does not open."""

    kind = "keyring"


class StateUnusable(UsageError):
    """The directory of this controller that a run needs cannot be written."""

    kind = "state-unusable"


class HelperUnusable(UsageError):
    """The program that hands a password to ssh cannot run on this controller."""

    kind = "askpass-unusable"


class LabError(UsageError):
    """The lab cannot do what was asked."""

    kind = "lab"


class MissingCredential(ProvisionError):
    """No entry in the keyring for this host."""

    kind, status, stage = "missing-credential", Status.REFUSED, Stage.UNLOCK


class UnknownHostKey(ProvisionError):
    """No pin for this host."""

    kind, status, stage = "unknown-host-key", Status.REFUSED, Stage.TRUST


class ChangedHostKey(ProvisionError):
    """The host shows another key than its pin."""

    kind, status, stage = "changed-host-key", Status.REFUSED, Stage.TRUST

    @classmethod
    def than_pinned(cls, name: str, pinned: str, offered: str) -> Self:
        """Give the error of a host that shows the fingerprint ``offered`` and not ``pinned``."""
        return cls(
            f"{name} shows another host key than its pin",
            f"compare with the cloud console; only if it agrees: `fab hosts.trust {name} --replace {pinned}`",
            evidence=f"pinned {pinned}, offered {offered}",
            meaning="reinstalled, the address was given to another server, or someone sits in between",
        )


class WrongPassword(ProvisionError):
    """The host refused the login; one attempt was made."""

    kind, status, stage = "login-refused", Status.FAILED, Stage.CONNECT


class PasswordExpired(ProvisionError):
    """The host wants a new password before it lets anyone in."""

    kind, status, stage = "password-expired", Status.REFUSED, Stage.CONNECT


class HelperFailed(ProvisionError):
    """The helper that hands a password to ssh failed in the middle of a run."""

    kind, status, stage = "askpass-failed", Status.FAILED, Stage.CONNECT


class EndlessOutput(ProvisionError):
    """The host prints without end instead of letting anyone in."""

    kind, status, stage = "endless-output", Status.FAILED, Stage.CONNECT


class NoShell(ProvisionError):
    """The login was right, and the user's shell ended before it ran anything."""

    kind, status, stage = "no-shell", Status.FAILED, Stage.CONNECT


class SudoRefused(ProvisionError):
    """sudo did not accept the password, or the user may not use it."""

    kind, status, stage = "sudo-refused", Status.FAILED, Stage.CONNECT


class NotRoot(ProvisionError):
    """The login user is not root, and sudo is not asked for."""

    kind, status, stage = "not-root", Status.REFUSED, Stage.CONNECT


class NoPython(ProvisionError):
    """The host has no Python 2.7, or 3.6 or newer, which every dnf is written in."""

    kind, status, stage = "no-python", Status.REFUSED, Stage.CONNECT


class Interrupted(ProvisionError):
    """The person stopped the run before this host was done."""

    kind, status = "interrupted", Status.UNKNOWN


class DisruptionStopped(ProvisionError):
    """A host that was to be disrupted after another one, which failed."""

    kind, status = "disruption-stopped", Status.REFUSED


class Unreachable(ProvisionError):
    """No SSH conversation came about; a subclass tells the cause, in ``says``, ``means`` and ``advice``."""

    kind, status, stage = "unreachable", Status.UNREACHABLE, Stage.CONNECT
    says = "the connection to {name} did not come about"
    means = ""
    advice = "`fab hosts.ping {name}`"

    @classmethod
    def of(cls, host: Host, evidence: str = "", *, after_s: float = 0.0) -> Self:
        """Give this error for ``host``; ``after_s`` is how long it was waited for, in seconds."""
        where = f"[{host.address}]:{host.port}" if ":" in host.address else f"{host.address}:{host.port}"
        words = {"name": host.name, "address": host.address, "where": where, "after": f"{after_s:.0f} s"}
        said, advice = cls.says.format(**words), cls.advice.format(**words)
        return cls(said, advice, meaning=cls.means, evidence=evidence)


class ConnectionRefused(Unreachable):
    """The host is up, nothing listens on the port."""

    kind = "connection-refused"
    says = "{where} refused the connection"
    means = "the host is up and nothing listens on this port: sshd is down or on another port"
    advice = "correct ansible_host or ansible_port of {name}, or start sshd; then: `fab hosts.ping {name}`"


class NoAnswer(Unreachable):
    """Packets are dropped."""

    kind = "no-answer"
    says = "no answer on {where} in {after}"
    means = "the packet is dropped: host down or security group; not a login problem"


class NoRoute(Unreachable):
    """The network says that it cannot get there."""

    kind = "no-route"
    says = "no route to {where}"
    means = "the controller's network does not lead there: VPN off, wrong address, or host gone"


class NameNotFound(Unreachable):
    """The address is a name that does not resolve."""

    kind = "name-not-found"
    says = "the name {address} does not resolve"
    means = "a typing error, or the controller's DNS does not know the name"
    advice = "correct ansible_host of {name} in the inventory"


class SilentHost(Unreachable):
    """The port is open, and then nothing comes."""

    kind = "silent"
    says = "{where} takes the connection, and no SSH answer comes"
    means = "the port is open, but no SSH server answers: host overloaded or hung, or another service"


class NotSsh(Unreachable):
    """Something answers that does not speak SSH, or no SSH that we know."""

    kind = "not-ssh"
    says = "{where} does not speak SSH as we do"
    means = "another service on this port, or a server without one algorithm in common"
    advice = "correct ansible_port of {name} in the inventory; then: `fab hosts.ping {name}`"


class HungUp(Unreachable):
    """The connection was closed before the login was decided."""

    kind = "hung-up"
    says = "{where} ended the conversation before the login was decided"
    means = "not an SSH server, or one that limits connections (MaxStartups, fail2ban)"
    advice = "correct ansible_port of {name} if it is not SSH's; then: `fab hosts.ping {name}`"


class ConnectionLost(Unreachable):
    """The master ended while something rode it."""

    kind = "connection-lost"


class JumpFailed(Unreachable):
    """The jump host of this host left the road."""

    kind = "jump-failed"


class HostFailed(ProvisionError):
    """The code on the host ended in a typed error; ``kind`` is the host's word."""


class AccessRefused(ProvisionError):
    """A change of who gets in that would, or could, lock somebody out; nothing was changed."""

    kind, status = "access-refused", Status.REFUSED


class NotProvenFromOutside(ProvisionError):
    """A change of who gets in was made, and new logins were not as they should be."""

    kind, status, stage = "access-not-proven", Status.FAILED, Stage.VERIFY


class NotProven(ProvisionError):
    """The checks could not be run to their end."""

    kind, status, stage = "not-proven", Status.UNKNOWN, Stage.VERIFY


class ControllerDiskFull(ProvisionError):
    """The controller ran out of room in the middle of a run."""

    kind, status = "controller-disk-full", Status.UNKNOWN


class ReportNotWritten(ProvisionError):
    """The run is over, but its report cannot be written."""

    kind = "report-not-written"
