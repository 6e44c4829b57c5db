"""Question the hosts of a process ahead of their checks, in parallel, since most of it is waiting."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from provision import sample
from provision.checks.backend import host_of
from provision.checks.container import Life, live
from provision.checks.facts import Facts, probe
from provision.model import Session

PROBE_TIMEOUT_S = 90


@dataclass(frozen=True, slots=True)
class Asked:
    """The pending answers of one host; a Future raises the error that prevented its answer."""

    facts: Future[Facts]
    life: Future[Life]


@contextmanager
def ask(sessions: Mapping[str, Session]) -> Iterator[dict[str, Asked]]:
    """Question every host, and return the pending answers by name; wait for all of them at the end."""
    with ThreadPoolExecutor(len(sessions)) as pool:
        facts = {name: pool.submit(_facts, session) for name, session in sessions.items()}
        yield {
            name: Asked(facts[name], pool.submit(_life, session, facts[name]))
            for name, session in sessions.items()
        }


def why_no_life(facts: Facts) -> str:
    """Return why no sample container can be tried; empty when one can."""
    if not facts.info:
        return "the engine does not answer"
    machine = facts["machine"].text.strip()
    if machine not in sample.MACHINES:
        return f"the sample program knows {' and '.join(sample.MACHINES)}, not {machine}"
    return ""


class NoLife(Exception):
    """No sample container was tried."""


def _facts(session: Session) -> Facts:
    questions = probe()
    ran = host_of(session).run(questions.script(), timeout_s=PROBE_TIMEOUT_S)
    return Facts(questions.answers(ran.stdout), session.host.decided)


def _life(session: Session, facts: Future[Facts]) -> Life:
    if reason := why_no_life(facts.result()):
        raise NoLife(reason)
    return live(host_of(session), session, facts.result())
