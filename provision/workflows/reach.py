"""hosts.list and hosts.shell, and sessions for other tasks."""

import ctypes
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from provision.entrants import Entrants, entrants, fingerprint, read, trust, unlock_logins
from provision.errors import ProvisionError, UsageError
from provision.inventory import Selection
from provision.inventory.host_values import natural
from provision.model import Session
from provision.pipeline import masters
from provision.run import audit
from provision.run.interrupts import catch_signals
from provision.settings import Settings
from provision.ssh.master import Entrant
from provision.trust import read_pins

_PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


def listing(project: Settings, limit: str, via: str) -> str:
    """Return the table of hosts."""
    pins = read_pins(project.pins)
    rows = [("HOST", "ADDRESS", "USER", "GROUPS", "KEY")]
    for host in sorted(read(project, limit, via).hosts, key=lambda h: natural(h.name)):
        key = "pinned" if host.name in pins else "in inventory" if host.host_key else "unknown"
        where = f"{host.address}:{host.port}" + (f" via {host.jump}" if host.jump else "")
        rows.append((host.name, where, host.user, ",".join(host.groups) or "-", key))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)


def shell(project: Settings, name: str, via: str) -> int:
    """Open a shell on one host; return ssh's exit code."""
    selection = read(project, name, via)
    if [host.name for host in selection.hosts] != [name]:
        raise UsageError(f"{name} is not the name of one host", "`fab hosts.list`")
    ready = shell_entrants(project, selection)
    with sessions(ready) as opened:
        session = opened[name]
        if isinstance(session, ProvisionError):
            raise session
        argv = ["ssh", "-F", str(session.ssh_config), *(["-t"] if sys.stdin.isatty() else []), name]
        with audit.recorded(project.state_dir, "hosts.shell", name, fingerprint(ready[name])):
            # _end_with_us makes only one system call, so it is safe in a child of a process with threads
            return subprocess.run(argv, check=False, preexec_fn=_end_with_us).returncode


def shell_entrants(project: Settings, selection: Selection) -> Entrants:
    """Return, by host, the Entrant to log in with; the desired state is not needed."""
    return entrants(selection, unlock_logins(selection, project), trust(selection, project))


def _end_with_us() -> None:
    """Make the kernel end this child when its parent is killed: an open shell would keep the master.

    Linux only (prctl(2), PR_SET_PDEATHSIG); elsewhere the shell ends with its terminal.
    """
    if _prctl:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)


@contextmanager
def sessions(ready: Mapping[str, Entrant | ProvisionError]) -> Iterator[dict[str, Session | ProvisionError]]:
    """Yield, by host, a Session, opened through jump hosts, or the error that prevents it."""
    with catch_signals() as cancel, masters(cancel) as (connections, _):
        answers: dict[str, Session | ProvisionError] = {
            name: each for name, each in ready.items() if isinstance(each, ProvisionError)
        }
        entrants = tuple(each for each in ready.values() if isinstance(each, Entrant))
        connections.prepare(entrants)
        answers |= connections.arrivals(entrants)
        yield answers
