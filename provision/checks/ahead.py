"""Question the hosts of a process ahead of their checks, many at once, since most of it is waiting."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

from provision import sample
from provision.checks.backend import host_of
from provision.checks.container import Life, live
from provision.checks.facts import Facts, probe
from provision.model import Session

PROBE_TIMEOUT_S = 90
# Each host takes a thread and three open files.
AT_ONCE = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """The answers of one host; a Future raises the error that prevented its answer."""

    session: Session
    facts: "Future[Facts]"
    life: "Future[Life]"


@contextmanager
def ask(arrivals: Iterable[tuple[Session, bool]]) -> Iterator[Iterator[Asked]]:
    """Question each host that arrives, and yield an iterator over those that have answered.

    With a Session comes whether its engine may be restarted. The context ends when no question is open.
    """
    answered: SimpleQueue[Asked | BaseException | None] = SimpleQueue()
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def take() -> None:
            try:
                wait([pool.submit(_question, *each, answered.put) for each in arrivals])
                answered.put(None)
            except BaseException as error:  # raised where the answers are awaited, if they still are
                answered.put(error)

        threading.Thread(target=take, name="arrivals", daemon=True).start()
        try:
            yield _until_the_end(answered)
        finally:
            pool.shutdown(cancel_futures=True)


def _until_the_end(answered: "SimpleQueue[Asked | BaseException | None]") -> Iterator[Asked]:
    while (each := answered.get()) is not None:
        if isinstance(each, BaseException):
            raise each
        yield each


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


def _question(session: Session, may_restart: bool, put: Callable[[Asked], None]) -> None:
    facts = _answer(lambda: _facts(session))
    put(Asked(session, facts, _answer(lambda: _life(session, facts.result(), may_restart))))


def _answer(get: Callable[[], T]) -> "Future[T]":
    answer: Future[T] = Future()
    try:
        answer.set_result(get())
    except Exception as error:  # raised where the answer is wanted
        answer.set_exception(error)
    return answer


def _facts(session: Session) -> Facts:
    questions = probe()
    ran = host_of(session).run(questions.script(), timeout_s=PROBE_TIMEOUT_S)
    return Facts(questions.answers(ran.stdout), session.host.decided)


def _life(session: Session, facts: Facts, may_restart: bool) -> Life:
    if reason := why_no_life(facts):
        raise NoLife(reason)
    return live(host_of(session), session, facts, may_restart)
