"""converge: bring the hosts of open Sessions to their desired state, by one Ansible play.

The play's "hosts" are shards (see docs/decisions/0014-shards.md): each drives many hosts at once.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from provision.bundle import Bundle
from provision.converge.outcome import not_begun, of_answer, without_answer
from provision.converge.shards import NOT_BEGUN, Desk, Job, OnStep, ignore, open_desk
from provision.model import Outcome, Session
from provision.role import PREFIX, typed
from provision.ssh import answer, hostcode, remote
from provision.wording import Wording

__all__ = ["Desk", "Order", "converge", "open_desk"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of every host; ``words`` are the verb's, and the lock on the host shows the verb's name.

    ``check`` only plans. ``values`` are the role's, without their prefix, and override the inventory.
    Packages come from the ``bundle``, if there is one.
    """

    run: str
    words: Wording
    check: bool = False
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    bundle: Bundle | None = None


# A Session, and the role's values for this host alone, which override the others.
Arrival = tuple[Session, Mapping[str, Any]]


def converge(
    arrivals: Iterable[Arrival],
    desk: Desk,
    order: Order,
    *,
    expected: int,
    cancelled: Callable[[], bool],
    on_step: OnStep = ignore,
) -> Generator[tuple[str, Outcome], None, None]:
    """Carry ``order`` out on each host that arrives, and yield its name and Outcome as soon as it is done.

    ``expected`` is how many hosts may come. ``on_step`` is called with a host's name and what it is doing. A
    host without a result is lost, interrupted or unknown.
    """
    with closing(desk.answers((job(each, order) for each in arrivals), expected, on_step)) as answers:
        for name, found in answers:
            if found is NOT_BEGUN:
                yield name, not_begun(name, order.words, desk.said, cancelled=cancelled())
            elif found is None or ("lost" in found and cancelled()):  # then the run ended the connection
                yield name, without_answer(name, order.words, cancelled=cancelled())
            else:
                yield name, of_answer(name, order.words, found)


def job(arrival: Arrival, order: Order) -> Job:
    """Return the Job for one host."""
    session, own = arrival
    desired = {key.removeprefix(PREFIX): value for key, value in session.host.desired.items()}
    asked = {"run": order.run, "what": order.words.called} | dict(order.values) | dict(own)
    try:
        request = hostcode.request(
            typed(desired | asked), plan=order.check, diff=True, acknowledges=True, bundle=order.bundle
        )
    except ValueError as error:
        return Job(session.host.name, answer={"error": answer.bad_value(str(error)).error})
    except answer.NoResult as error:
        return Job(session.host.name, answer={"error": error.error})
    except Exception as error:  # one host never stops the others
        return Job(session.host.name, answer={"error": answer.unexpected(error)})
    return Job(session.host.name, remote.to_row(session), request)
