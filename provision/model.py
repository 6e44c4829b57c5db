"""The values that stages pass on; all are frozen, and none depends on a stage."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from provision.hints import Hint, render
from provision.wording import EARLIER, Wording

# Host and group names of an inventory, which end up in ssh patterns, paths and pages.
INVENTORY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class Stage(StrEnum):
    """The stages of a run, in order; errors show these words."""

    READ = "read"
    UNLOCK = "unlock"
    TRUST = "trust"
    CONNECT = "connect"
    CONVERGE = "converge"
    VERIFY = "verify"


class Status(StrEnum):
    """The result of one host; each selected host has exactly one."""

    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Host:
    """One server of the inventory, with every value checked by ``read``.

    ``decided`` is the part of ``desired`` that the checks compare the host with, without secrets.
    """

    name: str
    address: str
    port: int = 22
    user: str = "root"
    become: bool = False
    jump: str | None = None
    groups: tuple[str, ...] = ()
    key_file: Path | None = None
    host_key: str | None = None
    desired: Mapping[str, Any] = field(default_factory=dict, hash=False)
    decided: Mapping[str, Any] = field(default_factory=dict, hash=False)


class Secret:
    """A string that is only shown by an explicit ``reveal``."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text; call this only where the bytes leave for their one destination."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Credential:
    """How to log in to one host; all None means the keys of the person's ssh-agent.

    ``secrets`` are those that the desired state names as ``{secret: NAME}``. ``private_key`` is an ed25519
    key from ``keypair``. ``pending`` is the new password of an interrupted rotation, which the host may have
    already.
    """

    password: Secret | None = None
    key_file: Path | None = None
    passphrase: Secret | None = None
    sudo_password: Secret | None = None
    private_key: Secret | None = None
    pending: Secret | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class HostKey:
    """A pinned public key: ``name`` is the inventory name, ``key`` the base64 blob.

    ``others`` are keys of other types that the host may also show.
    """

    name: str
    type: str
    key: str
    trust: str = "console"
    others: tuple["HostKey", ...] = ()

    @property
    def all(self) -> tuple["HostKey", ...]:
        """All keys that the host may show, this one first."""
        return (self, *self.others)

    @property
    def fingerprint(self) -> str:
        """The fingerprint as ssh-keygen and cloud consoles show it: ``SHA256:…``."""
        digest = hashlib.sha256(base64.b64decode(self.key)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Session:
    """An open ControlMaster; ``run_dir`` has the ``clients`` ssh config and the broker's socket.

    ``sudo_token`` is the broker's token for the host's sudo password, None when no password is needed;
    ``secret_tokens`` are those for the secrets of its desired state, by name. ``by_pending`` is True when the
    login used the pending password of a rotation, ``sudo_by_pending`` when sudo accepted it.
    """

    host: Host
    run_dir: Path
    sudo_token: str | None = None
    secret_tokens: Mapping[str, str] = field(default_factory=dict, hash=False)
    by_pending: bool = False
    sudo_by_pending: bool = False

    @property
    def ssh_config(self) -> Path:
        """The ssh config that only uses open masters, and never opens a connection."""
        return self.run_dir / "clients"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a host stopped: what happened, what it means, what was changed, what to do ``next``."""

    kind: str
    message: str
    next: Hint = ()
    stage: Stage | None = None
    evidence: str = ""
    meaning: str = ""
    state: str = ""
    status: Status = Status.FAILED

    @property
    def hint(self) -> str:
        """The hint ``next`` as one text."""
        return render(self.next)


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One line of a plan or of its result; ``before`` is empty for something new.

    ``sign`` is "+" for new, "~" for changed, "-" for removed. ``kind`` is a stable short name such as
    package, file or restart, and ``subject`` says which one. ``brief`` is the word beside the subject in a
    summary. ``implied`` names the sides, before and after, that only repeat the sign.
    """

    name: str
    before: str = ""
    after: str = ""
    disruptive: bool = False
    diff: str = ""
    sign: str = "~"
    kind: str = ""
    subject: str = ""
    brief: str = ""
    implied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Harm:
    """One effect of a plan on running containers or units.

    ``what`` is a clause, ``one`` the same for a count of 1; ``names`` are the first of ``count``.
    """

    what: str
    names: tuple[str, ...]
    count: int
    one: str


@dataclass(frozen=True, slots=True)
class Consent:
    """The consent that a plan needs before it disrupts a host.

    ``digest`` is that of the plan, ``ids`` are the running containers; the host plans again, and refuses when
    either has changed.
    """

    digest: str
    ids: tuple[str, ...]
    harms: tuple[Harm, ...]


@dataclass(frozen=True, slots=True)
class Containers:
    """The state of the containers after the engine was restarted.

    ``silent`` names running ones with a published port that does not answer yet, with the port.
    """

    untouched: int
    restarted: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run whose result no controller received, or that was killed.

    ``how`` is ``finished`` (without its controller), ``undone``, or ``completed`` by the run that reports it.
    ``at`` is its end, in seconds since 1970.
    """

    run: str
    who: str
    at: int
    how: str
    changes: tuple[ChangeLine, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Locked:
    """The exact packages of one ``system``, like 'centos/9 x86_64': NEVRA and SHA-256 of each."""

    system: str
    packages: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reboot:
    """The reboot that a host waits for: ``into`` is the kernel, ``boot`` the id of the boot before it.

    ``stops`` names the containers whose end was agreed to.
    """

    into: str
    boot: str
    stops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of ``converge`` on one host; ``system`` is like 'CentOS Stream 9 (x86_64)'.

    ``received`` tells that the host itself sent it, even a failure. ``consent`` is set when the plan disrupts
    running containers. ``installed`` is True when this run installed the engine. ``waited`` names the
    programs that this run waited for: another dnf, or a first boot. ``mirrors`` says how each package mirror
    answered the host, ``passed_over`` which repositories of Docker's packages are on it beside ours.
    ``locked`` is what the lock file would say about the host's system, if that was asked. ``reboot`` is set
    where the rest of the changes waits for a reboot, and ``rebooted`` after it.
    """

    changes: tuple[ChangeLine, ...] = ()
    system: str = ""
    failure: Failure | None = None
    earlier: tuple[Earlier, ...] = ()
    received: bool = False
    consent: Consent | None = None
    containers: Containers | None = None
    installed: bool = False
    waited: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    locked: Locked | None = None
    reboot: Reboot | None = None
    rebooted: bool = False


class Verdict(StrEnum):
    """The result of a check.

    ``advice``: the host differs from a recommendation that neither operator nor inventory requires.
    """

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ADVICE = "advice"

    @property
    def is_bad(self) -> bool:
        """Whether a check with this verdict has failed."""
        return self is Verdict.FAILED

    @property
    def style(self) -> str:
        """The style in which the verdict is shown."""
        styles = {Verdict.FAILED: "bad", Verdict.SKIPPED: "weak", Verdict.ADVICE: "changed"}
        return styles.get(self, "")

    @classmethod
    def of(cls, passed: bool | None) -> "Verdict":
        """Return the verdict in a report that has only ``passed``."""
        return cls.SKIPPED if passed is None else cls.PASSED if passed else cls.FAILED


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check: ``name`` is its sentence, ``detail`` the reason unless it passed.

    ``parts`` are those of the detail, if it has a command.
    """

    name: str
    verdict: Verdict
    detail: str = ""
    seconds: float = 0.0
    parts: Hint = ()

    @property
    def passed(self) -> bool | None:
        """Whether the check passed; None if it neither passed nor failed."""
        return {Verdict.PASSED: True, Verdict.FAILED: False}.get(self.verdict)


@dataclass(frozen=True, slots=True)
class HostReport:
    """The result of one host at the end of a run."""

    name: str
    status: Status
    changes: tuple[ChangeLine, ...] = ()
    checks: tuple[Check, ...] = ()
    failure: Failure | None = None
    system: str = ""
    seconds: float = 0.0
    earlier: tuple[Earlier, ...] = ()
    consent: Consent | None = None
    containers: Containers | None = None
    waited: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run; ``started`` is ISO 8601 UTC, ``stages`` seconds by stage.

    ``words`` are those of its verb, for display.
    """

    run: str
    command: str
    inventory: str
    started: str
    seconds: float
    exit_code: int
    hosts: tuple[HostReport, ...]
    stages: Mapping[str, float] = field(default_factory=dict, hash=False)
    words: Wording = EARLIER
