"""docker.service: enabled, running, and answering; judged by systemd and by the engine itself."""

import re
import time

from . import engine
from .change import Change
from .errors import HostError

UNIT = "docker.service"
UNITS = (UNIT, "docker.socket", "containerd.service")
HEALTH_TIMEOUT_S = 60
START_TIMEOUT_S = 180
POLL_S = 0.25

_ERROR = re.compile(r"level=(?:fatal|error)|failed to start daemon|unable to")
_PROPERTIES = "LoadState,ActiveState,UnitFileState,ExecStart"


class Unit(object):
    """What systemd says of docker.service; ``command`` is None while there is no unit."""

    def __init__(self, machine):
        ran = machine.run(["systemctl", "show", UNIT, "--property", _PROPERTIES])
        found = dict(line.split("=", 1) for line in ran.out.splitlines() if "=" in line)
        self.loaded = found.get("LoadState") == "loaded"
        self.active = found.get("ActiveState") == "active"
        self.enabled = found.get("UnitFileState") == "enabled"
        self.command = found.get("ExecStart", "") if self.loaded else None

    def told(self):
        """Give its state as a person says it; empty while there is no unit."""
        if not self.loaded:
            return ""
        boot = "enabled" if self.enabled else "disabled"
        return "%s and %s" % (boot, "started" if self.active else "stopped")


def plan(machine, unit, restart):
    """Give the Change that makes it run; ``restart`` tells that what it was started with has changed."""
    if not (unit.active and unit.enabled):
        return [Start(machine, unit)]
    if restart or not engine.answers(machine):
        return [Restart(machine, restart)]
    return []


def plan_absent(machine, unit):
    """Give the Change that stops it."""
    return [Stop(machine, unit)] if unit.active or unit.enabled else []


class Start(Change):
    """docker.service enabled and started."""

    name = "service docker"
    after = "enabled and started"

    def __init__(self, machine, unit):
        self.machine = machine
        self.unit = unit
        self.before = unit.told()

    def apply(self):
        """Enable and start it, and wait until the engine answers."""
        self.machine.run(["systemctl", "enable", UNIT])  # reads all units anew
        bring_up(self.machine, "start", reload=False)

    def undo(self):
        """Bring back what systemd had: stopped, disabled, or unknown."""
        if not self.unit.enabled:
            self.machine.run(["systemctl", "disable", UNIT])
        if not self.unit.active:
            # A unit that is to be removed must not leave its helpers running.
            stop = UNITS if not self.unit.loaded else UNITS[:1]
            self.machine.run(["systemctl", "stop"] + list(stop), START_TIMEOUT_S)
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


class Stop(Change):
    """docker.service stopped and disabled."""

    name = "service docker"
    after = "disabled and stopped"
    disruptive = True

    def __init__(self, machine, unit):
        self.machine = machine
        self.unit = unit
        self.before = unit.told()

    def apply(self):
        """Disable and stop it, its socket and containerd."""
        self.machine.run(["systemctl", "disable", UNIT])
        self.machine.run(["systemctl", "stop"] + list(UNITS), START_TIMEOUT_S)

    def undo(self):
        """Leave it until its packages are back: see settle."""

    def settle(self):
        """Enable and start it as it was."""
        if self.unit.enabled:
            self.machine.run(["systemctl", "enable", UNIT])
        if self.unit.active:
            bring_up(self.machine, "start")


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
