"""docker.service as Changes: enabled, started, restarted, reloaded."""

from ..ground.change import Change, Harm
from ..ground.errors import HostError
from . import api, containers
from .health import STALL_S, bring_up, last_words
from .unit import UNIT, UNITS, WANTED, Unit, in_words, is_active

UNITS_STOP = Harm("units stop with docker.service", "unit stops with docker.service")
UNITS_RESTART = Harm("units restart with docker.service", "unit restarts with docker.service")
BUILDS_END = Harm("builds end", "build ends")


def plan(machine, unit, need, fate=None):
    """Return the Changes that make docker.service run.

    ``need`` is what makes it use what is on the disk: "restart", "reload" or "none". ``fate`` is that of the
    containers.
    """
    if not unit.active:
        return [Service(machine, unit, WANTED)]
    if need == "restart" or unit.starting or api.answers(machine):
        return _enabled(machine, unit, True) + _read_anew(machine, unit, need, fate)
    return _enabled(machine, unit, True) + [Restart(machine, unit, False, fate)]


def plan_back(machine, unit, goal, need, fate=None):
    """Return the Changes that bring docker.service to the State ``goal``; ``need``, ``fate`` as in plan."""
    if unit.active and goal.active:
        return _enabled(machine, unit, goal.enabled) + _read_anew(machine, unit, need, fate)
    return [Service(machine, unit, goal)] if (unit.enabled, unit.active) != goal[:2] else []


def _enabled(machine, unit, wanted):
    return [] if unit.enabled == wanted else [Enabled(machine, unit, wanted)]


def _read_anew(machine, unit, need, fate):
    if need == "restart":
        return [Restart(machine, unit, True, fate)]
    return [Reload(machine)] if need == "reload" else []


class Service(Change):
    """docker.service enabled or disabled, started or stopped."""

    kind = "service"
    subject = "docker"

    def __init__(self, machine, unit, goal):
        self.machine = machine
        self.unit = unit
        self.goal = goal
        self.before = unit.words()
        self.brief = "started" if goal.active else "stopped"
        self.after = in_words(goal.enabled, self.brief)
        self.disruptive = unit.active and not goal.active

    def apply(self):
        """Reach the State, and wait until a started engine answers."""
        self._reach(self.goal)

    def undo(self):
        """Restore the previous state in systemd: stopped, disabled, or unknown."""
        self._reach(self.unit.state)

    def look(self):
        """Return what differs from the previous state in systemd."""
        now = Unit(self.machine)
        is_back = (now.enabled, now.active) == (self.unit.enabled, self.unit.active)
        return "" if is_back else "docker is " + now.words()

    def records(self):
        """Return the previous state in systemd."""
        return [{"kind": "service", "state": self.unit.state}]

    def harms(self):
        """Return the units that stop with the engine."""
        return [(UNITS_STOP, self.unit.disturbed())] if self.disruptive else []

    def _reach(self, goal):
        # Both make systemd reload all units.
        self.machine.run(["systemctl", "enable" if goal.enabled else "disable", UNIT])
        if goal.active:
            bring_up(self.machine, "start", reload=False)
            return
        # The helpers of a unit that is removed must not keep running.
        stop = [name for name in UNITS if name not in goal.helpers]
        self.machine.run(["systemctl", "stop"] + stop, STALL_S)
        self.machine.run(["systemctl", "reset-failed", UNIT])


class Enabled(Change):
    """docker.service enabled or disabled, without being started or stopped."""

    kind = "service"
    subject = "docker"
    brief = "started"

    def __init__(self, machine, unit, wanted):
        self.machine = machine
        self.unit = unit
        self.wanted = wanted
        self.before = unit.words()
        self.after = in_words(wanted, self.brief)

    def apply(self):
        """Enable or disable it."""
        self._make(self.wanted)

    def undo(self):
        """Do the opposite."""
        self._make(not self.wanted)

    def look(self):
        """Return what differs from the previous state in systemd."""
        now = Unit(self.machine)
        return "" if now.enabled == self.unit.enabled else "docker is " + now.words()

    def records(self):
        """Return the previous state in systemd."""
        return [{"kind": "service", "state": self.unit.state}]

    def _make(self, wanted):
        verb = "enable" if wanted else "disable"
        ran = self.machine.run(["systemctl", verb, UNIT])
        if ran.rc:
            raise HostError(
                "unit-refused", "systemctl does not %s docker.service" % verb,
                "systemctl %s docker on the host says more; then: `again`" % verb,
                " ".join(ran.err.split())[-300:])


class Restart(Change):
    """A restart of docker.service, so that it uses what is on the disk."""

    kind = "restart"
    subject = "docker"
    disruptive = True
    sign = "~"

    def __init__(self, machine, unit, reason, fate):
        self.machine = machine
        self.unit = unit
        self.disturbed = unit.disturbed()
        self.before = "" if reason else "does not answer"
        self.after = _effect(fate)

    def apply(self):
        """Restart it, and wait until the engine answers."""
        self._restart()

    def undo(self):
        """Do nothing until everything is undone: see settle."""

    def settle(self):
        """Restart it with the restored files and packages."""
        self._restart()

    def harms(self):
        """Return what a restart interrupts, apart from containers."""
        return [
            (UNITS_RESTART, self.disturbed),
            (BUILDS_END, containers.builds(self.machine))]

    def _restart(self):
        bring_up(self.machine, "restart")
        start_again(self.machine, self.disturbed)


class Reload(Change):
    """A reload: the running engine reads daemon.json again."""

    kind = "reload"
    subject = "docker"
    after = "it keeps running"
    sign = "~"

    def __init__(self, machine):
        self.machine = machine

    def apply(self):
        """Reload the engine; start one that has died, which reads it then."""
        ran = self.machine.run(["systemctl", "reload", UNIT])
        if ran.rc and is_active(self.machine, UNIT):
            raise HostError(
                "engine-not-healthy", "the engine does not reload its configuration",
                "journalctl -u docker on the host says more; then: `again`", last_words(self.machine))
        bring_up(self.machine, "start", reload=False)

    def undo(self):
        """Do nothing until the file is restored."""

    def settle(self):
        """Reload the engine with the restored file."""
        self.apply()


def start_again(machine, units):
    """Start those of ``units`` that did not start with the engine; raise when one does not start."""
    for name in units:
        if not is_active(machine, name) and machine.run(["systemctl", "start", name], STALL_S).rc:
            raise HostError(
                "unit-lost", "%s did not come back after the engine was restarted" % name,
                "systemctl status %s on the host says more; then: `again`" % name,
                meaning="it requires docker.service, so systemd restarts both")


def _effect(fate):
    """Return how many containers run, and what a restart of the engine does to them."""
    count = len(fate.ids) if fate else 0
    if not count:
        return "no container runs"
    runs, them = ("1 container runs", "it") if count == 1 else ("%d containers run" % count, "them")
    if fate.kept:
        return "%s; live-restore keeps %s" % (runs, them)
    return "%s; the restart stops %s: %s" % (runs, them, fate.why)
