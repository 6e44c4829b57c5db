"""Hosts that reboot in the middle of a run: asked once, waited for, and taken through the steps again."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provision import errors, reboot, rollout, steps
from provision.connect import Connections
from provision.converge import Desk, Order
from provision.converge.outcome import of_answer
from provision.errors import ProvisionError
from provision.host.ground.change import line
from provision.model import (
    ChangeLine,
    Check,
    Credential,
    Earlier,
    Failure,
    Host,
    HostKey,
    Outcome,
    Reboot,
    Session,
    Status,
    Verdict,
)
from provision.reboot import Reboots
from provision.run.consent import Room
from provision.run.interrupts import Cancel
from provision.run.ledger import Ledger
from provision.settings import Settings
from provision.ssh import answer
from provision.ssh.master import Entrant
from provision.ssh.remote import Completed
from provision.steps import Clock, Run, Target
from provision.verbs import VERBS
from tests.unit.test_disruption import Quiet

NOWHERE = Path("/nowhere")
ORDER = Order("a-run", VERBS["provision"].words)
WANTED = Reboot("6.12.0-100.el10.x86_64", "first boot", ("db",))
KERNEL, ENGINE = ChangeLine("package kernel"), ChangeLine("package docker-ce")
INTO = ChangeLine(f"reboot into kernel {WANTED.into}", kind="reboot")
FIRST = Outcome((KERNEL, INTO), "CentOS Stream 10", received=True, reboot=WANTED)
LATER = {"changed": True, "system": "", "changes": [], "undone": [], "earlier": [], "error": None}
LATER |= {"installed": False, "consent": None, "containers": None}


class Played(Connections):
    """Hosts that go down when they are asked to, and come back in a new boot after some attempts."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.down: list[ProvisionError] = []
        self.boots = ["first boot", "", "another boot"]
        self.error: dict[str, Any] | None = None
        self.is_lost = False
        self.steps: list[str] = []
        self.ended: list[str] = []
        self.is_cancelled = False
        self.logins = 0

    def again(self, entrant: Entrant) -> Session:
        self.logins += 1
        if self.down:
            raise self.down.pop(0)
        return Session(entrant.host, NOWHERE, sudo_token="new")

    def exchange(self, session: Session, request: dict[str, Any], *_: Any) -> tuple[str, str]:
        self.requests.append(request)
        if self.is_lost:
            raise errors.ConnectionLost("lost")
        return json.dumps(LATER | {"error": self.error}, sort_keys=True), ""

    def run(self, session: Session, command: str, **_: Any) -> Completed:
        boot = self.boots.pop(0) if len(self.boots) > 1 else self.boots[0]
        if boot == "gone":
            raise errors.ConnectionLost("lost")
        return Completed(0, boot.encode() + b"\n", b"")


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    found = Played()
    monkeypatch.setattr(reboot, "PAUSE_S", 0.0)
    monkeypatch.setattr(reboot.hostcode, "exchange", found.exchange)
    monkeypatch.setattr(reboot.remote, "run", found.run)
    monkeypatch.setattr(reboot.remote, "end_master", lambda session: found.ended.append(session.host.name))
    return found


def entrant(name: str, **more: Any) -> Entrant:
    return Entrant(Host(name, "192.0.2.1", **more), Credential(), HostKey(name, "ssh-ed25519", "AAAA"))


def reboots_of(played: Played, *entrants: Entrant) -> Reboots:
    def on_step(name: str, words: str) -> None:
        played.steps.append(f"{name}: {words}")

    return Reboots(played, entrants or (entrant("web1"),), ORDER, on_step, lambda: played.is_cancelled)


def session_of(name: str, **more: Any) -> Session:
    return Session(Host(name, "192.0.2.1", **more), NOWHERE)


def back(played: Played, **more: Any) -> reboot.Back:
    """Return how web1 comes back from its reboot."""
    reboots = reboots_of(played, entrant("web1", **more))
    assert reboots.takes(session_of("web1", **more), {}, FIRST)
    (found,) = reboots.arrivals()
    assert reboots.are_over
    return found


def failure(played: Played, **more: Any) -> Failure:
    answered = back(played, **more).answer
    assert isinstance(answered, Outcome)
    assert answered.failure
    assert answered.changes == (KERNEL,)
    return answered.failure


def test_a_host_is_asked_to_reboot_and_comes_back_when_its_boot_is_another(played: Played) -> None:
    found = back(played)
    assert isinstance(found.answer, Session)
    assert found.answer.host.name == "web1"
    (request,) = played.requests
    order = {"into": WANTED.into, "boot": "first boot", "stops": ["db"]}
    assert (request["verb"], request["mode"], request["reboot"]) == ("reboot", "apply", order)
    assert dict(found.values) == {"run": "a-run-2", "reboot": order}
    assert played.steps[0] == f"web1: reboots into kernel {WANTED.into}: 0 s"


def test_a_host_that_is_down_is_tried_until_it_answers(played: Played) -> None:
    played.boots, played.is_lost = ["gone", "another boot"], True
    played.down = [errors.ConnectionRefused("no"), errors.NoAnswer("no"), errors.HungUp("no")]
    found = back(played).answer
    assert isinstance(found, Session)
    assert (found.sudo_token, played.logins, set(played.ended)) == ("new", 4, {"web1"})


@pytest.mark.parametrize(
    ("boots", "down", "kind", "status"),
    [
        (["first boot"], [], "not-rebooted", Status.FAILED),
        (["gone"], [errors.NoAnswer("no")] * 999, "reboot-overdue", Status.UNREACHABLE),
    ],
)
def test_a_host_that_does_not_come_back_in_time_is_an_error(
    played: Played, monkeypatch: pytest.MonkeyPatch, boots: list[str], down: list[ProvisionError],
    kind: str, status: Status,
) -> None:  # fmt: skip
    monkeypatch.setattr(reboot, "LIMIT_S", 0.1)
    played.boots, played.down = boots, down
    found = failure(played)
    assert (found.kind, found.status) == (kind, status)
    assert found.state == f"kernel {WANTED.into} is installed, and the engine is not"
    assert "fab provision --limit web1" in found.hint


def test_another_host_key_ends_the_wait(played: Played) -> None:
    played.boots, played.down = ["gone"], [errors.ChangedHostKey.than_pinned("web1", "a", "b")]
    assert failure(played).kind == "changed-host-key"
    assert played.logins == 1


def test_only_root_is_let_in_while_a_host_boots(played: Played) -> None:
    played.boots, played.down = ["gone", "another boot"], [errors.LoginRefused("no")] * 3
    assert isinstance(back(played, user="ops").answer, Session)
    played.boots, played.down = ["gone"], [errors.LoginRefused("no")]
    assert failure(played).kind == "login-refused"


@pytest.mark.parametrize("kind", ["plan-changed", "boot-default", "not-rebooted", "lock-held"])
def test_a_host_that_refuses_is_not_waited_for(played: Played, kind: str) -> None:
    played.error = {"kind": kind, "message": "m", "hint": "then: `again`", "evidence": "", "meaning": ""}
    played.error |= {"state": "nothing was changed", "refused": True}
    assert failure(played).kind == kind
    assert played.logins == 0


def test_an_interrupted_run_waits_for_nobody(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reboot, "PAUSE_S", 9.0)
    played.is_cancelled = True
    assert failure(played).kind == "interrupted"


def test_a_host_is_rebooted_once_and_only_after_success(played: Played) -> None:
    reboots = reboots_of(played)
    web1 = session_of("web1")
    assert not reboots.takes(web1, {}, Outcome((ENGINE,)))
    assert not reboots.takes(web1, {}, Outcome(failure=Failure("k", "m"), reboot=WANTED))
    assert reboots.takes(web1, {}, FIRST)
    assert not reboots.takes(web1, {}, FIRST)
    assert len(list(reboots.arrivals())) == 1


def test_a_jump_host_waits_until_nobody_needs_it(played: Played) -> None:
    reboots = reboots_of(played, entrant("jump"), entrant("web1", jump="jump"))
    assert reboots.takes(session_of("jump"), {}, FIRST)
    assert (reboots.expected, reboots.are_over, list(reboots.arrivals())) == (0, False, [])
    reboots.start_jumps()
    assert [each.name for each in reboots.arrivals()] == ["jump"]
    assert reboots.are_over


def test_the_outcome_holds_what_was_done_before_and_after_the_reboot(played: Played) -> None:
    reboots = reboots_of(played)
    assert reboots.whole("web1", FIRST) is FIRST
    reboots.takes(session_of("web1"), {}, FIRST)
    own, other = (Earlier(run, "anna", 1, "finished") for run in ("a-run", "before"))
    late = Failure("k", "m", state="nothing was changed")
    found = reboots.whole("web1", Outcome((ENGINE,), failure=late, earlier=(other, own), received=True))
    assert (found.changes, found.rebooted) == ((KERNEL, INTO, ENGINE), True)
    assert found.system == "CentOS Stream 10"
    assert found.earlier == (other,)
    assert found.failure
    assert (
        found.failure.state
        == f"kernel {WANTED.into} was installed before the reboot; then: nothing was changed"
    )
    list(reboots.arrivals())


class Fleet:
    """Hosts that are converged: those in ``old`` ask for a reboot first."""

    def __init__(self, played: Played, monkeypatch: pytest.MonkeyPatch, *names: str, old: str) -> None:
        self.names, self.old = names, old.split()
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.proven: list[str] = []
        self.played = played
        self.order = Order("a-run", VERBS["provision"].words)
        hosts = tuple(Host(name, "192.0.2.1") for name in names)
        self.view, cancel = Quiet(), Cancel()
        self.ledger = Ledger(hosts, self.view)
        self.desk = Desk(1, cancel.is_set)
        self.ends = 0
        monkeypatch.setattr(self.desk, "end", self.end)
        monkeypatch.setattr(steps, "converge_all", self.converge)
        monkeypatch.setattr(steps, "verify_all", self.verify)
        self.run = Run(
            self.order, self.ledger, cancel, Clock(), Settings((), NOWHERE, NOWHERE, NOWHERE), Room(None),
            desk=self.desk, reboots=reboots_of(played, *(entrant(name) for name in names)),
        )  # fmt: skip

    def end(self) -> None:
        self.ends += 1

    def converge(self, arrivals: Any, *_: Any, **__: Any) -> Iterator[tuple[str, Outcome]]:
        for session, values in arrivals:
            assert not self.ends
            self.seen.append((session.host.name, dict(values)))
            waits = session.host.name in self.old and not values
            yield session.host.name, FIRST if waits else Outcome((ENGINE,), installed=True, received=True)

    def verify(self, arrivals: Any, _dir: Any, _off: Any, on_proof: Callable[..., None], **_: Any) -> None:
        for session, _ in arrivals:
            self.proven.append(session.host.name)
            on_proof(session.host.name, (Check("it runs", Verdict.PASSED),))

    def walk(self) -> None:
        arrivals = (Target(session_of(name)) for name in self.names)
        rollout.roll_out((steps.converge, steps.verify), self.run, arrivals)


def test_others_are_done_meanwhile_and_the_rebooted_is_proven(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = Fleet(played, monkeypatch, "web1", "web2", old="web1")
    fleet.walk()
    assert [name for name, _ in fleet.seen] == ["web1", "web2", "web1"]
    assert fleet.seen[-1][1]["run"] == "a-run-2"
    assert (fleet.proven, fleet.ends) == (["web2", "web1"], 1)
    web1, _ = fleet.ledger.reports()
    assert ([line.name for line in web1.changes], str(web1.status)) == (
        ["package kernel", INTO.name, "package docker-ce"], "changed",
    )  # fmt: skip
    assert fleet.ledger.sessions()["web1"].sudo_token is None
    assert fleet.ledger.reported_runs("a-run") == {"web1": ("a-run", "a-run-2"), "web2": ("a-run",)}


def test_a_consent_was_for_the_plan_up_to_the_reboot(played: Played) -> None:
    reboots = reboots_of(played)
    given = {"disruption": "allow", "consent": {"digest": "d", "ids": []}}
    reboots.takes(session_of("web1"), given, FIRST)
    (found,) = reboots.arrivals()
    assert played.requests[0]["consent"] == given["consent"]
    assert {"disruption", "run", "reboot"} == set(found.values)


def test_an_earlier_run_does_not_claim_a_reboot_that_nobody_has_seen() -> None:
    lines = [line("package", "kernel", "", "6.12", "+"), line("reboot", "into kernel 6", "", "", "~")]
    run = {"run": "r", "who": "w", "at": 5, "how": "finished", "changes": lines, "error": None}
    (earlier,) = of_answer("web1", ORDER.words, {"result": LATER | {"earlier": [run]}}).earlier
    assert [change.name for change in earlier.changes] == ["package kernel"]


def test_a_failed_reboot_is_that_hosts_alone(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    played.boots, played.down = ["gone"], [errors.ChangedHostKey.than_pinned("web1", "a", "b")]
    fleet = Fleet(played, monkeypatch, "web1", "web2", old="web1")
    fleet.walk()
    web1, web2 = fleet.ledger.reports()
    assert (str(web1.status), str(web2.status)) == ("refused", "changed")
    assert fleet.ledger.reported_runs("a-run") == {"web1": ("a-run",), "web2": ("a-run",)}


def test_what_a_host_says_of_its_reboot_is_read_as_words() -> None:
    said = LATER | {"reboot": {"into": "6\x1b[1m", "boot": 5, "stops": ["a"], "more": 1}}
    assert answer.known(said)["reboot"] == {"into": "6\\x1b[1m", "boot": "5", "stops": ["a"]}
