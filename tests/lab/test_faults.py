"""Twelve faults of the harness, each of another kind: every host comes through."""

from pathlib import Path

import pytest

from provision import lab as labs
from tests.lab.conftest import STATE
from tests.lab.faults import run
from tests.lab.faults.plan import Fault, Kind, Moment
from tests.lab.faults.table import Result

# Where the first provision of a bare host brings the packages.
PACKAGES = 2
KEY, VERSION, INSTALL, REMOVE = "key", "version", "install", "remove"
FAULTS = tuple(
    Fault(number, f"el{number % 3 + 1}", Kind(family, details), work, moment)
    for number, (family, details, work, moment) in enumerate((
        ("kill", ("child", "SIGKILL"), INSTALL, Moment(1.0, "begin", PACKAGES)),
        ("power-cut", (), INSTALL, Moment(1.5, "begin", PACKAGES)),
        ("kill", ("dnf", "SIGTERM"), INSTALL, Moment(0.5, "begin", PACKAGES)),
        ("cut", (), KEY, Moment(0.0, "begin", 1)),
        ("kill", ("dockerd", "SIGKILL"), KEY, Moment(0.0, "begin", 1)),
        ("two-controllers", (), KEY, Moment(0.5)),
        ("repository", ("damaged",), VERSION, Moment(0.0)),
        ("kill", ("controller", "SIGKILL"), VERSION, Moment(0.0, "begin", 1)),
        ("kill", ("dnf", "SIGKILL"), VERSION, Moment(1.0, "begin", 1)),
        ("kill", ("parent", "SIGKILL"), KEY, Moment(0.0, "begin", 1)),
        ("full", ("/var/lib/provision",), KEY, Moment(0.0)),
        ("kill", ("master", "SIGTERM"), KEY, Moment(0.0, "begin", 1)),
    ))
)  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Result]:
    """How all of them went, on three bare hosts side by side."""
    place: Path = tmp_path_factory.mktemp("faults")
    subnet = labs.free_subnet()
    with run.open_lab(f"cha{subnet}", 3, subnet, STATE) as lab:
        found = run.play_all(lab, FAULTS, place, lambda _: None)
    return {result.fault.number: result for result in found}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind} during {fault.work}")
def test_a_host_comes_through(results: dict[int, Result], fault: Fault) -> None:
    result = results[fault.number]
    assert result.problems == ()
    assert result.was_struck, "it came too late, and shows nothing"
