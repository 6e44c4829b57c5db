"""The access of many hosts in one run: each flow's two ends, side by side."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from provision.access.case import Case, Flow
from provision.credentials import Rotation
from provision.errors import ProvisionError
from provision.model import Secret, Session
from provision.session import Entrant
from provision.settings import Settings

AT_ONCE = 16

Answers = dict[str, Session | ProvisionError]
Sessions = tuple[Session, ...]


class Locks:
    """One flow over the hosts of a run; ``grant`` gives a token of the run's broker for a secret."""

    def __init__(self, flow: Flow, entrants: tuple[Entrant, ...], grant: Callable[[Secret], str]) -> None:
        self._flow = flow
        self._entrants = {entrant.host.name: entrant for entrant in entrants}
        self._grant = grant
        self.values: dict[str, Mapping[str, Any]] = {}

    def begin(self, sessions: Sessions) -> Answers:
        """Give each host's Session with its secrets, or why nothing is begun there; fills ``values``."""
        return _side_by_side(self._begin, sessions)

    def finish(self, sessions: Sessions) -> Answers:
        """Give each host's Session as it is used from now on, or what new logins did not show."""
        return _side_by_side(self._finish, sessions)

    def _begin(self, session: Session) -> Session:
        wanted = self._flow.begin(self._case(session))
        self.values[session.host.name] = {"access": dict(wanted.values)}
        tokens = {name: self._grant(each) for name, each in wanted.secrets.items()}
        return replace(session, secret_tokens=dict(session.secret_tokens) | tokens)

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
    answers: Mapping[str, Session | ProvisionError], entrants: tuple[Entrant, ...], settings: Settings
) -> Answers:
    """Promote the pending password of every host that it has let in: that was its proof."""
    rotation = Rotation(settings)
    tried = {entrant.host.name: entrant.credential.pending for entrant in entrants}

    def settle(session: Session) -> Session:
        pending = tried[session.host.name]
        if session.by_pending and pending:
            rotation.promote_password(session.host, pending, opens_sudo=session.sudo_by_pending)
        return session

    opened = tuple(answer for answer in answers.values() if isinstance(answer, Session))
    return dict(answers) | _side_by_side(settle, opened)


def _side_by_side(work: Callable[[Session], Session], sessions: Sessions) -> Answers:
    def answer(session: Session) -> Session | ProvisionError:
        try:
            return work(session)
        except ProvisionError as error:
            return error

    with ThreadPoolExecutor(AT_ONCE, "access") as pool:
        return dict(zip((s.host.name for s in sessions), pool.map(answer, sessions), strict=True))
