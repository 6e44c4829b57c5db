"""A plan that disrupts what runs: refused without consent, and with the consent to another plan."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.host.engine import containers, kept, service, stop
from provision.host.ground.change import Change, Harm
from provision.host.ground.errors import HostError
from provision.host.runs import consent
from tests.unit.played_engine import PlayedEngine, played_engine


class Step(Change):
    """A Change with harms."""

    kind = "restart"

    def __init__(self, *harms: tuple[Harm, list[str]], after: str = "", diff: str = "") -> None:
        self.after = after
        self.diff = diff
        self._harms = list(harms)

    def harms(self) -> list[tuple[Harm, list[str]]]:
        """Return them."""
        return self._harms


RESTART = (kept.RESTART, ["web", "db"])


@pytest.fixture
def engine() -> Iterator[PlayedEngine]:
    with played_engine() as engine:
        engine.add("web")
        engine.add("db")
        yield engine


def expect(engine: PlayedEngine, *steps: Step, **asked: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"consent": None}
    consent.expect(engine, {"mode": "apply", **asked}, list(steps), result)
    return result


def harm_of(harm: Harm, names: list[str], count: int) -> dict[str, Any]:
    return {"what": harm.many, "one": harm.one, "names": names, "count": count}


def refused(engine: PlayedEngine, *steps: Step, **asked: Any) -> tuple[str, Any]:
    result: dict[str, Any] = {"consent": None}
    with pytest.raises(HostError) as caught:
        consent.expect(engine, {"mode": "apply", **asked}, list(steps), result)
    assert caught.value.state == "nothing was changed"
    return caught.value.kind, result["consent"]


def test_a_plan_that_harms_nothing_asks_for_nothing(engine: PlayedEngine) -> None:
    assert expect(engine, Step(), Step((kept.RESTART, []))) == {"consent": None}


def test_without_consent_it_is_refused_with_what_has_to_be_agreed_to(engine: PlayedEngine) -> None:
    kind, asked = refused(engine, Step(RESTART))
    assert kind == "disruption-refused"
    assert asked["ids"] == ["db", "web"]
    assert asked["harms"] == [harm_of(kept.RESTART, ["db", "web"], 2)]


def test_a_plan_only_says_what_would_be_asked(engine: PlayedEngine) -> None:
    assert expect(engine, Step(RESTART), mode="plan")["consent"]["harms"]


def test_just_what_was_agreed_to_is_done(engine: PlayedEngine) -> None:
    _, asked = refused(engine, Step(RESTART))
    given = {"digest": asked["digest"], "ids": asked["ids"]}
    assert expect(engine, Step(RESTART), consent=given) == {"consent": None}
    assert refused(engine, Step(RESTART, after="more"), consent=given)[0] == "plan-changed"
    assert (
        refused(engine, Step(RESTART, (service.BUILDS_END, ["docker build"])), consent=given)[0]
        == "plan-changed"
    )
    engine.add("new")
    assert refused(engine, Step(RESTART), consent=given)[0] == "plan-changed"


def test_other_values_of_the_same_keys_are_another_plan(engine: PlayedEngine) -> None:
    _, asked = refused(engine, Step(RESTART, after="adds bip, data-root", diff="+/srv/a"))
    given = {"digest": asked["digest"], "ids": asked["ids"]}
    other = Step(RESTART, after="adds bip, data-root", diff="+/srv/b")
    assert refused(engine, other, consent=given)[0] == "plan-changed"


def test_one_step_of_a_build_after_another_is_the_same_build(engine: PlayedEngine) -> None:
    found = []
    for step in ("x1", "x2"):
        work(engine, "runc", "--log", f"/var/lib/docker/buildkit/executor/{step}/runc-log.json", "run", step)
        found.append(containers.builds(engine))
    assert found == [["docker build (a step of BuildKit)"]] * 2
    work(engine, "docker", "build", ".")
    assert containers.builds(engine) == ["docker build ."]


def work(engine: PlayedEngine, *words: str) -> None:
    place = Path(engine.path("/proc/77"))
    place.mkdir(exist_ok=True)
    (place / "cmdline").write_text("\0".join(words) + "\0")


def test_who_allows_it_beforehand_is_not_asked(engine: PlayedEngine) -> None:
    assert expect(engine, Step(RESTART), disruption="allow") == {"consent": None}


def test_ten_are_named_and_all_are_counted(engine: PlayedEngine) -> None:
    names = [f"c{number:02}" for number in range(12)]
    _, asked = refused(engine, Step((stop.STOP, names)))
    assert asked["harms"] == [harm_of(stop.STOP, names[:10], 12)]
