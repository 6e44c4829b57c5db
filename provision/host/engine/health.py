"""Start the engine, and wait for its answer as long as it makes progress."""

import re
import time
from collections import namedtuple

from ..ground.errors import HostError
from . import api
from .unit import POLL_S, UNIT, is_starting, properties

HEALTH_TIMEOUT_S = 60
# How long a start may make no progress; one that makes progress has no limit of its own.
STALL_S = 180

_ERROR = re.compile(r"level=(?:fatal|error)|failed to start daemon|unable to")
# ``ticks`` is the processor time of the unit's process; ``settled``: no job and no start is pending.
Progress = namedtuple("Progress", "settled active state pid ticks")


def bring_up(machine, verb, reload=True):
    """Start or restart the engine and wait until it answers; raise with its last log line."""
    machine.engine_sleeps = False
    if reload:
        machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "reset-failed", UNIT])
    begun = machine.run(["systemctl", "--no-block", verb, UNIT]).rc == 0
    if not (begun and _comes_up(machine)):
        raise HostError(
            "engine-not-healthy", "the engine does not answer after systemctl " + verb,
            "journalctl -u docker on the host says more; then: `again`",
            last_words(machine), "dockerd did not start, or does not answer docker info")


def _comes_up(machine):
    """Return whether the engine answers; wait while its unit is starting and makes progress."""
    seen, since = None, time.time()
    while True:
        progress = _progress(machine)
        if progress.settled:
            break
        if progress != seen:
            seen, since = progress, time.time()
        if time.time() - since > STALL_S:
            return False
        time.sleep(POLL_S)
    deadline = time.time() + HEALTH_TIMEOUT_S
    while progress.active and time.time() < deadline:
        if api.info(machine) is not None:
            return True
        time.sleep(POLL_S)
    return False


def _progress(machine):
    names = "ActiveState,SubState,Job,MainPID,ControlPID"
    ran = machine.run(["systemctl", "show", UNIT, "--property", names])
    found = properties(ran.out)
    state, sub = found.get("ActiveState", ""), found.get("SubState", "")
    pid = next((found[name] for name in ("ControlPID", "MainPID") if found.get(name, "0") != "0"), "0")
    waits = found.get("Job", "") not in ("", "0") or is_starting(found) or state == "deactivating"
    # A command before the start is the operator's own, and systemd limits its time.
    ticks = time.time() if sub == "start-pre" else (
        machine.text("/proc/%s/stat" % pid).rpartition(")")[2].split()[11:13])
    return Progress(not waits, state == "active", (state, sub), pid, ticks)


def last_words(machine):
    """Return the engine's last line in the journal, preferably an error."""
    ran = machine.run(["journalctl", "-u", UNIT, "-n", "40", "-o", "cat", "--no-pager"])
    lines = [line.strip() for line in ran.out.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    return (errors or lines or [""])[-1][:300]
