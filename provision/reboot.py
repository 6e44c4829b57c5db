"""Reboot hosts into a kernel that their result has named: ask each, wait for another boot, log in again."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

from provision import errors
from provision.connect import Connections
from provision.converge import Order, job
from provision.converge.outcome import REBOOT, of_answer
from provision.errors import ProvisionError
from provision.model import Failure, Outcome, Reboot, Session, Stage
from provision.run.ledger import AFTER_REBOOT
from provision.ssh import answer, hostcode, remote
from provision.ssh.master import Entrant

LIMIT_S = 600.0
PAUSE_S = 2.0
POLL_S = 0.2
COMMAND_TIMEOUT_S = 5.0
_BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
# A host that goes down ends logins, and one that boots lets in root alone at first (pam_nologin).
_MOST_REFUSALS = 10

OnStep = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Back:
    """A host whose reboot has ended: its new Session and the role's values for it, or how it failed."""

    name: str
    answer: Session | Outcome
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)


class Reboots:
    """The hosts of one run that reboot, each in its own thread while others go on; each does so once.

    ``on_step`` is called with a host's name and what it is doing. A jump host waits for ``start_jumps``: its
    reboot ends the connections through it.
    """

    def __init__(
        self, connections: Connections, entrants: tuple[Entrant, ...], order: Order, on_step: OnStep,
        cancelled: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._connections = connections
        self._entrants = {entrant.host.name: entrant for entrant in entrants}
        self._jumps = {entrant.host.jump for entrant in entrants}
        self._order = order
        self._on_step = on_step
        self._cancelled = cancelled
        self._before: dict[str, Outcome] = {}
        self._waiting: list[Callable[[], None]] = []
        self._running = 0
        self._ended: SimpleQueue[Back] = SimpleQueue()

    @property
    def expected(self) -> int:
        """How many hosts are about to come back."""
        return self._running

    @property
    def are_over(self) -> bool:
        """Whether no host reboots, and none waits to."""
        return not (self._running or self._waiting)

    def takes(self, session: Session, values: Mapping[str, Any], outcome: Outcome) -> bool:
        """Return whether ``outcome`` asks for a reboot, the first one of this host; if so, begin it."""
        name, wanted = session.host.name, outcome.reboot
        if wanted is None or outcome.failure or name in self._before:
            return False
        self._before[name] = outcome

        def start() -> None:
            self._running += 1
            given = (session, values, wanted)
            threading.Thread(target=self._work, args=given, name="reboot", daemon=True).start()

        if name in self._jumps:
            self._waiting.append(start)
        else:
            start()
        return True

    def start_jumps(self) -> None:
        """Reboot the jump hosts, too."""
        while self._waiting:
            self._waiting.pop()()

    def arrivals(self) -> Iterator[Back]:
        """Yield the hosts that reboot now, each as soon as it is back or has failed."""
        while self._running:
            back = self._ended.get()
            self._running -= 1
            yield back

    def whole(self, name: str, outcome: Outcome) -> Outcome:
        """Return ``outcome`` with what was done before the reboot, if this host was rebooted."""
        before = self._before.get(name)
        if before is None or before.reboot is None:
            return outcome
        failure, words = outcome.failure, f"kernel {before.reboot.into} was installed before the reboot"
        earlier = outcome.earlier if outcome.received else before.earlier
        return replace(
            outcome,
            changes=before.changes + outcome.changes,
            system=outcome.system or before.system,
            failure=failure and replace(failure, state=f"{words}; then: {failure.state or 'unknown'}"),
            earlier=tuple(each for each in earlier if each.run != self._order.run),
            waited=before.waited + outcome.waited,
            mirrors=before.mirrors + outcome.mirrors,
            rebooted=True,
        )

    def _work(self, session: Session, values: Mapping[str, Any], wanted: Reboot) -> None:
        name = session.host.name
        order = {"into": wanted.into, "boot": wanted.boot, "stops": list(wanted.stops)}
        found: Session | Failure | None
        try:
            found = self._ask(session, dict(values) | {"verb": "reboot", "reboot": order})
            found = found or self._back(session, wanted)
        except ProvisionError as error:
            found = error.at(Stage.CONVERGE)
        except Exception as error:  # one host never stops the others
            found = self._read(name, {"error": answer.unexpected(error)})
        # What was agreed to was the plan up to the reboot.
        kept = {word: value for word, value in values.items() if word != "consent"}
        run = self._order.run + AFTER_REBOOT
        ended = found if isinstance(found, Session) else _failed(self._before[name], found)
        self._ended.put(Back(name, ended, kept | {"run": run, "reboot": order}))

    def _read(self, name: str, said: Mapping[str, Any]) -> Failure | None:
        return of_answer(name, self._order.words, said).failure

    def _ask(self, session: Session, own: Mapping[str, Any]) -> Failure | None:
        """Have the host begin its reboot; return why it does not. An answer may not arrive any more."""
        name, asked = session.host.name, job((session, own), replace(self._order, bundle=None))
        try:
            said = asked.answer or {"result": answer.read(*hostcode.exchange(
                session, asked.request, lambda words: self._on_step(name, words)))}  # fmt: skip
        except errors.ConnectionLost:
            return None
        except answer.NoResult as error:
            said = {"error": error.error}
        return self._read(name, said)

    def _back(self, session: Session, wanted: Reboot) -> Session:
        """Return the Session of the next boot; raises ProvisionError."""
        entrant, begun, refused = self._entrants[session.host.name], time.monotonic(), 0
        open_one: Session | None = session
        while (waited_s := time.monotonic() - begun) < LIMIT_S:
            self._on_step(session.host.name, f"reboots into kernel {wanted.into}: {waited_s:.0f} s")
            self._pause(session.host.name)
            try:
                open_one = open_one or self._connections.again(entrant)
                if _boot(open_one) not in ("", wanted.boot):
                    return open_one
                continue
            except (errors.Unreachable, errors.CommandTimedOut):
                pass
            except errors.LoginFailed as error:
                refused += 1
                is_final = isinstance(error, errors.LoginRefused) and entrant.host.user == "root"
                if is_final or refused >= _MOST_REFUSALS:
                    raise
            remote.end_master(session)
            open_one = None
        raise _overdue(session.host.name, wanted, is_up=open_one is not None)

    def _pause(self, name: str) -> None:
        end = time.monotonic() + PAUSE_S
        while time.monotonic() < end:
            if self._cancelled():
                hint = f"`fab plan --limit {name}`"
                raise errors.Interrupted(f"interrupted while {name} was rebooting", hint)
            time.sleep(POLL_S)


def _failed(before: Outcome, failure: Failure | None) -> Outcome:
    assert before.reboot
    assert failure
    state = f"kernel {before.reboot.into} is installed, and the engine is not"
    changes = tuple(each for each in before.changes if each.kind != REBOOT)
    return replace(before, changes=changes, failure=replace(failure, state=state), reboot=None)


def _boot(session: Session) -> str:
    done = remote.run(session, _BOOT_ID, timeout_s=COMMAND_TIMEOUT_S)
    return done.out.decode("utf-8", "replace").strip()


def _overdue(name: str, wanted: Reboot, *, is_up: bool) -> ProvisionError:
    if is_up:
        return ProvisionError(
            f"{name} was asked to reboot, and still runs as before after {LIMIT_S:.0f} s",
            f"`fab hosts.shell {name}`, systemctl list-jobs; then: `fab provision --limit {name}`",
            meaning="a unit does not stop, or something inhibits the shutdown (systemd-inhibit --list)",
            kind="not-rebooted",
        )
    return errors.Unreachable(
        f"{name} did not come back in {LIMIT_S:.0f} s after its reboot",
        f"look at its console, where an older kernel can be chosen; then: `fab provision --limit {name}`",
        evidence=f"it was to boot kernel {wanted.into}",
        kind="reboot-overdue",
    )
