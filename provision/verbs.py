"""The program in one table: what each verb does, from reading the inventory to its report.

Read VERBS first. A new verb is a row there, its command in tasks/, and the step or flow that is new in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from provision.access import Flow, Harden, Install, Remove, Rotate
from provision.connect import Connections
from provision.entrants import Credentials, Keys, read, trust, unlock, unlock_logins
from provision.hints import HOST
from provision.inventory import Selection
from provision.report.text import Text, ping_text, plan_text, provision_text, verify_text
from provision.settings import Settings
from provision.ssh.master import Entrant
from provision.steps import Run, Step, Stream, begin_access, connect, converge, prove_access, verify
from provision.wording import Wording

Read = Callable[[Settings, str, str], Selection]
Unlock = Callable[[Selection, Settings], Credentials]
Trust = Callable[[Selection, Settings], Keys]
Connect = Callable[[Run, Connections, tuple[Entrant, ...]], Stream]
# The first three run for all hosts, before any is touched. From connect on, each host goes on as soon as it
# is ready; one that fails a step stops there with its error. The last returns the text of the report.
Steps = tuple[Read, Unlock, Trust, Connect, *tuple[Step, ...], Text]


@dataclass(frozen=True, slots=True)
class Verb:
    """One row: the steps of a verb, and its words.

    ``changes`` is False for a verb that only reads. ``asks`` is the question after the plan. ``values`` are
    variables of the role that every run of the verb sets, without their prefix. ``access`` decides the access
    to a host, for the steps begin_access and prove_access.
    """

    steps: Steps
    words: Wording
    changes: bool = True
    asks: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    access: type[Flow] | None = None

    @property
    def plans(self) -> bool:
        """Whether the verb only shows what would change."""
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
            again=f"uninstall --limit {HOST}",
        ),
        asks="This removes Docker from {hosts}.",
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
            "undo", ok="unchanged", changed="undone", nothing="nothing to undo", again=f"hosts.undo {HOST}",
            look=f"plan --limit {HOST}",  # a second undo would revert the first
        ),
        asks="This undoes the last run on {hosts}.",
        values={"verb": "undo"},
    ),
    "hosts.harden": Verb(
        (read, unlock, trust, connect, begin_access, converge, prove_access, provision_text),
        Wording("hosts.harden", ok="unchanged", changed="hardened", again=f"hosts.harden {HOST}"),
        access=Harden,
    ),
    "keys.install": Verb(
        (read, unlock, trust, connect, begin_access, converge, prove_access, provision_text),
        Wording("keys.install", ok="unchanged", changed="key added", again=f"keys.install {HOST}"),
        access=Install,
    ),
    "keys.remove": Verb(
        (read, unlock, trust, connect, begin_access, converge, prove_access, provision_text),
        Wording("keys.remove", ok="unchanged", changed="key removed", again=f"keys.remove {HOST}"),
        access=Remove,
    ),
    "credentials.rotate": Verb(
        (read, unlock, trust, connect, begin_access, converge, prove_access, provision_text),
        Wording("credentials.rotate", ok="unchanged", changed="rotated", again=f"credentials.rotate {HOST}"),
        access=Rotate,
    ),
}  # fmt: skip
