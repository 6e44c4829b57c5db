"""Consent for hosts that a plan would disrupt: they wait until all others are done, and then for a person.

The host decides what disrupts it, and refuses. Consent goes back to it as the digest of the plan and the ids
of the running containers; the host plans again, and refuses when either has changed.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from provision.errors import ProvisionError
from provision.model import Consent, Outcome, Session, Status

REFUSED = "disruption-refused"
# How many of the failed hosts are named.
_NAMED = 3
Values = Mapping[str, Any]
# The role's values that agree to any disruption, even if the plan changes meanwhile.
ANYTHING: Values = {"disruption": "allow"}


def exactly(consent: Consent) -> Values:
    """Return the role's values that agree to this plan on a host, and to no other."""
    return {"consent": {"digest": consent.digest, "ids": list(consent.ids)}}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One host that waits for consent; ``values`` are the role's for it alone, with what was agreed to."""

    session: Session
    outcome: Outcome
    consent: Consent
    values: Values = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """The host's inventory name."""
        return self.session.host.name


# Returns the role's values that carry a consent, by host name; a host that is not in it has none.
Ask = Callable[[tuple[Waiting, ...]], Mapping[str, Values]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How hosts are disrupted: ``serial`` at a time, until ``max_fail`` (number or per cent) have failed."""

    serial: int = 1
    max_fail: int = 1
    percent: bool = False

    def most(self, hosts: int) -> int:
        """Return after how many failures, of this many ``hosts``, no further one is disrupted."""
        return max(1, math.ceil(hosts * self.max_fail / 100)) if self.percent else self.max_fail


ONE_BY_ONE = Pace()


@dataclass(slots=True)
class Room:
    """The waiting hosts of one run; without ``ask`` nobody can agree, and no host waits."""

    ask: Ask | None
    pace: Pace = ONE_BY_ONE
    _waiting: dict[str, Waiting] = field(default_factory=dict)

    def takes(self, session: Session, outcome: Outcome, values: Values) -> bool:
        """Return whether this host waits; if so, keep it, with the role's ``values`` for it alone."""
        failure, consent = outcome.failure, outcome.consent
        if self.ask is None or consent is None or failure is None or failure.kind != REFUSED:
            return False
        self._waiting[session.host.name] = Waiting(session, outcome, consent, values)
        return True

    def answer(self) -> tuple[tuple[Waiting, ...], tuple[Waiting, ...]]:
        """Ask once about all waiting hosts; return those with consent, and those without."""
        waiting = self.everybody()
        ask, self.ask = self.ask, None
        if not waiting or ask is None:
            return (), waiting
        found = ask(waiting)
        agreed = tuple(
            replace(each, values={**each.values, **found[each.name]})
            for each in waiting
            if each.name in found
        )
        return agreed, tuple(each for each in waiting if each.name not in found)

    def everybody(self) -> tuple[Waiting, ...]:
        """Return all waiting hosts."""
        return tuple(self._waiting.values())

    def batches(self, agreed: tuple[Waiting, ...]) -> Iterator[tuple[Waiting, ...]]:
        """Yield the hosts of ``agreed``, as many at a time as ``pace`` says."""
        for first in range(0, len(agreed), self.pace.serial):
            yield agreed[first : first + self.pace.serial]


def stopped(name: str, failed: Sequence[str], command: str) -> ProvisionError:
    """Return the error of a host that is not disrupted, despite consent, because others failed before it.

    ``failed`` are their names; ``command`` repeats the run for this host alone.
    """
    by = ", ".join(failed[:_NAMED]) + f" and {len(failed) - _NAMED} more" * (len(failed) > _NAMED)
    return ProvisionError(
        f"{name} was not touched, because {by} failed before it",
        f"see what happened to {by}; then: `fab {command}`",
        state="nothing was changed",
        meaning="hosts are disrupted a few at a time, so that one fault does not stop all of them",
        kind="disruption-stopped",
        status=Status.REFUSED,
    )
