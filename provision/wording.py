"""The words of one verb for a person; verbs.py has those of each."""

from dataclasses import dataclass

from provision.hints import HOST

PROVISION = f"provision --limit {HOST}"


@dataclass(frozen=True, slots=True)
class Wording:
    """The name of a verb, the words of its buckets, and the next commands.

    ``called`` is its name in the view, in the audit log, and in the lock on a host. ``ok``, ``changed`` and
    ``failed`` are the words of the buckets; ``nothing`` is that of hosts without changes in a plan. ``again``
    is the line that repeats it on the host {host}; ``look`` replaces it where the result is unknown and
    repeating could harm. ``then`` is the next verb after success. With ``by_checks`` a host is good only if
    its checks passed.
    """

    called: str
    ok: str = "up to date"
    changed: str = "changed"
    failed: str = "failed"
    nothing: str = "up to date"
    again: str = PROVISION
    look: str = ""
    then: str = "plan"
    by_checks: bool = False

    @property
    def anew(self) -> str:
        """The line to repeat: provision for all hosts, as it changes nothing on hosts that are up to date."""
        return "provision" if self.again == PROVISION else self.again

    @property
    def safely(self) -> str:
        """The line to type for the host {host} when its result is unknown."""
        return self.look or self.again


# For a run that is only known from its report or from a host.
EARLIER = Wording("provision", then="verify")
