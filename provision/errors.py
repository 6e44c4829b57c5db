"""Every failure a person can meet; a subclass names a kind and the bucket its host falls in."""

from dataclasses import replace

from provision.model import Failure, Stage, Status


class ProvisionError(Exception):
    """What happened (``message``), what to do (``hint``), one line of proof (``evidence``)."""

    kind = "error"
    status = Status.FAILED
    stage: Stage | None = None

    def __init__(
        self, message: str, hint: str = "", *, evidence: str = "", meaning: str = "", state: str = ""
    ) -> None:
        super().__init__(message)
        self.failure = Failure(self.kind, message, hint, self.stage, evidence, meaning, state, self.status)

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


class WrongPassword(ProvisionError):
    """The host refused the login; one attempt was made."""

    kind, status, stage = "login-refused", Status.FAILED, Stage.CONNECT


class PasswordExpired(ProvisionError):
    """The host wants a new password before it lets anyone in."""

    kind, status, stage = "password-expired", Status.REFUSED, Stage.CONNECT


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


class Interrupted(ProvisionError):
    """The person stopped the run before this host was done."""

    kind, status = "interrupted", Status.UNKNOWN


class Unreachable(ProvisionError):
    """No SSH conversation came about; ``kind`` is refined by the cause."""

    kind, status, stage = "unreachable", Status.UNREACHABLE, Stage.CONNECT


class ConnectionRefused(Unreachable):
    """The host is up, nothing listens on the port."""

    kind = "connection-refused"


class NoAnswer(Unreachable):
    """Packets are dropped."""

    kind = "no-answer"


class NoRoute(Unreachable):
    """The network says that it cannot get there."""

    kind = "no-route"


class NameNotFound(Unreachable):
    """The address is a name that does not resolve."""

    kind = "name-not-found"


class SilentHost(Unreachable):
    """The port is open, and then nothing comes."""

    kind = "silent"


class NotSsh(Unreachable):
    """Something answers on the port, and it is no SSH server."""

    kind = "not-ssh"


class HungUp(Unreachable):
    """The connection was closed before any login."""

    kind = "hung-up"


class ConnectionLost(Unreachable):
    """The master ended while something rode it."""

    kind = "connection-lost"


class JumpFailed(Unreachable):
    """The jump host of this host left the road."""

    kind = "jump-failed"


class HostFailed(ProvisionError):
    """The code on the host ended in a typed error; ``kind`` is the host's word."""


class NotProven(ProvisionError):
    """The checks could not be run to their end."""

    kind, status, stage = "not-proven", Status.UNKNOWN, Stage.VERIFY


class ReportNotWritten(ProvisionError):
    """The run is over, but its report cannot be written."""

    kind = "report-not-written"
