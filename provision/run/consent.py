"""Hosts that a plan would disrupt: they wait until all others are done, and go on once somebody has agreed.

The host decides what disrupts it, and refuses. What was agreed to goes back as the digest of its plan and the
ids of what runs there; the host plans again, and refuses when either has changed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from provision.errors import ProvisionError
from provision.model import Consent, Outcome, Session, Status

REFUSED = "disruption-refused"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One host that waits, and what it has to be agreed to there."""

    session: Session
    outcome: Outcome
    consent: Consent

    @property
    def name(self) -> str:
        """The host's inventory name."""
        return self.session.host.name

    @property
    def values(self) -> Mapping[str, Any]:
        """What the host is told, so that it knows that just this was agreed to."""
        return {"consent": {"digest": self.consent.digest, "ids": list(self.consent.ids)}}


# Returns, by the name of each host that may be disrupted, just what was agreed to there.
Ask = Callable[[tuple[Waiting, ...]], Mapping[str, Consent]]


@dataclass(slots=True)
class Room:
    """The hosts of one run that wait. Without ``ask`` nobody can agree, so that no host waits."""

    ask: Ask | None
    serial: int = 1
    _waiting: dict[str, Waiting] = field(default_factory=dict)

    def takes(self, session: Session, outcome: Outcome) -> bool:
        """Return whether this host waits from now on."""
        failure, consent = outcome.failure, outcome.consent
        if self.ask is None or consent is None or failure is None or failure.kind != REFUSED:
            return False
        self._waiting[session.host.name] = Waiting(session, outcome, consent)
        return True

    def answer(self) -> tuple[tuple[Waiting, ...], tuple[Waiting, ...]]:
        """Ask about all that wait, once; return those that may be disrupted, and those that may not."""
        waiting = self.everybody()
        ask, self.ask = self.ask, None
        if not waiting or ask is None:
            return (), waiting
        found = ask(waiting)
        agreed = tuple(replace(each, consent=found[each.name]) for each in waiting if each.name in found)
        return agreed, tuple(each for each in waiting if each.name not in found)

    def everybody(self) -> tuple[Waiting, ...]:
        """Return all hosts that wait."""
        return tuple(self._waiting.values())

    def batches(self, agreed: tuple[Waiting, ...]) -> Iterator[tuple[Waiting, ...]]:
        """Yield the hosts of ``agreed``, so many at a time as --serial says."""
        for first in range(0, len(agreed), self.serial):
            yield agreed[first : first + self.serial]


def stopped(name: str, by: str, command: str) -> ProvisionError:
    """Return why a host is left alone although somebody has agreed: the one before it has failed.

    ``command`` does it for this host alone.
    """
    return ProvisionError(
        f"{name} was not touched, because {by} failed before it",
        f"see what happened to {by}; then: `fab {command}`",
        state="nothing was changed",
        meaning="hosts that are disrupted go one after another, so that one fault does not stop them all",
        kind="disruption-stopped",
        status=Status.REFUSED,
    )
