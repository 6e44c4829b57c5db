"""Take a request, do what it asks under the host's lock, and give the result."""

import json
import os
import sys
import time
from contextlib import contextmanager

from . import access, packages, plans, recover, undo
from .engine import api, kept, reboot, unit
from .ground import channels, clock, facts, secret, systems
from .ground.errors import HostError, as_host_error
from .ground.machine import Machine
from .packages import archive, kernels, repository, sources
from .runs import consent, detach, history, lock, run

ACCESS = "access"
# Begins a line that says what is being done, as a JSON string, which the controller shows. An object asks for
# members of the bundle, or announces those that follow.
STEP = "provision-step: "
# How long an engine that is just starting is waited for, before it is judged.
START_LIMIT_S = {"plan": 10, "apply": 1200}


def main(text):
    """Take a request (JSON text), print the result as one line of JSON."""
    machine, request = Machine(), secret.typed(json.loads(text))
    # A run that applies closes its standard input.
    machine.source = os.dup(0)
    result = respond(machine, request)
    sys.stdout.write(json.dumps(result, sort_keys=True) + "\n")
    sys.stdout.flush()
    if request["mode"] == "apply" and not request.get("acknowledges"):
        _acknowledge(machine, request, result)


def respond(machine, request):
    """Return the result of a request; a run that applies outlives its connection."""
    if request["mode"] == "plan":
        machine.tell = _print_step
        return answer(machine, request)

    def work(tell):
        machine.tell = tell
        return answer(machine, request)

    try:
        return detach.run(work, _print_step)
    except Exception as error:
        failed = as_host_error(error)
        failed.state = "unknown until the next run, which looks"
        return dict(_empty(), error=failed.describe())


def _print_step(words):
    # The connection may be gone; the work goes on.
    try:
        sys.stdout.write("%s%s\n" % (STEP, json.dumps(words)))
        sys.stdout.flush()
    except (IOError, OSError):
        pass


def answer(machine, request):
    """Do what the request asks, here and now; every failure becomes part of the result."""
    apart = time.time() - request["now"]
    attempt = _ATTEMPTS.get(request.get("verb"), Converge)(machine, request)
    result = attempt.result
    try:
        attempt.run()
    except Exception as error:
        result["error"] = as_host_error(error).describe()
    result["error"] = clock.explain(result["error"], apart)
    if not request["diff"]:
        for line in result["changes"]:
            line["diff"] = ""
    return result


def _empty():
    return {
        "system": "", "changed": False, "changes": [], "undone": [], "earlier": [], "error": None,
        "installed": False, "consent": None, "containers": None, "waited": [],
        "mirrors": [], "passed_over": [], "locked": None, "reboot": None}


class Attempt(object):
    """One request on this host: ``unended`` are the earlier runs that it ends, ``result`` is its answer.

    ``fetches``: whichever Changes it makes, they may need packages.
    """

    fetches = False

    def __init__(self, machine, request):
        self.machine = machine
        self.request = request
        self.applies = request["mode"] == "apply"
        self.unended = []
        self.has_finished = False
        self.result = _empty()

    def run(self):
        """Plan, or apply under the host's lock; what goes wrong is raised."""
        if not self.applies:
            # While another run is at work, one without a result was not cut short.
            self.unended = [] if lock.taken(self.machine) else self.find_unended()
            self.work()
            return
        with lock.held(self.machine, self.request):
            detach.limit()
            self.result["earlier"] = history.unacknowledged(self.machine)
            self.unended = self.find_unended()
            recover.clear(self.machine, self.unended, self.request["lock_timeout_s"])
            self.work()

    def find_unended(self):
        """Return the runs that were cut short, of those that this one can end."""
        return [past for past in history.unended(self.machine) if self.ends(past)]

    def ends(self, past):
        """Return whether this run can end ``past``: access runs and engine runs recover separately."""
        return past.verb != ACCESS

    def work(self):
        """Plan the Changes, and do them where the request applies."""
        raise NotImplementedError

    @contextmanager
    def engine(self):
        """Look at the host; yield its facts, the state of docker's unit, and its package manager."""
        observed = facts.gather(self.machine)
        self.result["system"] = observed.system
        solver = self.solver(observed)
        docker = unit.await_start(self.machine, START_LIMIT_S[self.request["mode"]])
        self.machine.engine_sleeps = not docker.active
        try:
            self._choose(observed, solver)
            yield observed, docker, solver
        finally:
            self.result["waited"] += solver.waited
            self.result["mirrors"] += solver.mirrors
            self.result["passed_over"] += solver.repos.passed_over
            self.result["system"] += archive.words(observed, solver.repos)
            solver.close()

    def solver(self, observed):
        """Return the host's package manager; raise for a host that is not supported, or a foreign bundle."""
        name = systems.supported(observed, self.request["desired"]["channel"]).manager
        facts.refuse_unfit(self.machine, observed, name)
        bundle = self._bundle(observed) if self.request.get("bundle") else None
        patience_s = self.request["lock_timeout_s"] if self.applies else None
        solver = packages.SOLVERS[name](self.machine, repository.REPO_FILE, "", patience_s, bundle)
        solver.repos.with_archive = self.request["desired"]["accept_eol"] and bool(archive.ended(observed))
        return solver

    def _bundle(self, observed):
        # Imported here, as few runs have one: it loads some fifty modules of Python's own.
        from .packages.bundle import BundleSource

        channels.refuse_bundle(self.request["desired"])
        bundle = BundleSource(self.machine, self.request["bundle"])
        bundle.refuse_elsewhere(observed)
        return bundle

    def _choose(self, observed, solver):
        """Give ``solver`` its repository; where packages may be needed at once, the mirrors are asked."""
        desired = self.request["desired"]
        if desired["channel"] == channels.DISTRO:
            return  # The host's own repositories.
        chosen = sources.offhand(self.machine, observed, desired)
        solver.take(repository.repo_text(observed, chosen), chosen.get("ca"))
        if self.unended or self.fetches:
            try:
                chosen = repository.settle(self.machine, observed, desired, solver, True)
            except HostError as error:
                # There may be nothing to fetch; if there is, that fails.
                solver.mirrors.append(error.evidence)
            self.request = dict(self.request, desired=chosen)

    def finish_packages(self, docker, solver, pasts, again):
        """End transactions that were cut off.

        Their scriptlets restart the engine, so what runs is kept, or asked about.
        """
        halves = recover.halves(self.machine, solver, pasts, again) if self.applies else []
        if not halves:
            return
        fate = kept.fate(self.machine, docker, halves, api.info(self.machine))
        changes = kept.around(self.machine, fate, halves)
        consent.expect(self.machine, self.request, changes, self.result)
        recover.finish(self.machine, changes)
        self.has_finished = True

    def do(self, changes, of=(), cancels=False):
        """Show the Changes, or carry them out; ``of`` and ``cancels`` as in the journal."""
        try:
            consent.expect(self.machine, self.request, changes, self.result)
        except HostError as error:
            if self.has_finished:
                error.state = "packages that an earlier run left half are whole; nothing else was changed"
            raise
        if not self.applies:
            self.result.update(run.show(changes))
        elif changes:
            run.carry_out(self.machine, self.request, changes, self.result, of, cancels)

    def close(self, pasts, how):
        """Mark ``pasts`` as ended by this run, ``how`` "completed" or "undone"; unless it has failed."""
        if self.result["error"] is not None:
            return
        self.result["changed"] = bool(self.result["changes"])
        if self.applies:
            self.result["earlier"] += [
                history.close_cut_short(self.machine, past, self.request["run"], how) for past in pasts]


class Converge(Attempt):
    """Bring the engine to its desired state: present or absent."""

    def work(self):
        """Finish what was cut short, then plan from what is there."""
        present = self.request["desired"]["state"] != "absent"
        with self.engine() as (observed, docker, solver):
            desired = self._desired()
            self.finish_packages(docker, solver, self.unended, present)
            if present:
                changes = plans.present(
                    self.machine, docker, observed, desired, solver, self.unended, self.request.get("reboot"))
            else:
                changes = plans.absent(self.machine, docker, desired, solver, self.request.get("purge_data"))
            if self._does_up_to_reboot(changes):
                return
            self.do(changes)
            if (desired.get("lock") or {}).get("make") and not self.applies:
                channel = channels.of(observed, desired)
                self.result["locked"] = plans.lock_entry(self.machine, observed, channel, solver, changes)
        if self.result["error"] is None:
            self.result["changes"] = [recover.line(past) for past in self.unended] + self.result["changes"]
        self.close(self.unended, "completed")

    def _does_up_to_reboot(self, changes):
        """Do the Changes up to a Reboot, if there is one; the next request ends what was cut short."""
        now, last = reboot.up_to_reboot(changes)
        if last is None or not self.applies:
            return False
        self.do(now)
        if self.result["error"] is None:
            self.result.update(reboot=last.order, changed=True)
        return True

    def _desired(self):
        halves = [record for past in self.unended for record in recover.half_packages(past)]
        if any(channels.ENGINES.intersection(record["before"]) for record in halves):
            # The engine that is installed may be a mixture, and no answer to "latest".
            return dict(self.request["desired"], upgrade=True)
        return self.request["desired"]


class Undo(Attempt):
    """Take back the last run that changed the host, or those that were cut short."""

    fetches = True

    def work(self):
        """Take them back; an undo that was killed is no half way back: it is finished."""
        self.pasts = pasts = self._pasts()
        undos = [past for past in self.unended if past.of]
        others = [past for past in self.unended if not past.of]
        with self.engine() as (_, docker, solver):
            self.finish_packages(docker, solver, undos, True)
            changes = undo.plan(self.machine, solver, docker, pasts, any(past.cut_short() for past in undos))
            self.do(changes, [past.run for past in pasts], bool(others))
        self.close(others, "undone")
        self.close(undos, "completed")

    def _choose(self, observed, solver):
        Attempt._choose(self, observed, solver)
        desired = self.request["desired"]
        if desired["channel"] == channels.DISTRO:
            # What is undone may have taken Docker's packages away, and their repository with them.
            solver.take(undo.repository_text(self.pasts), desired.get("ca"))

    def _pasts(self):
        pasts = history.to_undo(self.machine, self.unended)
        if pasts and not self.unended and pasts[0].of and not pasts[0].acknowledged():
            # The undo that is asked for once more was made, and its result was not acknowledged.
            self.result["earlier"] = self.result["earlier"] or [pasts[0].entry()]
            return []
        return pasts


class SetAccess(Attempt):
    """Change who gets in."""

    def ends(self, past):
        """Return whether ``past`` was cut short in the same change of who gets in."""
        return past.verb == ACCESS and past.what == self.request["what"]

    def work(self):
        """Change what the request names, on any system."""
        self.result["system"] = facts.gather(self.machine).system
        self.do(access.plan(self.machine, self.request))
        self.close(self.unended, "completed")


class Reboot(Attempt):
    """Reboot the host, as the result of an earlier request of the same run has said."""

    def ends(self, past):
        """Return False: the request after the reboot ends them."""
        return False

    def work(self):
        """Begin the reboot; it comes a moment after the answer."""
        is_allowed = self.request.get("disruption") == "allow"
        reboot.begin(self.machine, self.request["reboot"], kernels.stopped(self.machine), is_allowed)


class Collect(Attempt):
    """Fetch the packages for hosts that reach no repository."""

    def work(self):
        """Announce the packages, and send them on request."""
        from .packages import collect

        observed = facts.gather(self.machine)
        collect.collect(self.machine, observed, self.request["desired"], self.solver(observed))


_ATTEMPTS = {"undo": Undo, ACCESS: SetAccess, "collect": Collect, "reboot": Reboot}


def _acknowledge(machine, request, result):
    # Nothing acknowledges the result here: what is printed counts as acknowledged.
    runs = [request["run"]] + [entry["run"] for entry in result["earlier"]]
    try:
        history.acknowledge(history.ended_unacknowledged(machine, runs))
    except EnvironmentError:
        return  # It is reported once more.
