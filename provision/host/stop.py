"""Running containers as a Change: stopped by name before their engine goes, and started again if it comes back."""

from . import containers, engine
from .change import Change, Harm
from .errors import HostError

STOP_TIMEOUT_S = 300
STOP = Harm("containers stop", "container stops")


def plan(machine):
    """Return the Change that stops what runs; raise when nothing but a running engine could stop it."""
    ids = engine.running(machine)
    if ids is None:
        ids = containers.orphans(machine)
        if ids:
            raise _without_engine(ids)
    return [Containers(machine, ids, False, [each.name for each in containers.observe(machine, ids)])] if ids else []


def plan_back(machine, ids):
    """Return the Change that starts them again."""
    return [Containers(machine, ids, True)]


def refuse_others(machine, changes):
    """Raise when ``changes`` remove a containerd that runs containers of somebody else."""
    rows = [row for change in changes for row in getattr(change, "rows", ())]
    others = containers.of_others(machine)
    if others and any(row.name == "containerd.io" and row.action == "remove" for row in rows):
        raise HostError(
            "containerd-in-use", "containerd runs containers that are not Docker's, and would go with it",
            "stop them first, or keep this host out of the run", ", ".join(others)[:300],
            "another program, like a Kubernetes node's kubelet, uses the same containerd")


def _without_engine(ids):
    return HostError(
        "containers-without-engine", "%d containers run, and the engine that could stop them does not answer" % len(ids),
        "on the host: systemctl start docker; then run it again", ", ".join(each[:12] for each in ids)[:300],
        "live-restore let them outlive the engine")


class Containers(Change):
    """The containers ``ids``, running or stopped; ``names`` are theirs."""

    kind = "containers"

    def __init__(self, machine, ids, run, names=()):
        self.machine = machine
        self.ids = ids
        self.run = run
        self.names = list(names)
        self.before, self.after = ["%d %s" % (len(ids), word) for word in _words(run)]
        self.disruptive = not run

    def apply(self):
        """Start or stop them."""
        self._reach(self.run)

    def undo(self):
        """The other way round."""
        self._reach(not self.run)

    def records(self):
        """Return which they are."""
        return [{"kind": "containers", "ids": self.ids}] if not self.run else []

    def harms(self):
        """Return the names of what stops."""
        return [] if self.run else [(STOP, self.names)]

    def _reach(self, run):
        ran = self.machine.run(["docker", "start" if run else "stop"] + self.ids, STOP_TIMEOUT_S)
        if ran.rc:
            raise HostError(
                "containers", "docker could not %s every container" % ("start" if run else "stop"),
                "see docker ps -a on the host; then run it again", " ".join(ran.err.split())[-300:])


def _words(run):
    return ("stopped", "running") if run else ("running", "stopped")
