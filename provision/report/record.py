"""The stable form of a run, schema 1, in report.json and ``--output json``."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from provision.model import ChangeLine, Check, Earlier, Failure, HostReport, Report, Status, Verdict

SCHEMA = 1


def report_record(report: Report) -> dict[str, Any]:
    """Return the whole run as plain values, without secrets or diffs of files."""
    return {
        "schema": SCHEMA,
        "run": report.run,
        "command": report.command,
        "started": report.started,
        "seconds": round(report.seconds, 3),
        "exit_code": report.exit_code,
        "stages": {str(stage): round(seconds, 3) for stage, seconds in report.stages.items()},
        "hosts": [host_record(host) for host in report.hosts],
    }


def host_record(host: HostReport) -> dict[str, Any]:
    """Return one host as plain values."""
    return {
        "name": host.name,
        "system": host.system,
        "status": str(host.status),
        "changes": [_change(change) for change in host.changes],
        "checks": [
            {"name": c.name, "passed": c.passed, "verdict": str(c.verdict), "detail": c.detail}
            for c in host.checks
        ],
        "error": _error(host.failure) if host.failure else None,
        "seconds": round(host.seconds, 3),
        "earlier": [_earlier(run) for run in host.earlier],
        "disrupts": [
            {"what": harm.what, "names": harm.names, "count": harm.count}
            for harm in (host.consent.harms if host.consent else ())
        ],
        "containers": asdict(host.containers) if host.containers else None,
        "waited_for": list(host.waited),
        "mirrors": list(host.mirrors),
        "passed_over": list(host.passed_over),
    }


def _change(change: ChangeLine) -> dict[str, Any]:
    words = ("name", "before", "after", "disruptive", "sign")
    return {word: getattr(change, word) for word in words}


def _earlier(run: Earlier) -> dict[str, Any]:
    return {
        "run": run.run,
        "who": run.who,
        "at": run.at,
        "how": run.how,
        "changes": [_change(change) for change in run.changes],
        "error": _error(run.failure) if run.failure else None,
    }


def _check_from(record: Mapping[str, Any]) -> Check:
    """Return a check from its record; older reports have only ``passed``."""
    verdict = Verdict(record["verdict"]) if "verdict" in record else Verdict.of(record["passed"])
    return Check(record["name"], verdict, record["detail"])


def _error(failure: Failure) -> dict[str, str]:
    words = ("kind", "message", "hint", "evidence", "meaning", "state")
    return {word: getattr(failure, word) for word in words}


def _error_from(record: Mapping[str, Any]) -> Failure:
    words = {word: said for word, said in record.items() if word != "hint"}
    return Failure(**words, next=(hint,) if (hint := record.get("hint")) else ())


def report_from(record: Mapping[str, Any]) -> Report:
    """Return a run from its record; raises KeyError, TypeError or ValueError for an invalid one."""
    if record["schema"] != SCHEMA:
        raise ValueError(f"schema {record['schema']} is not {SCHEMA}")
    return Report(
        run=record["run"],
        command=record["command"],
        inventory="",
        started=record["started"],
        seconds=record["seconds"],
        exit_code=record["exit_code"],
        hosts=tuple(_host_from(host) for host in record["hosts"]),
        stages=record.get("stages", {}),
    )


def _host_from(record: Mapping[str, Any]) -> HostReport:
    error = record["error"]
    return HostReport(
        name=record["name"],
        status=Status(record["status"]),
        system=record.get("system", ""),
        changes=tuple(ChangeLine(**change) for change in record["changes"]),
        checks=tuple(_check_from(check) for check in record["checks"]),
        failure=_error_from(error) if error else None,
        seconds=record["seconds"],
        earlier=tuple(_earlier_from(run) for run in record.get("earlier", ())),
    )


def _earlier_from(record: Mapping[str, Any]) -> Earlier:
    changes = tuple(ChangeLine(**change) for change in record["changes"])
    failure = _error_from(record["error"]) if record["error"] else None
    return Earlier(record["run"], record["who"], record["at"], record["how"], changes, failure)
