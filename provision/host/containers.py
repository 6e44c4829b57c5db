"""Running containers as a Change: stopped before their data goes, and started again if it stays."""

from .change import Change
from .errors import HostError

STOP_TIMEOUT_S = 300


def plan_stop(machine):
    """Give the Change that stops what runs."""
    ids = machine.run(["docker", "ps", "--quiet", "--no-trunc"]).out.split() if machine.has("docker") else []
    return [Containers(machine, ids, False)] if ids else []


def plan_back(machine, ids):
    """Give the Change that starts them again."""
    return [Containers(machine, ids, True)]


class Containers(Change):
    """The containers ``ids``, running or stopped."""

    name = "containers"

    def __init__(self, machine, ids, run):
        self.machine = machine
        self.ids = ids
        self.run = run
        self.before, self.after = ["%d %s" % (len(ids), word) for word in _words(run)]
        self.disruptive = not run

    def apply(self):
        """Start or stop them."""
        self._reach(self.run)

    def undo(self):
        """The other way round."""
        self._reach(not self.run)

    def records(self):
        """Give which they are."""
        return [{"kind": "containers", "ids": self.ids}] if not self.run else []

    def _reach(self, run):
        ran = self.machine.run(["docker", "start" if run else "stop"] + self.ids, STOP_TIMEOUT_S)
        if ran.rc:
            raise HostError(
                "containers", "docker could not %s every container" % ("start" if run else "stop"),
                "see docker ps -a on the host; then run it again", " ".join(ran.err.split())[-300:])


def _words(run):
    return ("stopped", "running") if run else ("running", "stopped")
