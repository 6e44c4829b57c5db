"""The fixtures of the checks: the host that is checked now, and its answers."""

from typing import Any

import pytest
from testinfra.host import Host

from provision.checks.ahead import Asked, why_no_life
from provision.checks.backend import host_of
from provision.checks.container import Life
from provision.checks.facts import Facts
from provision.checks.reporter import CURRENT
from provision.model import Session


@pytest.fixture
def asked(pytestconfig: pytest.Config) -> Asked:
    """The answers of the host."""
    return pytestconfig.stash[CURRENT]


@pytest.fixture
def session(asked: Asked) -> Session:
    """The open session of the host."""
    return asked.session


@pytest.fixture
def host(session: Session) -> Host:
    """The host as testinfra knows it."""
    return host_of(session)


@pytest.fixture
def facts(asked: Asked) -> Facts:
    """The facts of the host, from one command."""
    return asked.facts.result()


@pytest.fixture
def engine(facts: Facts) -> dict[str, Any]:
    """``docker info``, for checks that need it; another check reports that it is missing."""
    if not facts.info:
        pytest.skip("the engine does not answer")
    return facts.info


@pytest.fixture
def life(facts: Facts, asked: Asked) -> Life:
    """The life of the sample container from build to removal; all checks of a host share it."""
    if reason := why_no_life(facts):
        pytest.skip(reason)
    return asked.life.result()


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
