"""What will be broken, on which host, during which work and at which moment: drawn before anything runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from random import Random

SIGNALS = ("SIGINT", "SIGTERM", "SIGKILL")
# What a run is about. ``install`` begins on a host without Docker, ``remove`` ends with one.
WORKS = {"key": 5, "version": 4, "install": 2, "remove": 1}
# For about how long a run goes on, and how many Changes it has at least.
SPAN_S = {"key": 4.0, "version": 8.0, "install": 9.0, "remove": 5.0}
STEPS = {"key": 2, "version": 2, "install": 4, "remove": 3}
WITH_DNF = ("version", "install", "remove")
WITH_ENGINE = ("key", "version", "remove")
FETCHING = ("version", "install")
LASTS_S = (2.0, 8.0)
# Longer than the masters' keepalive: the controller gives the host up.
LOST_S = 45.0


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to break a run: ``family`` is a class of inject.py, ``details`` is what it is given.

    ``words`` name the run that is broken, where there is more than one way to start it.
    """

    family: str
    details: tuple[str, ...] = ()
    works: tuple[str, ...] = tuple(WORKS)
    words: str = ""

    def __str__(self) -> str:
        return " ".join((self.family, *self.details, *self.words.split()))


@dataclass(frozen=True, slots=True)
class Moment:
    """When it happens: ``delay_s`` after the start, or after the ``count``-th ``event`` in the journal."""

    delay_s: float
    event: str = ""
    count: int = 0

    def __str__(self) -> str:
        after = f"{self.event} of Change {self.count}" if self.event else "the start"
        return f"{self.delay_s:.1f} s after {after}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; ``lasts_s`` is for those that pass by themselves."""

    number: int
    host: str
    kind: Kind
    work: str
    moment: Moment
    lasts_s: float = LASTS_S[0]

    def __str__(self) -> str:
        return f"{self.number:3} {self.host:4} {self.work:8} {self.kind!s:26} {self.moment}"


def _killed() -> Iterator[Kind]:
    works = {"dnf": WITH_DNF, "dockerd": WITH_ENGINE}
    for victim, signal in product(
        ("controller", "master", "shard", "parent", "child", "dnf", "dockerd"), SIGNALS
    ):
        yield Kind("kill", (victim, signal), works.get(victim, tuple(WORKS)))


KINDS = (
    *_killed(),
    Kind("cut"),
    Kind("cut", ("until-lost",)),
    Kind("slow"),
    Kind("power-cut"),
    Kind("reboot"),
    Kind("full", ("/var/lib/provision",)),
    Kind("full", ("/var/tmp",), FETCHING),
    Kind("full", ("/etc/docker",)),
    Kind("repository", ("missing",), FETCHING),
    Kind("repository", ("stale",), FETCHING),
    Kind("repository", ("damaged",), FETCHING),
    Kind("two-controllers"),
)


def draw(count: int, seed: int, hosts: int) -> tuple[Fault, ...]:
    """Return ``count`` faults: every kind once before any repeats; the same seed returns the same faults."""
    chance = Random(seed)
    deck: list[Kind] = []
    faults = []
    for number in range(count):
        deck = deck or chance.sample(KINDS, len(KINDS))
        faults.append(_fault(chance, number, f"el{number % hosts + 1}", deck.pop()))
    return tuple(faults)


def _fault(chance: Random, number: int, host: str, kind: Kind) -> Fault:
    (work,) = chance.choices(kind.works, [WORKS[name] for name in kind.works])
    lasts_s = LOST_S if "until-lost" in kind.details else round(chance.uniform(*LASTS_S), 1)
    return Fault(number, host, kind, work, _moment(chance, work), lasts_s)


def _moment(chance: Random, work: str) -> Moment:
    if chance.random() < 0.4:
        return Moment(round(chance.uniform(0, SPAN_S[work]), 1))
    delay_s = chance.choice((0.0, round(chance.uniform(0, 1), 1)))
    return Moment(delay_s, chance.choice(("begin", "done")), chance.randint(1, STEPS[work]))
