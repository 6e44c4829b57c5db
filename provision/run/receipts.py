"""Tell hosts that the ends of runs on them are in a report, so that no later run tells of them again."""

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
# See provision/host/runs/journal.py for what lies there.
_MARK = 'for run in %s; do cd "/var/lib/provision/$run" && [ -f result ] && : > told; done 2> /dev/null'


def give(sessions: Mapping[str, Session], runs: Mapping[str, Iterable[str]]) -> None:
    """Mark these ``runs``, by host name, as told, over the sessions that are still open.

    A host that cannot be reached any more keeps its runs as untold: they are told once more.
    """
    wanted = {name: [run for run in told if _RUN.fullmatch(run)] for name, told in runs.items()}
    names = [name for name, told in wanted.items() if told and name in sessions]
    with ThreadPoolExecutor(_AT_ONCE, "receipts") as pool:
        for name in names:
            pool.submit(_mark, sessions[name], wanted[name])


def _mark(session: Session, runs: list[str]) -> None:
    with suppress(ProvisionError):
        remote.run(session, _MARK % shlex.join(runs), timeout_s=TIMEOUT_S)
