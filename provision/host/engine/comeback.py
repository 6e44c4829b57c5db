"""Containers after a restart of the engine: untouched, restarted or lost."""

import calendar
import time

from ..ground.errors import HostError
from . import api, containers
from .containers import UNKNOWN, Container, runs

# The engine starts containers with a policy after it answers; each that starts gives the others more time.
PATIENCE_S = 20
PORT_PATIENCE_S = 15
# A container that stopped later than this after an interrupted run was stopped by somebody else.
AFTERMATH_S = 600
POLL_S = 0.2
# The policies with which the engine itself restarts a container.
_BY_ENGINE = ("always", "unless-stopped", "on-failure")


def earlier(machine, unended):
    """Return (Container, since) pairs of what interrupted runs found running and left stopped."""
    found = {}
    for past in unended:
        for change, _ in past.touched:
            for record in change["records"]:
                if record["kind"] == "running":
                    since = record["at"]
                    found.update({each[0]: (Container(*each), since, past) for each in record["containers"]})
    now = containers.running(machine)
    return [(each, since) for name, (each, since, past) in sorted(found.items())
            if name not in now and not each.rm and _was_left(machine, each, past.last_at)]


def _was_left(machine, container, last_at):
    """Return whether it exists and stopped early enough for a run with its last event at ``last_at``."""
    now = api.inspect(machine, container.id)
    if now is None:
        return not api.is_gone(machine, container.id)
    return _seconds(now["State"]["FinishedAt"]) <= last_at + AFTERMATH_S


class Watch(object):
    """The containers that ran before the restart, and what became of them.

    ``stopped`` are (Container, since when in seconds) pairs that an earlier run left stopped. With a ``fate``
    the containers that run now are watched as well. ``silent`` are those that run again with a port that does
    not answer yet.
    """

    def __init__(self, machine, stopped=(), fate=None):
        self.machine = machine
        self.fate = fate
        self.stopped = list(stopped)
        self.before = containers.observe(machine, fate.ids) if fate else []
        self.began = time.time()
        self.failed = {}
        self.silent = []
        self.looked = False

    @property
    def holds(self):
        """Whether live-restore is switched for the restart."""
        return self.fate is not None and self.fate.during is not None and bool(self.before)

    def observe(self):
        """Observe again, right before the restart: a container that has ended by then is not started."""
        self.before = containers.observe(self.machine, containers.running(self.machine))
        self.began = time.time()

    def observe_more(self):
        """Watch also the containers that were started in the meantime."""
        known = {each.id for each in self.before}
        self.before += containers.observe(
            self.machine, [each for each in containers.running(self.machine) if each not in known])

    def strangers(self):
        """Return the names of containers that neither ran when planned nor replaced one that did."""
        names = {each.name for each in self.before if each.id in self.fate.ids}
        return [each.name for each in self.before
                if each.id not in self.fate.ids and not each.service and each.name not in names]

    def plain(self):
        """Return the running containers as plain data."""
        return [list(each) for each in self.before]

    def left_stopped(self):
        """Return the names of the containers that an earlier run left stopped."""
        return [each.name for each, _ in self.stopped]

    def bring_back(self):
        """Wait, start what the engine does not, and examine all; raise with the names of what is lost."""
        self.failed, self.silent, self.looked = {}, [], True
        self.before = [containers.completed(self.machine, each) for each in self.before]
        due = [(each, self.began) for each in self.before] + self.stopped
        alone = [pair for pair in due if not pair[0].service]
        self._wait([each for each, _ in alone])
        for each, since in alone:
            self._start(each, since)
        self._wait_for_services([each for each, _ in due if each.service])
        for each, why in zip(self.before, containers.at_once(self._why_unusable, self.before)):
            if why and each.id not in self.failed:
                self.failed[each.id] = why
        well = [each for each in self.before if each.id not in self.failed]
        self.silent = [said for said in containers.at_once(self._silent, well) if said]
        lost = ["%s (%s)" % (each.name, self.failed[each.id]) for each, _ in due if each.id in self.failed]
        if lost:
            raise HostError(
                "containers-lost", "%d of %d containers did not come back" % (len(lost), len(due)),
                "see on the host: docker ps -a, docker logs NAME; then: `again`", ", ".join(lost)[:300],
                "they ran before the engine was restarted")

    def outcome(self):
        """Return what became of the containers, as plain data; None when they were not examined."""
        if not self.looked or not (self.before or self.stopped):
            return None
        found = [(each, api.inspect(self.machine, each.id)) for each in self.before]
        same = [each for each, now in found if runs(now) and self._is_untouched(each, now)]
        other = [(each, now) for each, now in found if each not in same]
        again = [each.name for each, now in other if runs(now) or self._has_successor(each)]
        gone = [each.name for each, now in other
                if each.name not in again and not self._ended(each, now, self.began)]
        again += [each.name for each, _ in self.stopped if runs(api.inspect(self.machine, each.id))]
        return {"untouched": len(same), "restarted": again, "lost": gone, "silent": self.silent}

    def _is_untouched(self, container, now):
        """Return whether it was not restarted; where its start is unknown, by the time of the restart."""
        started = now["State"]["StartedAt"]
        if container.started == UNKNOWN:
            return _seconds(started) < self.began
        return started == container.started

    def _has_successor(self, container):
        """Return whether another container replaced it: of its Swarm service, or with its name."""
        if container.service:
            return container.id not in self.failed
        return runs(api.inspect(self.machine, container.name))

    def _wait(self, expected):
        """Wait for what the engine starts by itself, as long as more containers start."""
        waiting = {each.id for each in expected if each.policy in _BY_ENGINE}
        deadline = time.time() + PATIENCE_S
        while waiting and time.time() < deadline:
            left = waiting - set(api.running(self.machine) or ())
            if left != waiting:
                waiting, deadline = left, time.time() + PATIENCE_S
            elif not self._any_due(left):
                return
            time.sleep(POLL_S)

    def _wait_for_services(self, tasks):
        """Wait until Swarm itself has started as many containers of each service as before."""
        deadline = time.time() + PATIENCE_S
        missing = self._missing(tasks)
        while missing and time.time() < deadline:
            time.sleep(POLL_S)
            missing = self._missing(tasks)
        for each in missing:
            self.failed[each.id] = "Swarm has not started a replacement"

    def _missing(self, tasks):
        """Return the tasks that have no running container of their service."""
        if not tasks:
            return []
        found = [api.inspect(self.machine, each) for each in api.running(self.machine) or ()]
        running = [containers.service_of(now) for now in found if now]
        missing = []
        for each in tasks:
            if each.service in running:
                running.remove(each.service)
            else:
                missing.append(each)
        return missing

    def _any_due(self, ids):
        """Return whether the engine may still start one of these: on-failure leaves one that ended with 0."""
        found = [now for now in [api.inspect(self.machine, each) for each in ids] if now]
        return any(
            now["State"]["Running"] or now["State"]["ExitCode"]
            or now["HostConfig"]["RestartPolicy"]["Name"] != "on-failure" for now in found)

    def _start(self, container, since):
        now = api.inspect(self.machine, container.id)
        if runs(now) or container.loops or self._ended(container, now, since):
            return
        if now is None:
            if not container.rm:
                self.failed[container.id] = "it no longer exists"
            return
        why = api.start(self.machine, container.id)
        if why:
            self.failed[container.id] = why

    def _ended(self, container, now, since):
        """Return whether it ended by itself: before the restart, or with 0 while live-restore kept it."""
        if now is None:
            return False
        if _seconds(now["State"]["FinishedAt"]) < since:
            return True
        was_kept = self.fate and self.fate.kept and container in self.before
        return bool(was_kept and not now["State"]["ExitCode"])

    def _why_unusable(self, container):
        now = api.inspect(self.machine, container.id)
        if not runs(now) or container.loops:
            return ""
        port = _silent_port(container) if self._is_untouched(container, now) else None
        if port is not None:
            return "its port %d does not answer" % port
        if now["State"].get("Paused") or containers.can_exec(self.machine, container.id):
            return ""
        return "no program can be started in it"

    def _silent(self, container):
        """Return which port of a restarted container does not answer yet: its program may need minutes."""
        port = _silent_port(container) if runs(api.inspect(self.machine, container.id)) else None
        return "" if port is None else "%s (port %d)" % (container.name, port)


def _silent_port(container):
    """Return the first published port that does not answer in time, or None."""
    for address, port in container.ports:
        deadline = time.time() + PORT_PATIENCE_S
        while not containers.port_answers(address, port):
            if time.time() > deadline:
                return port
            time.sleep(POLL_S)
    return None


def _seconds(text):
    """Return a time like 2026-11-25T02:28:33.19Z in seconds since 1970; negative for never."""
    whole = calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
    fraction = text[19:].rstrip("Z")
    return whole + (float("0" + fraction) if fraction[:1] == "." else 0)
