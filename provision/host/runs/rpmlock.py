"""Wait for another package manager, and for the first boot: rpm fails at once when its lock is taken.

The locks of rpm and dnf end with their processes; a file that stays behind means nothing. cloud-init installs
and upgrades packages in the last stage of the first boot.
"""

import errno
import fcntl
import os
import re
import struct
import time

from ..engine.unit import properties
from ..ground import scratch
from ..ground.errors import Refusal
from . import detach

# On newer systems /var/lib/rpm is a link to /usr/lib/sysimage/rpm.
FILE = "/var/lib/rpm/.rpm.lock"
HELD = "package-lock-held"
POLL_S = 0.2
PATIENCE_S = 60
# dnf 4 (dnf/lock.py), and yum (/var/run/yum.pid).
_PID = re.compile(r"already locked by (?:PID )?(\d+)|running as pid (\d+)", re.IGNORECASE)
# struct flock of fcntl(2): type, whence, start, length, pid.
_FLOCK = "hhqqi"

STATUS = "/run/cloud-init/status.json"
RESULT = "/run/cloud-init/result.json"
UNITS = (
    "cloud-init-local.service", "cloud-init-main.service", "cloud-init.service", "cloud-config.service",
    "cloud-final.service")
BOOT_POLL_S = 1


def wait(machine, timeout_s):
    """Wait until rpm's database may be changed; raise with the holder's command after ``timeout_s``.

    Return the process that was waited for; empty for none.
    """
    return _wait(machine, timeout_s, _holder)


def wait_for_named(machine, timeout_s, words):
    """Wait, as ``wait`` does, for the process named in ``words``, the output of a failed dnf."""
    found = _PID.search(words)
    if not found:
        return wait(machine, timeout_s)
    pid = int(found.group(1) or found.group(2))
    return _wait(machine, timeout_s, lambda machine: _named(machine, pid) if _command(machine, pid) else "")


def wait_for_orphans(machine, timeout_s):
    """Wait until no dnf of a killed run is running: it continues alone, and may still change packages."""
    return _wait(machine, timeout_s, _orphan)


def wait_for_first_boot(machine, timeout_s):
    """Wait, as ``wait`` does, for cloud-init."""
    return _wait(machine, timeout_s, booting, poll_s=BOOT_POLL_S, refused=lambda unit: Refusal(
        HELD, "the first boot of this host is not finished: cloud-init is running",
        "wait until it has ended (on the host: cloud-init status --wait), or give --lock-timeout more"
        " seconds; then: `again`", unit))


def booting(machine):
    """Return the unit of cloud-init that runs or is queued, in words; empty for none.

    cloud-init writes result.json when it is done. One that died never does, so systemd is asked as well.
    """
    if machine.read(STATUS) is None or machine.read(RESULT) is not None:
        return ""
    ran = machine.run(["systemctl", "show"] + list(UNITS) + ["--property", "Id,ActiveState,Job"])
    blocks = [properties(text) for text in ran.out.split("\n\n")]
    busy = [block["Id"] for block in blocks
            if block.get("ActiveState") == "activating" or block.get("Job", "0") not in ("", "0")]
    return "cloud-init (%s)" % busy[0] if busy else ""


def held(evidence):
    """Return the error for a package database that another program is changing."""
    return Refusal(
        HELD, "another package manager is at work on this host",
        "wait until it has ended, or give --lock-timeout more seconds; then: `again`", evidence)


def _wait(machine, timeout_s, find, refused=held, poll_s=POLL_S):
    deadline, waited = time.time() + timeout_s, ""
    holder = find(machine)
    while holder:
        if holder != waited:
            machine.tell("waits for %s" % holder)
        waited = holder
        if time.time() > deadline:
            raise refused(waited)
        detach.renew()
        time.sleep(poll_s)
        holder = find(machine)
    return waited


def _holder(machine):
    """Return the process that holds the lock for writing, in words; empty for none."""
    try:
        with open(machine.path(FILE), "rb") as stream:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(stream, fcntl.F_GETLK, asked))
    except (IOError, OSError) as error:
        if error.errno != errno.ENOENT:
            raise
        return ""
    return "" if kind == fcntl.F_UNLCK else _named(machine, pid)


def _orphan(machine):
    """Return a process that works in an abandoned scratch directory, in words; empty for none."""
    folders = scratch.abandoned(machine)
    commands = [(pid, " ".join(words)) for pid, words in machine.commands()] if folders else []
    return next((_named(machine, pid) for pid, command in commands if pid != os.getpid() and any(
        folder in command for folder in folders)), "")


def _named(machine, pid):
    return "pid %d: %s" % (pid, _command(machine, pid)[:200])


def _command(machine, pid):
    return " ".join(machine.text("/proc/%d/cmdline" % pid).split("\0")).strip()
