"""The pytest plugin of a process: it sends each check's result to the parent as one line of JSON."""

import json
import os
from collections.abc import Generator
from dataclasses import asdict
from typing import IO, Any

import pytest

from provision.checks.wording import Advice
from provision.errors import ConnectionLost, ProvisionError
from provision.model import Stage, Verdict

DETAIL_CAP = 300


class Reporter:
    """Write ``check``, ``failure`` and ``done`` lines; after ``done`` there are none for that host."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Write the line of a check that has ended, in a fixture or in its body."""
        report = yield
        self._seconds[item.nodeid] = self._seconds.get(item.nodeid, 0.0) + report.duration
        if report.when != "call" and report.passed:
            return report
        error = call.excinfo.value if call.excinfo else None
        row: dict[str, Any] = {"host": host_name(item)}
        if isinstance(error, ConnectionLost):
            row["failure"] = asdict(error.at(Stage.VERIFY))
        else:
            row["check"] = {
                "name": sentence(item),
                "verdict": str(verdict(report, error)),
                "detail": detail(error),
                "seconds": round(self._seconds[item.nodeid], 3),
            }
        self._line(row)
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Forget the time of a finished check."""
        self._seconds.pop(nodeid, None)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Write that a host is done when its last check has ended."""
        result = yield
        if nextitem is None or host_name(nextitem) != host_name(item):
            self._line({"host": host_name(item), "done": True})
        return result

    def _line(self, row: dict[str, Any]) -> None:
        self._out.write(json.dumps(row) + "\n")
        self._out.flush()


def verdict(report: pytest.TestReport, error: BaseException | None) -> Verdict:
    """Return the verdict of a check; for pytest, advice is a kind of skip."""
    if isinstance(error, Advice):
        return Verdict.ADVICE
    return Verdict.of(None if report.skipped else report.passed)


def pytest_configure(config: pytest.Config) -> None:
    """Open the parent's pipe and listen to the checks."""
    out = os.fdopen(int(os.environ["PROVISION_CHECK_FD"]), "w", encoding="utf-8")
    config.pluginmanager.register(Reporter(out), "provision-reporter")


def host_name(item: pytest.Item) -> str:
    """Return the name of the host that ``item`` checks."""
    return str(item.callspec.params["session"])  # type: ignore[attr-defined]


def sentence(item: pytest.Item) -> str:
    """Return the check's docstring with its parameters filled in: its line in the report."""
    first_line = (item.function.__doc__ or item.name).strip().splitlines()[0]  # type: ignore[attr-defined]
    for name, value in item.callspec.params.items():  # type: ignore[attr-defined]
        first_line = first_line.replace("{" + name + "}", str(value))
    return first_line


def detail(error: BaseException | None) -> str:
    """Return the line that says why: ``want … is …``, the reason of a skip, or the error."""
    if error is None:
        return ""
    if isinstance(error, pytest.skip.Exception):
        text = str(error.msg)
    elif isinstance(error, (AssertionError, ProvisionError)):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    return (text.strip().splitlines() or [type(error).__name__])[0][:DETAIL_CAP]
