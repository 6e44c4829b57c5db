"""``--output json``: one versioned stream of lines on stdout, the same with and without a terminal."""

import json
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TextIO

from provision.model import Report, Stage, Status
from provision.report.record import SCHEMA, host_record, report_record


class Stream:
    """Write one JSON object per line; each has ``schema`` and ``event``.

    Events: ``start``, ``stage`` and ``done`` during the run, then a ``host`` line with the full record of
    each host, then ``end`` with the values of the run. Safe to call from several threads.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def start(self, run: str, verb: str, hosts: Sequence[str]) -> None:
        """Write which run begins, and with which hosts."""
        self._write("start", {"run": run, "verb": verb, "hosts": list(hosts)})

    def stage(self, host: str, stage: Stage, note: str = "") -> None:
        """Write that ``host`` is at ``stage``."""
        self._write("stage", {"name": host, "stage": str(stage), "note": note})

    def done(self, host: str, status: Status) -> None:
        """Write that ``host`` has ended."""
        self._write("done", {"name": host, "status": str(status)})

    def paused(self) -> AbstractContextManager[None]:
        """Return a context that does nothing, as the stream does not draw on the screen."""
        return nullcontext()

    def finish(self, report: Report) -> None:
        """Write the record of each host, and the end of the run."""
        for host in report.hosts:
            self._write("host", host_record(host))
        end = report_record(report)
        del end["hosts"], end["schema"]
        self._write("end", end)

    def _write(self, event: str, values: dict[str, Any]) -> None:
        line = json.dumps({"schema": SCHEMA, "event": event, **values})
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()
