"""Run one flow on many hosts at once."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from provision.access.case import Case, Flow
from provision.credentials import Rotation
from provision.errors import ProvisionError
from provision.model import Secret, Session
from provision.settings import Settings
from provision.ssh.master import Entrant

AT_ONCE = 16
# How often to check whether a second signal has come.
POLL_S = 0.2

T = TypeVar("T")
Answers = dict[str, T | ProvisionError]
Sessions = tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """A host's Session with the tokens of the wanted secrets, and the role's values for the change."""

    session: Session
    values: Mapping[str, Any]


class Access:
    """One flow on the hosts of a run; ``grant`` returns a token of the run's broker for a secret.

    Once ``is_urgent`` returns True, hosts that have not answered are left out of what is returned.
    """

    def __init__(
        self,
        flow: Flow,
        entrants: tuple[Entrant, ...],
        grant: Callable[[Secret], str],
        is_urgent: Callable[[], bool],
    ) -> None:
        self._flow = flow
        self._entrants = {entrant.host.name: entrant for entrant in entrants}
        self._grant = grant
        self._is_urgent = is_urgent

    def begin(self, sessions: Sessions) -> Answers[Begun]:
        """Return, by host, what to change, or the error that prevents it."""
        return side_by_side(self._begin, sessions, self._is_urgent)

    def finish(self, sessions: Sessions) -> Answers[Session]:
        """Return, by host, the Session to use from now on, or the error of what was not proven."""
        return side_by_side(self._finish, sessions, self._is_urgent)

    def _begin(self, session: Session) -> Begun:
        wanted = self._flow.begin(self._case(session))
        tokens = {name: self._grant(each) for name, each in wanted.secrets.items()}
        session = replace(session, secret_tokens=dict(session.secret_tokens) | tokens)
        return Begun(session, {"verb": "access", "access": dict(wanted.values)})

    def _finish(self, session: Session) -> Session:
        case = self._case(session)
        case = replace(case, session=self._flow.reopened(case))
        self._flow.finish(case)
        return case.session

    def _case(self, session: Session) -> Case:
        entrant, jump = self._entrants[session.host.name], session.host.jump
        way = Session(self._entrants[jump].host, session.run_dir) if jump else None
        return Case(session, entrant.key, entrant.credential, way)


def settled(
    answer: Session | ProvisionError, pending: Secret | None, settings: Settings
) -> Session | ProvisionError:
    """Promote the ``pending`` password that the login proved; return the answer, or the error of that."""
    if not (isinstance(answer, Session) and answer.by_pending and pending):
        return answer
    try:
        Rotation(settings).promote_password(answer.host, pending, opens_sudo=answer.sudo_by_pending)
    except ProvisionError as error:
        return error
    return answer


def side_by_side(
    work: Callable[[Session], T], sessions: Sessions, is_urgent: Callable[[], bool]
) -> Answers[T]:
    """Return, by host, what ``work`` returns for its session, or the ProvisionError that it raises.

    Once ``is_urgent`` returns True, what is not known is not waited for: a host that is silent holds a login
    up for long. The threads are daemons, so that they hold up no exit either.
    """
    waiting, answers = deque(sessions), dict[str, T | ProvisionError]()
    ended: SimpleQueue[tuple[str, T | Exception]] = SimpleQueue()

    def take() -> None:
        with suppress(IndexError):
            while True:
                session = waiting.popleft()
                ended.put((session.host.name, _answer(work, session)))

    for _ in sessions[:AT_ONCE]:
        threading.Thread(target=take, name="access", daemon=True).start()
    try:
        while len(answers) < len(sessions) and not (is_urgent() and ended.empty()):
            with suppress(Empty):
                name, answer = ended.get(timeout=POLL_S)
                if isinstance(answer, Exception) and not isinstance(answer, ProvisionError):
                    raise answer
                answers[name] = answer
    finally:
        waiting.clear()
    return answers


def _answer(work: Callable[[Session], T], session: Session) -> T | Exception:
    try:
        return work(session)
    except Exception as error:  # raised where the answers are awaited
        return error
