"""The fixtures of the checks: each host of this process, and its answers."""

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
    """The pending answers of every host of this process; each check waits for its own host only."""
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
    """The facts of the host, from one command."""
    return asked[session.host.name].facts.result()


@pytest.fixture
def engine(facts: Facts) -> dict[str, Any]:
    """``docker info``, for checks that need it; another check reports that it is missing."""
    if not facts.info:
        pytest.skip("the engine does not answer")
    return facts.info


@pytest.fixture(scope="session")
def life(session: Session, facts: Facts, asked: dict[str, Asked]) -> Life:
    """The life of the sample container from build to removal; all checks of a host share it."""
    if reason := why_no_life(facts):
        pytest.skip(reason)
    return asked[session.host.name].life.result()


@pytest.fixture
def built(life: Life) -> Life:
    """The life of a container whose image was built; another check reports that it was not."""
    if not life["build"].ok:
        pytest.skip("the sample image was not built")
    return life


@pytest.fixture
def served(built: Life) -> Life:
    """The life of a container that was started as a service."""
    if not built["serves"].ok:
        pytest.skip("the sample container was not started")
    return built
