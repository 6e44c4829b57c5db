"""Acknowledge results to the hosts: a result that is in a report is not reported again by a later run."""

import re
import shlex
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from provision.errors import ProvisionError
from provision.model import Session
from provision.ssh import remote

TIMEOUT_S = 5.0
_AT_ONCE = 16
_RUN = re.compile(r"[A-Za-z0-9-]+")
# See provision/host/runs/journal.py for the files of a run.
_MARK = 'for run in %s; do cd "/var/lib/provision/$run" && [ -f result ] && : > told; done 2> /dev/null'


def send(sessions: Mapping[str, Session], runs: Mapping[str, Iterable[str]]) -> None:
    """Acknowledge ``runs``, by host name, over the sessions that are still open.

    A host that can no longer be reached reports its runs once more.
    """
    wanted = {name: [run for run in ids if _RUN.fullmatch(run)] for name, ids in runs.items()}
    names = [name for name, ids in wanted.items() if ids and name in sessions]
    with ThreadPoolExecutor(_AT_ONCE, "acknowledge") as pool:
        for name in names:
            pool.submit(_mark, sessions[name], wanted[name])


def _mark(session: Session, runs: list[str]) -> None:
    with suppress(ProvisionError):
        remote.run(session, _MARK % shlex.join(runs), timeout_s=TIMEOUT_S)
