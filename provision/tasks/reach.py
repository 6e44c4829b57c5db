"""What the hosts.* tasks do: list, enter, pin."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from provision import logins
from provision.errors import ChangedHostKey, ProvisionError, UnknownHostKey, UsageError
from provision.host_values import natural
from provision.interrupts import Cancel
from provision.inventory import ALL, Selection, read
from provision.model import Host, HostKey, Session
from provision.pipeline import entrants, masters
from provision.session import Entrant
from provision.settings import Settings
from provision.trust import read_pins, record

_PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


def selected(project: Settings, limit: str, via: str) -> Selection:
    """Read the inventory and select."""
    return read(project, limit=limit, via=via, environ=os.environ)


def known_hosts(project: Settings) -> tuple[Host, ...]:
    """Give the inventory's hosts; none when there is no inventory to read."""
    return selected(project, ALL, "public").hosts if all(p.exists() for p in project.inventory) else ()


def listing(project: Settings, limit: str, via: str) -> str:
    """Give the table of hosts."""
    pins = read_pins(project.pins)
    rows = [("HOST", "ADDRESS", "USER", "GROUPS", "KEY")]
    for host in sorted(selected(project, limit, via).hosts, key=lambda h: natural(h.name)):
        key = "pinned" if host.name in pins else "in inventory" if host.host_key else "unknown"
        where = f"{host.address}:{host.port}" + (f" via {host.jump}" if host.jump else "")
        rows.append((host.name, where, host.user, ",".join(host.groups) or "-", key))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)


def shell(project: Settings, name: str, via: str) -> int:
    """Open one master and ride it with a terminal; gives ssh's exit code."""
    with _session(project, _one(project, name, via), name) as session:
        argv = ["ssh", "-F", str(session.ssh_config), *(["-t"] if sys.stdin.isatty() else []), name]
        # _end_with_us only makes one system call, so that it is safe in a child of a process with threads
        return subprocess.run(argv, check=False, preexec_fn=_end_with_us).returncode


def _end_with_us() -> None:
    """Have the kernel end this child when its parent is killed: a shell left open would keep the master.

    Linux alone can do it (prctl(2), PR_SET_PDEATHSIG); elsewhere the shell ends with its terminal.
    """
    if _prctl:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)


def trust(project: Settings, name: str, fingerprint: str, replace: str, via: str) -> None:
    """Fetch a host's key, have it confirmed, pin it."""
    selection = _one(project, name, via)
    host = selection.hosts[0]
    old = read_pins(project.pins).get(name, ())
    key = _fetched(project, host, selection)
    if any(pin.key == key.key for pin in old):
        print(f"{name} shows {key.fingerprint}, which is pinned already")
        return
    _must_be_replaced(name, old, key, replace)
    wanted = fingerprint or host.host_key or ""
    if wanted:
        _must_match(key, wanted)
    elif not project.interactive or not _confirmed(key):
        raise UnknownHostKey(
            f"{name} shows {key.fingerprint} ({key.type}); it is not confirmed, so nothing was pinned",
            "compare it with the cloud console, then: "
            f"fab hosts.trust {name} --fingerprint {key.fingerprint}",
        )
    pin = HostKey(key.name, key.type, key.key, "console" if wanted else "tofu")
    record(project.pins, pin, replace or None)
    print(f"pinned {name} {key.type} {key.fingerprint} in {os.path.relpath(project.pins)}")


def show_origins(origins: dict[str, tuple[str, ...] | ProvisionError]) -> int:
    """Print where each host's secrets come from; 8 when one has none."""
    missing = False
    for name, origin in origins.items():
        if isinstance(origin, ProvisionError):
            missing = True
            print(f"{name}  {origin.failure.message}; next: {origin.failure.hint}")
        else:
            print(f"{name}  {', '.join(origin)}")
    return 8 if missing else 0


def _one(project: Settings, name: str, via: str) -> Selection:
    selection = selected(project, name, via)
    if [host.name for host in selection.hosts] != [name]:
        raise UsageError(f"{name} is not the name of one host", "fab hosts.list")
    return selection


@contextmanager
def _session(project: Settings, selection: Selection, name: str) -> Iterator[Session]:
    """Open one host, through its jump hosts; raises what keeps it closed."""
    ready = entrants(project, selection)
    with masters(Cancel()) as (connections, _):
        answers: dict[str, Session | ProvisionError] = {}
        for wave in connections.waves(tuple(e for e in ready.values() if isinstance(e, Entrant))):
            answers |= wave
        answer = answers.get(name, ready[name])
        if isinstance(answer, ProvisionError):
            raise answer
        assert isinstance(answer, Session)
        yield answer


def _fetched(project: Settings, host: Host, selection: Selection) -> HostKey:
    if not host.jump:
        return logins.fetch_key(host)
    through = Selection(tuple(jump for jump in selection.jumps if jump.name == host.jump), selection.jumps)
    with _session(project, through, host.jump) as session:
        ours, theirs = socket.socketpair()
        argv = ["ssh", "-F", str(session.ssh_config), "-W", f"[{host.address}]:{host.port}", host.jump]
        end = theirs.fileno()
        with subprocess.Popen(argv, stdin=end, stdout=end, stderr=subprocess.DEVNULL) as way:
            theirs.close()
            try:
                return logins.fetch_key(host, ours)
            finally:
                ours.close()
                way.terminate()


def _must_be_replaced(name: str, old: tuple[HostKey, ...], key: HostKey, replace: str) -> None:
    if old and replace not in {pin.fingerprint for pin in old}:
        raise ChangedHostKey.than_pinned(name, old[0].fingerprint, key.fingerprint)


def _must_match(key: HostKey, wanted: str) -> None:
    if key.fingerprint != wanted:
        raise ChangedHostKey(
            f"{key.name} shows another host key than the one you gave",
            "take the fingerprint from the cloud console again; if it differs still, do not log in",
            evidence=f"given {wanted}, offered {key.fingerprint} ({key.type})",
        )


def _confirmed(key: HostKey) -> bool:
    shown = f"{key.name} shows this host key:\n  {key.type} {key.fingerprint}\n"
    question = "Compare it with what the cloud console says. Type yes to pin it: "
    print(shown + question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == "yes"
