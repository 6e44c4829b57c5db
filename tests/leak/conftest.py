"""The gate's own lab, and one play of the whole table, watched and then searched."""

import os
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provision import lab as labs
from provision.lab import Lab
from provision.lab import host as hosts
from tests.lab.conftest import STATE
from tests.leak import search
from tests.leak.canaries import Canary, Needles
from tests.leak.decoys import planted
from tests.leak.scene import Scene, make_scene
from tests.leak.steps import SECRETS, SHAPES, STEPS
from tests.leak.watch import Hit, Watch

DECOY = "decoy"
HOSTS = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.lab)


@dataclass(frozen=True, slots=True)
class Findings:
    """Where a canary was seen while the commands ran, and where one was found afterwards."""

    watched: frozenset[Hit]
    found: frozenset[Hit]

    def of(self, *names: str) -> list[str]:
        """Return the places of these canaries, each with the canary's name."""
        return [place for place in self._all() if place.startswith(tuple(f"{name}: " for name in names))]

    def of_others(self, *names: str) -> list[str]:
        """Return the places of all canaries but these."""
        return [place for place in self._all() if place not in self.of(*names)]

    def _all(self) -> list[str]:
        return sorted(f"{hit.canary}: {hit.place}" for hit in self.watched | self.found)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Two bare stand-in hosts, el1 and el2, with the user ops."""
    name, subnet = os.environ.get("PROVISION_TEST_LAB", "leak:79").split(":")
    labs.down(name, STATE)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield labs.up(name, HOSTS, "el10", state_dir=STATE, subnet=int(subnet), users=True, progress=print)
    finally:
        labs.down(name, STATE)


@pytest.fixture(scope="session")
def runtime() -> Iterator[Path]:
    """A short path for run directories: a socket's path ends near 100 bytes."""
    place = Path(tempfile.mkdtemp(prefix="leak-"))
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="session")
def findings(lab: Lab, runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Play every step, with a planted decoy beside it, and search everywhere."""
    since_s = time.time()
    canaries = {name: Canary.new(name, *SHAPES.get(name, ())) for name in SECRETS}
    decoy = Canary.new(DECOY)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    scene = make_scene(tmp_path_factory.mktemp("leak"), runtime, lab, canaries)
    place = scene.project.path
    with planted(decoy, lab, place):
        with Watch(runtime, place / "home", Path("/dev/shm")) as watch:
            _play(scene)
        needles = Needles([*canaries.values(), *scene.made, decoy])
        found = _search(needles, lab, since_s)
    print(f"looked {watch.looks} times, at most {watch.longest_gap_s:.2f} s apart")
    return Findings(frozenset(watch.hits(needles)), frozenset(found))


def _play(scene: Scene) -> None:
    for step in STEPS:
        started = time.monotonic()
        scene.play(step)
        print(f"{time.monotonic() - started:6.1f} s  {step.typed}")


def _search(needles: Needles, lab: Lab, since_s: float) -> set[Hit]:
    started = time.monotonic()
    leaders = {host.name: hosts.leader(host.directory) for host in lab.hosts}
    found = search.search(needles, search.roots(leader for leader in leaders.values() if leader), since_s)
    found |= {Hit(name, "this machine's journal") for name in needles.find(search.journal(since_s))}
    for host, leader in leaders.items():
        taken = search.journal(since_s, ("nsenter", "--all", "--target", str(leader)))
        found |= {Hit(name, f"the journal of {host}") for name in needles.find(taken)}
    print(f"{time.monotonic() - started:6.1f} s  the search")
    return found
