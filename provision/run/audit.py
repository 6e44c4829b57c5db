"""Write the audit log: one line per action on a host, its pin or its secrets, with who, what and result."""

import errno
import json
import os
import pwd
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from provision.errors import ProvisionError, StateUnusable

FILE = "audit.jsonl"
BEGUN = "begun"
DONE = "done"


@dataclass(frozen=True, slots=True)
class Entry:
    """One action: ``verb`` is the command, ``host`` its subject (a host, ``group/web``, ``all``).

    ``fingerprint`` is that of the key which the host had to show, or empty. ``result`` is ``begun``,
    ``done``, a host's status in the report, or the kind of an error. ``run`` is the id of its report.
    """

    verb: str
    host: str
    fingerprint: str
    result: str
    run: str = ""


def record(state_dir: Path, *entries: Entry) -> None:
    """Append a line per entry to audit.jsonl in ``state_dir``, mode 0600, and sync it to the disk.

    One write appends all, so that the lines of two runs do not mix. Raises StateUnusable when they cannot be
    written.
    """
    now, who = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), whoami()
    text = "".join(_line(now, who, entry) for entry in entries)
    path = state_dir / FILE
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            if os.write(descriptor, text.encode()) < len(text.encode()):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StateUnusable(
            f"the audit log {path} cannot be written",
            f"see who owns it and that there is room: ls -l {path}; df -h {state_dir}",
            evidence=error.strerror or "",
        ) from error


@contextmanager
def recorded(state_dir: Path, verb: str, host: str, fingerprint: str = "") -> Iterator[None]:
    """Record the action inside as ``done``, or with the kind of the error that it raises."""
    try:
        yield
    except BaseException as error:
        result = error.failure.kind if isinstance(error, ProvisionError) else type(error).__name__
        with suppress(StateUnusable):  # report the first error
            record(state_dir, Entry(verb, host, fingerprint, result))
        raise
    record(state_dir, Entry(verb, host, fingerprint, DONE))


def whoami() -> str:
    """Return who runs this, as ``user@controller``; the user is that of the process, not $USER."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def _line(now: str, who: str, entry: Entry) -> str:
    run = {"run": entry.run} if entry.run else {}
    row = {"time": now, "who": who, "verb": entry.verb, "host": entry.host, "fingerprint": entry.fingerprint}
    return json.dumps(row | {"result": entry.result} | run) + "\n"
