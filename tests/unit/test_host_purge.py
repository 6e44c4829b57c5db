"""Whose data a purge may remove: what is not ours by a record stays."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.host import owned
from provision.host.engine import purge
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Ran
from tests.unit.played_engine import PlayedEngine, played_engine

OURS: Any = SimpleNamespace(data=[], packages=["containerd.io", "docker-ce"])
BOTH = ["data /var/lib/docker", "data /var/lib/containerd"]


class Ctr:
    """A containerd whose namespaces hold things of these kinds; None is one that does not run."""

    def __init__(self, engine: PlayedEngine, namespaces: dict[str, dict[str, str]] | None) -> None:
        self.namespaces = namespaces
        engine.run = self.run  # type: ignore[method-assign, assignment]
        program = Path(engine.path("/usr/bin/ctr"))
        program.parent.mkdir(parents=True)
        program.touch(mode=0o755)

    def run(self, argv: list[str], *_: Any, **__: Any) -> Ran:
        """Answer ctr."""
        if self.namespaces is None:
            return Ran(1, "", "cannot connect")
        if argv[1] == "namespaces":
            return Ran(0, "\n".join(self.namespaces), "")
        return Ran(0, self.namespaces[argv[2]].get(argv[3], ""), "")


@pytest.fixture
def engine() -> Iterator[PlayedEngine]:
    with played_engine() as engine:
        engine.answers = False
        for place in ("/var/lib/docker/overlay2", "/srv/docker/overlay2", "/var/lib/containerd/io"):
            Path(engine.path(place)).mkdir(parents=True)
        yield engine


def planned(engine: PlayedEngine, before: Any, *left: str) -> list[str]:
    return [step.name for step in purge.plan(engine, before, False, left)]


def refused(engine: PlayedEngine, before: Any, *left: str) -> str:
    with pytest.raises(HostError) as caught:
        purge.plan(engine, before, False, left)
    assert caught.value.kind == "purge-refused"
    return str(caught.value)


def test_data_of_an_engine_that_never_came_by_us_is_not_purged(engine: PlayedEngine) -> None:
    assert refused(engine, None) == "no record says that the data in /var/lib/docker is from provision"
    assert refused(engine, None, "/srv/docker") == refused(engine, None)


def test_a_host_without_data_has_nothing_to_purge(engine: PlayedEngine) -> None:
    Path(engine.path("/var/lib/docker/overlay2")).rmdir()
    assert planned(engine, None) == []


def test_data_under_an_engine_that_somebody_else_runs_is_not_purged(engine: PlayedEngine) -> None:
    engine.answers = True
    assert "an engine runs" in refused(engine, None, "/var/lib/docker")


def test_every_folder_that_an_uninstall_left_is_purged(engine: PlayedEngine) -> None:
    Path(engine.path("/var/lib/docker/overlay2")).rmdir()
    assert planned(engine, None, "/srv/docker") == ["data /srv/docker"]
    Ctr(engine, {"moby": {}})
    assert planned(engine, OURS, "/srv/docker") == [BOTH[0], "data /srv/docker", BOTH[1]]


@pytest.mark.parametrize(
    "theirs",
    [{"containers": "web\n"}, {"images": "nginx:1\n"}, {"snapshots": "KEY PARENT KIND\nlayer  Active\n"}],
)
def test_of_a_containerd_in_which_others_keep_something_only_moby_goes(
    engine: PlayedEngine, theirs: dict[str, str]
) -> None:
    Ctr(engine, {"moby": {}, "k8s.io": theirs})
    assert planned(engine, OURS) == [BOTH[0], "data containerd namespace moby"]


def test_empty_namespaces_and_that_of_the_engines_plugins_are_nobody_elses(engine: PlayedEngine) -> None:
    Ctr(
        engine,
        {"moby": {}, "default": {"snapshots": "KEY PARENT KIND\n"}, "plugins.moby": {"containers": "a"}},
    )
    assert planned(engine, OURS) == BOTH


def test_a_containerd_that_cannot_be_asked_is_not_purged(engine: PlayedEngine) -> None:
    assert "it is unknown whether" in refused(engine, OURS)
    Ctr(engine, None)
    assert "it is unknown whether" in refused(engine, OURS)


@pytest.mark.parametrize(
    ("namespaces", "noted"),
    [({"moby": {}}, True), ({"k8s.io": {"images": "nginx:1\n"}}, False), (None, False)],
)
def test_an_uninstall_takes_containerd_for_ours_only_if_nobody_uses_it(
    engine: PlayedEngine, namespaces: Any, noted: bool
) -> None:
    Ctr(engine, namespaces)
    for step in owned.plan_absent(engine, OURS, False):
        step.apply()
    assert ("/var/lib/containerd" in owned.data_left(engine)) is noted
    assert planned(engine, None, *owned.data_left(engine))[0] == BOTH[0]


def test_an_uninstall_does_not_forget_what_an_earlier_one_has_left(engine: PlayedEngine) -> None:
    Path(engine.path(owned.DATA)).write_text(json.dumps(["/srv/docker"]))
    Ctr(engine, {"moby": {}})
    for step in owned.plan_absent(engine, OURS, False):
        step.apply()
    assert owned.data_left(engine) == ["/srv/docker", "/var/lib/containerd", "/var/lib/docker"]
