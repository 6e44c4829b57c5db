"""docker.service: enabled, running, and answering; judged by systemd and by the engine itself."""

import re
import time
from collections import namedtuple

from . import engine
from .change import Change
from .errors import HostError

UNIT = "docker.service"
UNITS = (UNIT, "docker.socket", "containerd.service")
State = namedtuple("State", "enabled active helpers")
WANTED = State(True, True, list(UNITS[1:]))
NONE = State(False, False, [])
HEALTH_TIMEOUT_S = 60
START_TIMEOUT_S = 180
POLL_S = 0.25

_ERROR = re.compile(r"level=(?:fatal|error)|failed to start daemon|unable to")
_PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,ExecStart"


class Unit(object):
    """What systemd says of docker.service; ``command`` is None while there is no unit.

    ``helpers`` are those of its two helpers that run: others may use containerd too.
    """

    def __init__(self, machine):
        ran = machine.run(["systemctl", "show"] + list(UNITS) + ["--property", _PROPERTIES])
        blocks = [_properties(block) for block in ran.out.split("\n\n")]
        found = next((block for block in blocks if block.get("Id") == UNIT), {})
        self.loaded = found.get("LoadState") == "loaded"
        self.active = found.get("ActiveState") == "active"
        self.enabled = found.get("UnitFileState") == "enabled"
        self.command = found.get("ExecStart", "") if self.loaded else None
        active = [block.get("Id") for block in blocks if block.get("ActiveState") == "active"]
        self.helpers = [name for name in UNITS[1:] if name in active]

    @property
    def state(self):
        """What a Change can bring it to."""
        return State(self.enabled, self.active, self.helpers)

    def told(self):
        """Give its state as a person says it; empty while there is no unit."""
        if not self.loaded:
            return ""
        return _told(self.state)


def plan(machine, unit, restart):
    """Give the Change that makes it run; ``restart`` tells that what it was started with has changed."""
    if not (unit.active and unit.enabled):
        return [Service(machine, unit, WANTED)]
    if restart or not engine.answers(machine):
        return [Restart(machine, restart)]
    return []


def plan_back(machine, unit, goal, restart):
    """Give the Change that brings it to the State ``goal``; ``restart`` as in plan."""
    if (unit.enabled, unit.active) != goal[:2]:
        return [Service(machine, unit, goal)]
    return [Restart(machine, restart)] if unit.active and restart else []


class Service(Change):
    """docker.service enabled or disabled, started or stopped."""

    name = "service docker"

    def __init__(self, machine, unit, goal):
        self.machine = machine
        self.unit = unit
        self.goal = goal
        self.before = unit.told()
        self.after = _told(goal)
        self.disruptive = unit.active and not goal.active

    def apply(self):
        """Make it so, and wait until a started engine answers."""
        self._reach(self.goal)

    def undo(self):
        """Bring back what systemd had: stopped, disabled, or unknown."""
        self._reach(self.unit.state)

    def records(self):
        """Give what systemd had."""
        return [{"kind": "service", "state": self.unit.state}]

    def _reach(self, goal):
        # Either of the two lets systemd read all units anew.
        self.machine.run(["systemctl", "enable" if goal.enabled else "disable", UNIT])
        if goal.active:
            bring_up(self.machine, "start", reload=False)
            return
        # A unit that is to be removed must not leave its helpers running.
        stop = [name for name in UNITS if name not in goal.helpers]
        self.machine.run(["systemctl", "stop"] + stop, START_TIMEOUT_S)
        self.machine.run(["systemctl", "reset-failed", UNIT])


class Restart(Change):
    """docker.service restarted, so that it runs what is on the disk."""

    name = "restart docker"
    disruptive = True

    def __init__(self, machine, reason):
        self.machine = machine
        self.before = "" if reason else "does not answer"
        self.after = _told_containers(machine)

    def apply(self):
        """Restart it, and wait until the engine answers."""
        bring_up(self.machine, "restart")

    def undo(self):
        """Leave it until everything is undone: see settle."""

    def settle(self):
        """Restart it with the files and packages that are back."""
        bring_up(self.machine, "restart")


def _properties(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _told(state):
    return "%s and %s" % (
        "enabled" if state.enabled else "disabled", "started" if state.active else "stopped")


def bring_up(machine, verb, reload=True):
    """Start or restart the engine and wait until it answers; raises with its own last words."""
    if reload:
        machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "reset-failed", UNIT])
    ran = machine.run(["systemctl", verb, UNIT], START_TIMEOUT_S)
    deadline = time.time() + HEALTH_TIMEOUT_S
    while ran.rc == 0 and engine.info(machine) is None and time.time() < deadline:
        time.sleep(POLL_S)
    if ran.rc or engine.info(machine) is None:
        raise HostError(
            "engine-not-healthy", "the engine does not answer after systemctl " + verb,
            "journalctl -u docker on the host says more; then: fab provision",
            last_words(machine), "dockerd did not start, or does not answer docker info")


def last_words(machine):
    """Give the engine's last line in the journal, an error before any other."""
    ran = machine.run(["journalctl", "-u", UNIT, "-n", "40", "-o", "cat", "--no-pager"])
    lines = [line.strip() for line in ran.out.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    return (errors or lines or [""])[-1][:300]


def _told_containers(machine):
    count = engine.containers(machine)
    if not count:
        return "no container runs"
    runs = "1 container runs" if count == 1 else "%d containers run" % count
    keeps = (engine.info(machine) or {}).get("LiveRestoreEnabled")
    fate = "live-restore keeps" if keeps else "the restart stops"
    return "%s; %s %s" % (runs, fate, "it" if count == 1 else "them")
