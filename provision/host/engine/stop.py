"""Running containers as a Change: stop them by name before their engine, restart them in an undo."""

import time

from ..ground.change import Change, Harm
from ..ground.channels import CONTAINERDS
from ..ground.errors import HostError
from . import api, containers, live_restore, service
from .kept import LOST

# systemd restarts a unit after 100 ms (RestartSec), and `docker run` takes about a second.
COMES_BACK_S = 2
RECORD = "containers"
STOP = Harm("containers stop", "container stops")


def plan(machine, unit):
    """Return the Change that stops all containers; raise when only a running engine could do it."""
    refuse_orphans(machine)
    ids = api.running(machine)
    return [Stopped(machine, unit, containers.observe(machine, ids))] if ids else []


def refuse_orphans(machine):
    """Raise for containers that run while their engine does not answer: nothing else can stop them."""
    ids = containers.orphans(machine) if api.running(machine) is None else []
    if ids:
        raise HostError(
            "containers-without-engine",
            "%d containers run, and the engine that could stop them does not answer" % len(ids),
            "on the host: systemctl start docker; then run it again",
            ", ".join(each[:12] for each in ids)[:300], "live-restore let them outlive the engine")


def plan_back(machine, ids):
    """Return the Change that starts them again, in this order."""
    return [Started(machine, ids)]


def refuse_others(machine, changes):
    """Raise when ``changes`` remove a containerd that runs other people's containers."""
    rows = [row for change in changes for row in getattr(change, "rows", ())]
    refuse_containerd(machine, [row.name for row in rows if row.action == "remove"])


def refuse_containerd(machine, names):
    """Raise when ``names``, packages that go, include a containerd that runs other people's containers."""
    others = containers.of_others(machine) if CONTAINERDS.intersection(names) else []
    if others:
        raise HostError(
            "containerd-in-use", "containerd, which would be removed, runs containers that are not Docker's",
            "stop them first, or keep this host out of the run", ", ".join(others)[:300],
            "another program, like a Kubernetes node's kubelet, uses the same containerd")


class Stopped(Change):
    """The running containers ``found``, stopped; live-restore must not let any outlive the engine.

    The units that stop with docker.service are stopped first: they would restart their containers.
    """

    kind = "containers"
    after = "stopped"
    disruptive = True

    def __init__(self, machine, unit, found):
        self.machine = machine
        self.found = found
        self.units = unit.disturbed()
        self.before = "%d running" % len(found)
        # The engine refuses a daemon.json with a key that is also a flag.
        self.switches = unit.live_restore_flag is None
        self.switched = False

    def apply(self):
        """Stop them; raise with the names of those that still run."""
        self.switched = self.switches and live_restore.switch_off(self.machine)
        if self.units:
            self.machine.run(["systemctl", "stop"] + self.units, containers.STOP_TIMEOUT_S)
        containers.stop(self.machine, [each.id for each in self.found])
        time.sleep(COMES_BACK_S)
        found = containers.observe(
            self.machine, containers.left(self.machine, api.running(self.machine) or ()))
        # Swarm starts replacements of its own containers; they stop with the engine.
        left = [each.name for each in found if not each.service]
        if left:
            raise HostError(
                "containers-come-back", "containers were started while those of this host were stopped",
                "stop the unit, or the program, that starts them; then run it again", ", ".join(left)[:300],
                "a systemd unit with Restart= starts its container again")

    def undo(self):
        """Start them again, except those with --rm and those that another container has replaced."""
        if self.switched:
            live_restore.release(self.machine, self.machine.read(live_restore.FILE))
        _start(self.machine, [
            each.id for each in self._lasting() if not containers.runs(api.inspect(self.machine, each.name))])
        service.start_again(self.machine, self.units)

    def records(self):
        """Return those that can be started again, in the order in which they were started."""
        ids = [each.id for each in self._lasting()]
        return [{"kind": RECORD, "ids": ids}] if ids else []

    def harms(self):
        """Return the names of what stops, and of what is lost by that."""
        return [
            (STOP, [each.name for each in self._lasting()]),
            (LOST, [each.name for each in self.found if each.rm])]

    def _lasting(self):
        return [each for each in self.found if not each.rm]


class Started(Change):
    """The containers ``ids``, started in this order."""

    kind = "containers"
    after = "running"

    def __init__(self, machine, ids):
        self.machine = machine
        self.ids = ids
        self.before = "%d stopped" % len(ids)

    def apply(self):
        """Start them."""
        _start(self.machine, self.ids)

    def undo(self):
        """Stop them."""
        containers.stop(self.machine, self.ids)


def _start(machine, ids):
    """Start each; raise with those that do not start."""
    whys = [(each[:12], api.start(machine, each)) for each in ids]
    failed = ["%s (%s)" % (name, why) for name, why in whys if why]
    if failed:
        raise HostError(
            "containers", "docker could not start every container",
            "see docker ps -a on the host; then run it again",
            ", ".join(failed)[:300])
