"""Run one flow on many hosts at once."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from provision.access.case import Case, Flow
from provision.credentials import Rotation
from provision.errors import ProvisionError
from provision.model import Secret, Session
from provision.settings import Settings
from provision.ssh.master import Entrant

AT_ONCE = 16

T = TypeVar("T")
Answers = dict[str, T | ProvisionError]
Sessions = tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """A host's Session with the tokens of the wanted secrets, and the role's values for the change."""

    session: Session
    values: Mapping[str, Any]


class Access:
    """One flow on the hosts of a run; ``grant`` returns a token of the run's broker for a secret."""

    def __init__(self, flow: Flow, entrants: tuple[Entrant, ...], grant: Callable[[Secret], str]) -> None:
        self._flow = flow
        self._entrants = {entrant.host.name: entrant for entrant in entrants}
        self._grant = grant

    def begin(self, sessions: Sessions) -> Answers[Begun]:
        """Return, by host, what to change, or the error that prevents it."""
        return _side_by_side(self._begin, sessions)

    def finish(self, sessions: Sessions) -> Answers[Session]:
        """Return, by host, the Session to use from now on, or the error of what was not proven."""
        return _side_by_side(self._finish, sessions)

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


def _side_by_side(work: Callable[[Session], T], sessions: Sessions) -> Answers[T]:
    def answer(session: Session) -> T | ProvisionError:
        try:
            return work(session)
        except ProvisionError as error:
            return error

    with ThreadPoolExecutor(AT_ONCE, "access") as pool:
        return dict(zip((s.host.name for s in sessions), pool.map(answer, sessions), strict=True))
