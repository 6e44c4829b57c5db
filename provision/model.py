"""The values that stages hand on; every one is frozen and knows no stage."""

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

# Host and group names of an inventory; they reach ssh patterns, paths and pages.
INVENTORY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class Stage(StrEnum):
    """The stages of a run, in order; also the word a person sees in an error."""

    READ = "read"
    UNLOCK = "unlock"
    TRUST = "trust"
    CONNECT = "connect"
    CONVERGE = "converge"
    VERIFY = "verify"


class Status(StrEnum):
    """What became of one host; each selected host has exactly one."""

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

    ``decided`` is what of ``desired`` the checks compare the host with; no secret is in it.
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
    """A string that shows nothing unless it is asked to by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text; call it only where the bytes leave for their one destination."""
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
    """How one host is entered; all None means: the keys of the person's ssh-agent.

    ``secrets`` are those that its desired state names, ``{secret: NAME}``.
    ``private_key`` is an ed25519 key as ``keypair`` makes it. ``pending`` is the new password of a rotation
    that did not come to its end: it may be the right one by now.
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

    ``others`` are keys of other types that the host may show as well.
    """

    name: str
    type: str
    key: str
    trust: str = "console"
    others: tuple["HostKey", ...] = ()

    @property
    def all(self) -> tuple["HostKey", ...]:
        """Each key that the host may show, this one first."""
        return (self, *self.others)

    @property
    def fingerprint(self) -> str:
        """The form that ssh-keygen and cloud consoles show: ``SHA256:…``."""
        digest = hashlib.sha256(base64.b64decode(self.key)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Session:
    """An open ControlMaster; ``run_dir`` holds the ``clients`` ssh config and the broker's socket.

    ``sudo_token`` is what the broker takes for this host's sudo password; None when no
    password is needed. ``secret_tokens`` are those for the secrets of what is wanted there, by name.
    ``by_pending`` tells that the host was entered by what a rotation had left as pending,
    ``sudo_by_pending`` that its sudo took that.
    """

    host: Host
    run_dir: Path
    sudo_token: str | None = None
    secret_tokens: Mapping[str, str] = field(default_factory=dict, hash=False)
    by_pending: bool = False
    sudo_by_pending: bool = False

    @property
    def ssh_config(self) -> Path:
        """The ssh config that only uses live masters and never opens a connection."""
        return self.run_dir / "clients"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a host stopped: what, why, what is changed, what to do ``next``."""

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
        """What to do next, as one text."""
        return render(self.next)


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a plan as a person reads it; ``before`` is empty for something new.

    ``sign`` is "+" for what is new, "~" for what changes, "-" for what goes. ``kind`` is a stable short name
    such as package, file or restart, and ``subject`` says which one. ``brief`` is what a summary says beside
    the subject. ``implied`` names the sides, before and after, that only repeat the sign.
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
    """One effect of a plan on what runs: ``what`` is a clause, ``names`` are the first of ``count``.

    ``one`` is the clause for a count of one.
    """

    what: str
    names: tuple[str, ...]
    count: int
    one: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person has to agree to before a host is disrupted.

    ``digest`` is that of the plan, ``ids`` are the containers that run; the host plans again and refuses
    when either has changed.
    """

    digest: str
    ids: tuple[str, ...]
    harms: tuple[Harm, ...]


@dataclass(frozen=True, slots=True)
class Containers:
    """What became of the containers that ran when the engine was restarted.

    ``silent`` names those that run again, and a published port of theirs that does not answer yet.
    """

    untouched: int
    restarted: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """A run of before on one host, of whose end no controller was told, or that was killed.

    ``how``: it ``finished`` alone, was ``undone``, or is ``completed`` by the run that tells of it.
    ``at`` is when it ended, in seconds since 1970.
    """

    run: str
    who: str
    at: int
    how: str
    changes: tuple[Change, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What ``converge`` found or did on one host; ``system`` is like 'CentOS Stream 9 (x86_64)'.

    ``received`` tells that the host itself sent it, even a failure. ``consent`` is set where the plan
    would disrupt what runs. ``installed`` tells that this run has installed the engine. ``waited`` names
    the programs that this run waited for: another dnf, or a first boot.
    """

    changes: tuple[Change, ...] = ()
    system: str = ""
    failure: Failure | None = None
    seconds: float = 0.0
    earlier: tuple[Earlier, ...] = ()
    received: bool = False
    consent: Consent | None = None
    containers: Containers | None = None
    installed: bool = False
    waited: tuple[str, ...] = ()


class Verdict(StrEnum):
    """How a check ended.

    ``advice``: what is recommended is not so on the host, and neither operator nor inventory asks for it.
    """

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ADVICE = "advice"

    @property
    def is_bad(self) -> bool:
        """Whether a host with this verdict is not proven."""
        return self is Verdict.FAILED

    @property
    def style(self) -> str:
        """The style in which it is shown."""
        styles = {Verdict.FAILED: "bad", Verdict.SKIPPED: "weak", Verdict.ADVICE: "changed"}
        return styles.get(self, "")

    @classmethod
    def of(cls, passed: bool | None) -> "Verdict":
        """Return the verdict of a report that knows only ``passed``."""
        return cls.SKIPPED if passed is None else cls.PASSED if passed else cls.FAILED


@dataclass(frozen=True, slots=True)
class Check:
    """One proof: ``name`` is its sentence, ``detail`` the reason where it has not simply passed.

    ``parts`` are those of the detail, where a command is in it.
    """

    name: str
    verdict: Verdict
    detail: str = ""
    seconds: float = 0.0
    parts: Hint = ()

    @property
    def passed(self) -> bool | None:
        """Whether the check passed; None where it judged nothing to be right or wrong."""
        return {Verdict.PASSED: True, Verdict.FAILED: False}.get(self.verdict)


@dataclass(frozen=True, slots=True)
class HostReport:
    """Everything about one host at the end of a run."""

    name: str
    status: Status
    changes: tuple[Change, ...] = ()
    checks: tuple[Check, ...] = ()
    failure: Failure | None = None
    system: str = ""
    seconds: float = 0.0
    earlier: tuple[Earlier, ...] = ()
    consent: Consent | None = None
    containers: Containers | None = None
    waited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run; ``started`` is ISO 8601 UTC, ``stages`` seconds by stage.

    ``words`` are those of its verb, for the page that a person reads.
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
