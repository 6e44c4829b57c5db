"""The pytest plugin of a process: it takes hosts from the parent, and sends it the result of each check.

Both are lines of JSON, over a pipe each.
"""

import json
import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import pytest

from provision.checks.ahead import Asked, ask
from provision.checks.wording import Advice
from provision.errors import ConnectionLost, ProvisionError
from provision.model import Session, Stage, Verdict
from provision.ssh import remote

DETAIL_CAP = 300
# The host that is checked now.
CURRENT = pytest.StashKey[Asked]()


class Loop:
    """Run all checks on each host as soon as it has answered, until no further host can come."""

    def __init__(self, arrivals: Iterable[tuple[Session, bool]]) -> None:
        self._arrivals = arrivals

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the collected checks once per host, in place of pytest's own loop."""
        if session.testsfailed:  # pytest's own loop begins with this, too
            raise session.Interrupted("a check could not be imported")
        following: list[pytest.Item | None] = [*session.items[1:], None]
        with ask(self._arrivals) as hosts:
            for host in hosts:
                session.config.stash[CURRENT] = host
                for item, nextitem in zip(session.items, following, strict=True):
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        return True


def arrivals(lines: Iterable[str], run_dir: Path) -> Iterator[tuple[Session, bool]]:
    """Yield the Session of each line, and whether the engine of its host may be restarted."""
    for line in lines:
        row = json.loads(line)
        yield remote.from_row(row["session"], run_dir), row["restart"]


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
        if nextitem is None:
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
    """Open the parent's pipes, listen to the checks, and take the hosts."""
    lines, out = map(int, os.environ["PROVISION_CHECK_PIPES"].split(","))
    config.pluginmanager.register(Reporter(os.fdopen(out, "w", encoding="utf-8")), "provision-reporter")
    hosts = arrivals(os.fdopen(lines, encoding="utf-8"), Path(os.environ["PROVISION_RUN_DIR"]))
    config.pluginmanager.register(Loop(hosts), "provision-loop")


def host_name(item: pytest.Item) -> str:
    """Return the name of the host that ``item`` checks."""
    return item.config.stash[CURRENT].session.host.name


def sentence(item: pytest.Item) -> str:
    """Return the check's docstring with its parameters filled in: its line in the report."""
    first_line = (item.function.__doc__ or item.name).strip().splitlines()[0]  # type: ignore[attr-defined]
    for name, value in item.callspec.params.items() if hasattr(item, "callspec") else ():
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
