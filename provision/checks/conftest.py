"""The fixtures of the checks: each host of this shard, and what it answered."""

import os
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from provision import remote, sample
from provision.checks.backend import host_of
from provision.checks.container import Life, live
from provision.checks.facts import Facts, probe
from provision.model import Session


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each check once per host of PROVISION_CHECK_HOSTS, host after host."""
    names = os.environ["PROVISION_CHECK_HOSTS"].split(",")
    metafunc.parametrize("session", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def session(request: pytest.FixtureRequest) -> Session:
    """The open session of one host, from the run's own record."""
    return remote.load_sessions(Path(os.environ["PROVISION_RUN_DIR"]))[request.param]


@pytest.fixture(scope="session")
def host(session: Session) -> Host:
    """The host as testinfra knows it."""
    return host_of(session)


@pytest.fixture(scope="session")
def facts(host: Host) -> Facts:
    """What the host says about itself, asked in one command."""
    questions = probe()
    return Facts(questions.answers(host.run(questions.script(), timeout_s=90).stdout))


@pytest.fixture
def engine(facts: Facts) -> dict[str, Any]:
    """``docker info``, for checks that make no sense without it; another check says that it is missing."""
    if not facts.info:
        pytest.skip("the engine does not answer")
    return facts.info


@pytest.fixture(scope="session")
def life(host: Host, session: Session, facts: Facts) -> Life:
    """The sample container from its build to its end; one life serves all checks of a host."""
    if not facts.info:
        pytest.skip("the engine does not answer")
    machine = facts["machine"].text.strip()
    if machine not in sample.MACHINES:
        pytest.skip(f"the sample program knows {' and '.join(sample.MACHINES)}, not {machine}")
    return live(host, session, facts)


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
