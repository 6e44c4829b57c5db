"""The program in one table: what each verb that makes a run does, from read to report.

    inventory → read → unlock → trust → connect → (converge, verify, access) → report

A new verb is a row here, its command in tasks/, and what is new in its steps.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from provision.access import Flow, Harden, Install, Remove, Rotate
from provision.entrants import Credentials, Keys, read, trust, unlock, unlock_logins
from provision.inventory import Selection
from provision.report.text import Text, ping_text, plan_text, provision_text, verify_text
from provision.session import Connections, Entrant
from provision.settings import Settings
from provision.steps import Batch, Run, Step, begin_access, connect, converge, prove_access, verify
from provision.wording import Wording

Read = Callable[[Settings, str, str], Selection]
Unlock = Callable[[Selection, Settings], Credentials]
Trust = Callable[[Selection, Settings], Keys]
Connect = Callable[[Run, Connections, tuple[Entrant, ...]], Iterator[Batch]]
# The first three are for all hosts at once, before any is touched. From connect on each host goes its own
# way; whoever fails a step leaves with the reason. The last is the page that a person reads.
Steps = tuple[Read, Unlock, Trust, Connect, *tuple[Step, ...], Text]


@dataclass(frozen=True, slots=True)
class Verb:
    """One row: its steps, and its words.

    ``changes`` is False where hosts are only looked at. ``asks`` is what a person has to agree to, once the
    plan is shown. ``values`` are those of the role that make the verb, without their prefix. ``access``
    says who is to get into a host.
    """

    steps: Steps
    words: Wording
    changes: bool = True
    asks: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    access: type[Flow] | None = None

    @property
    def plans(self) -> bool:
        """Whether it only shows what would change."""
        return not self.changes and converge in self.steps


VERBS: Mapping[str, Verb] = {
    "plan": Verb(
        (read, unlock, trust, connect, converge, plan_text),
        Wording("plan"),
        changes=False,
    ),
    "provision": Verb(
        (read, unlock, trust, connect, converge, verify, provision_text),
        Wording("provision", then="verify"),
    ),
    "verify": Verb(
        (read, unlock_logins, trust, connect, verify, verify_text),
        Wording("verify", ok="verified", changed="verified", failed="not verified", by_checks=True),
        changes=False,
    ),
    "uninstall": Verb(
        (read, unlock, trust, connect, converge, provision_text),
        Wording(
            "uninstall", ok="unchanged", changed="uninstalled", nothing="nothing to remove",
            again="fab uninstall --limit NAME",
        ),
        asks="Docker is taken off {hosts}.",
        values={"state": "absent"},
    ),
    "hosts.ping": Verb(
        (read, unlock_logins, trust, connect, ping_text),
        Wording("ping", ok="answering"),
        changes=False,
    ),
    "hosts.undo": Verb(
        (read, unlock, trust, connect, converge, provision_text),
        Wording(
            "undo", ok="unchanged", changed="undone", nothing="nothing to undo", again="fab hosts.undo NAME",
            look="fab plan --limit NAME",  # if it was done, a second undo would take it back
        ),
        asks="This undoes the last run on {hosts}.",
        values={"verb": "undo"},
    ),
    "hosts.harden": Verb(
        (read, unlock, trust, connect, begin_access, converge, prove_access, provision_text),
        Wording("hosts.harden", ok="unchanged", changed="hardened", again="fab hosts.harden NAME"),
        values={"verb": "access"}, access=Harden,
    ),
    "keys.install": Verb(
        (read, unlock, trust, connect, begin_access, converge, prove_access, provision_text),
        Wording("keys.install", ok="unchanged", changed="key added", again="fab keys.install NAME"),
        values={"verb": "access"}, access=Install,
    ),
    "keys.remove": Verb(
        (read, unlock, trust, connect, begin_access, converge, prove_access, provision_text),
        Wording("keys.remove", ok="unchanged", changed="key removed", again="fab keys.remove NAME"),
        values={"verb": "access"}, access=Remove,
    ),
    "credentials.rotate": Verb(
        (read, unlock, trust, connect, begin_access, converge, prove_access, provision_text),
        Wording("credentials.rotate", ok="unchanged", changed="rotated", again="fab credentials.rotate NAME"),
        values={"verb": "access"}, access=Rotate,
    ),
}  # fmt: skip
