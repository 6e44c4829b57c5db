"""How one verb is told to a person; each stands in the table of verbs.py."""

from dataclasses import dataclass

from provision.hints import HOST

PROVISION = f"provision --limit {HOST}"


@dataclass(frozen=True, slots=True)
class Wording:
    """What a verb is called, what hosts are called after it, and what is typed then.

    ``called`` is its name while it runs, in the audit log, and in the lock on a host. ``ok``, ``changed``
    and ``failed`` name the buckets of hosts; ``nothing`` is the one of a plan for hosts without changes.
    ``again`` is the line that repeats it on the host {host}; ``look`` is typed instead where nobody knows
    whether it was done, and a second time would harm. ``then`` is the verb to type once all is well. With
    ``by_checks`` a host is good only if its checks say so.
    """

    called: str
    ok: str = "right"
    changed: str = "changed"
    failed: str = "failed"
    nothing: str = "right"
    again: str = PROVISION
    look: str = ""
    then: str = "plan"
    by_checks: bool = False

    @property
    def anew(self) -> str:
        """The line of what was asked for: of provision for all hosts, since it leaves alone what is right."""
        return "provision" if self.again == PROVISION else self.again

    @property
    def safely(self) -> str:
        """The line to type for the host {host} where nobody knows how far it came."""
        return self.look or self.again


# For a run of which only the report is left, or what a host says of it.
EARLIER = Wording("provision", then="verify")
