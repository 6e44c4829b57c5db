"""The fixtures of the checks: each host of this shard, and what it answered."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from provision.checks.ahead import Asked, ask, why_no_life
from provision.checks.backend import host_of
from provision.checks.container import Life
from provision.checks.facts import Facts
from provision.model import Session
from provision.ssh import remote


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each check once per host of PROVISION_CHECK_HOSTS, host after host."""
    metafunc.parametrize("session", _names(), indirect=True, scope="session")


def _names() -> list[str]:
    return os.environ["PROVISION_CHECK_HOSTS"].split(",")


@pytest.fixture(scope="session")
def asked() -> Iterator[dict[str, Asked]]:
    """Every host of this shard, being asked; a host is waited for by its own checks."""
    sessions = remote.load_sessions(Path(os.environ["PROVISION_RUN_DIR"]))
    with ask({name: sessions[name] for name in _names()}) as answers:
        yield answers


@pytest.fixture(scope="session")
def session(request: pytest.FixtureRequest) -> Session:
    """The open session of one host, from the run's own record."""
    return remote.load_sessions(Path(os.environ["PROVISION_RUN_DIR"]))[request.param]


@pytest.fixture(scope="session")
def host(session: Session) -> Host:
    """The host as testinfra knows it."""
    return host_of(session)


@pytest.fixture(scope="session")
def facts(session: Session, asked: dict[str, Asked]) -> Facts:
    """What the host says about itself, asked in one command."""
    return asked[session.host.name].facts.result()


@pytest.fixture
def engine(facts: Facts) -> dict[str, Any]:
    """``docker info``, for checks that make no sense without it; another check says that it is missing."""
    if not facts.info:
        pytest.skip("the engine does not answer")
    return facts.info


@pytest.fixture(scope="session")
def life(session: Session, facts: Facts, asked: dict[str, Asked]) -> Life:
    """The sample container from its build to its end; one life serves all checks of a host."""
    if reason := why_no_life(facts):
        pytest.skip(reason)
    return asked[session.host.name].life.result()


@pytest.fixture
def built(life: Life) -> Life:
    """The life of a container whose image could be built; another check says that it could not."""
    if not life["build"].ok:
        pytest.skip("the sample image was not built")
    return life


@pytest.fixture
def served(built: Life) -> Life:
    """The life of a container that was started as a service."""
    if not built["serves"].ok:
        pytest.skip("the sample container was not started")
    return built
