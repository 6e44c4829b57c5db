"""What one run asks of its hosts, from the row of its verb to the acknowledgement, with played stages."""

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from provision import entrants, pipeline, steps
from provision.access import Harden, Rotate
from provision.access.case import Wanted
from provision.converge import Desk, Order
from provision.inventory import Selection
from provision.model import ChangeLine, Check, Credential, Host, HostKey, Outcome, Secret, Session, Verdict
from provision.pipeline import Finished, Request
from provision.run import acknowledgements
from provision.run.interrupts import Cancel
from provision.settings import Settings
from tests.unit.test_disruption import Quiet

WEB1 = Host("web1", "192.0.2.1", desired={"registry_logins": {}})
NOWHERE = Path("/nowhere")
SETTINGS = Settings((), NOWHERE, NOWHERE, NOWHERE)


@dataclass
class Played:
    """Stages that remember what they were asked for."""

    unlocked: list[Any] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    tokens: list[Any] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    restarted: list[frozenset[str]] = field(default_factory=list)
    acknowledged: list[Any] = field(default_factory=list)

    def unlock(self, hosts: tuple[Host, ...], _: Settings) -> dict[str, Credential]:
        self.unlocked.append(hosts[0].desired)
        return {host.name: Credential() for host in hosts}

    def prepare(self, ready: Any) -> None:
        pass

    def arrivals(self, ready: Any) -> Iterator[tuple[str, Session]]:
        yield from ((each.host.name, Session(each.host, NOWHERE)) for each in ready)

    def grant(self, secret: Secret) -> str:
        return f"token of {secret.reveal()}"

    def converge(
        self, arrivals: Any, _: Path, order: Order, **__: Any
    ) -> Generator[tuple[str, Outcome], None, None]:
        self.orders.append(order)
        for session, values in arrivals:
            self.tokens.append(dict(session.secret_tokens))
            self.values.append(dict(values))
            yield "web1", Outcome((ChangeLine("file x"),), received=True, installed=True)

    def verify(self, arrivals: Any, _d: Any, _c: Any, on_proof: Any, *, strict: bool) -> None:
        for session, may_restart in arrivals:
            self.restarted += [session.host.name] if may_restart else []
            on_proof(session.host.name, (Check("it runs", Verdict.PASSED),))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    found = Played()
    key = HostKey("web1", "ssh-ed25519", "AAAA")
    monkeypatch.setattr(entrants.inventory, "read", lambda *_, **__: Selection((WEB1,), ()))
    monkeypatch.setattr(entrants.credentials, "unlock", found.unlock)
    monkeypatch.setattr(entrants.pins, "trust", lambda hosts, *_: {host.name: key for host in hosts})
    monkeypatch.setattr(pipeline, "open_early", lambda _: None)
    monkeypatch.setattr(pipeline, "masters", lambda *_: contextlib.nullcontext((found, NOWHERE)))
    monkeypatch.setattr(pipeline, "room_in", lambda _: contextlib.nullcontext())
    desk = Desk(1, lambda: False)
    monkeypatch.setattr(pipeline, "open_desk", lambda *_: contextlib.nullcontext(desk))
    monkeypatch.setattr(steps, "converge_all", found.converge)
    monkeypatch.setattr(steps, "verify_all", found.verify)
    monkeypatch.setattr(acknowledgements, "send", lambda *given: found.acknowledged.append(given))
    return found


def ended(request: Request) -> Finished:
    with pipeline.run(
        request, SETTINGS, lambda *_: contextlib.nullcontext(Quiet()), lambda _: 0, Cancel()
    ) as done:
        done.acknowledge()
    return done


def test_a_provision_proves_what_it_installed_and_is_acknowledged(played: Played) -> None:
    (host,) = ended(Request("provision", "fab provision")).report.hosts
    assert (str(host.status), len(host.checks), played.restarted) == ("changed", 1, ["web1"])
    assert played.unlocked == [WEB1.desired]
    ((sessions, runs),) = played.acknowledged
    assert (list(sessions), runs) == (["web1"], {"web1": (played.orders[0].run,)})


def test_without_a_proof_a_host_is_done_once_it_is_converged(played: Played) -> None:
    (host,) = ended(Request("provision", "fab provision --no-verify", prove=False)).report.hosts
    assert (str(host.status), host.checks, played.restarted) == ("changed", (), [])


def test_a_plan_is_only_checked_and_nothing_is_acknowledged(played: Played) -> None:
    ended(Request("plan", "fab plan"))
    assert [(order.check, order.words.called) for order in played.orders] == [(True, "plan")]
    assert played.acknowledged == []


def test_who_only_looks_needs_no_secret_of_the_desired_state(played: Played) -> None:
    ended(Request("verify", "fab verify"))
    ended(Request("hosts.ping", "fab hosts.ping web1"))
    assert (played.unlocked, played.orders) == ([{}, {}], [])


@pytest.mark.parametrize(
    ("verb", "values"), [("hosts.undo", {"verb": "undo"}), ("uninstall", {"state": "absent"})]
)
def test_what_a_verb_asks_stands_beside_what_was_typed(
    played: Played, verb: str, values: dict[str, str]
) -> None:
    ended(Request(verb, f"fab {verb}", values={"lock_timeout": 5}))
    assert [order.values for order in played.orders] == [values | {"lock_timeout": 5}]


def test_access_is_asked_host_by_host_and_proven(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    proven: list[str] = []
    monkeypatch.setattr(Harden, "begin", lambda *_: Wanted({"user": "root", "password_login": False}))
    monkeypatch.setattr(Harden, "finish", lambda _, case: proven.append(case.host.name))
    (host,) = ended(Request("hosts.harden", "fab hosts.harden web1")).report.hosts
    asked = {"verb": "access", "access": {"user": "root", "password_login": False}}
    assert played.values == [asked]
    assert (proven, str(host.status)) == (["web1"], "changed")


def test_the_session_of_a_rotated_sudo_is_the_one_that_acknowledges(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Wanted({"user": "root"}, {"pending-password": Secret("new")})
    monkeypatch.setattr(Rotate, "begin", lambda *_: wanted)
    monkeypatch.setattr(Rotate, "reopened", lambda _, case: replace(case.session, sudo_token="new"))
    monkeypatch.setattr(Rotate, "finish", lambda *_: None)
    ended(Request("credentials.rotate", "fab credentials.rotate web1"))
    assert played.tokens == [{"pending-password": "token of new"}]
    assert played.acknowledged[0][0]["web1"].sudo_token == "new"
