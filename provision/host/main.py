"""Take a request, do what it asks under the host's lock, and give the result."""

import json
import sys
import time
from contextlib import contextmanager

from . import access, packages, plans, recover, undo
from .engine import api, kept, unit
from .ground import clock, facts, secret
from .ground.errors import as_host_error
from .ground.machine import Machine
from .packages import dnf, repository
from .runs import consent, detach, history, lock, run


ACCESS = "access"
# How long an engine that is just starting is waited for, before it is judged.
START_LIMIT_S = {"plan": 10, "apply": 1200}


def main(text):
    """Take a request (JSON text), print the result as one line of JSON."""
    machine, request = Machine(), secret.typed(json.loads(text))
    result = respond(machine, request)
    sys.stdout.write(json.dumps(result, sort_keys=True) + "\n")
    sys.stdout.flush()
    if request["mode"] == "apply" and not request.get("acknowledges"):
        _note_told(machine, request, result)


def respond(machine, request):
    """Give the result of a request; a run that applies outlives its connection."""
    if request["mode"] == "plan":
        return answer(machine, request)
    try:
        return detach.run(lambda: answer(machine, request))
    except Exception as error:
        failed = as_host_error(error)
        failed.state = "unknown until the next run, which looks"
        return dict(_empty(), error=failed.describe())


def answer(machine, request):
    """Do what the request asks, here and now; every failure becomes part of the result."""
    result, apart = _empty(), time.time() - request["now"]
    work = _WORKS.get(request.get("verb"), _converge)
    try:
        if request["mode"] == "plan":
            # While another run is at work, one without a result was not cut short.
            work(machine, request, result, [] if lock.taken(machine) else _unended(machine, request))
        else:
            with lock.held(machine, request):
                _apply(machine, request, result, work)
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
        "installed": False, "consent": None, "containers": None, "waited": []}


def _apply(machine, request, result, work):
    detach.limit()
    result["earlier"] = history.unacknowledged(machine)
    unended = _unended(machine, request)
    recover.clear(machine, unended, request["lock_timeout_s"])
    work(machine, request, result, unended)


def _converge(machine, request, result, unended):
    desired, applies = request["desired"], request["mode"] == "apply"
    halves = [record for past in unended for record in recover.half_packages(past)]
    if any(packages.ENGINE[0] in record["before"] for record in halves):
        # The engine that is installed may be a mixture, and no answer to "latest".
        desired = dict(desired, upgrade=True)
    with _observed(machine, request, result) as (observed, docker, solver):
        if applies:
            _finish_packages(
                machine, request, result, docker, recover.halves(machine, solver, unended, desired["state"] == "present"))
        if desired["state"] == "absent":
            changes = plans.absent(machine, docker, desired, solver, request.get("purge_data"))
        else:
            changes = plans.present(machine, docker, observed, desired, solver, unended)
        _do(machine, request, result, changes)
    if result["error"] is None:
        result["changes"] = [recover.line(past) for past in unended] + result["changes"]
        _close(machine, request, result, unended, "completed")


def _undo(machine, request, result, unended):
    pasts = history.to_undo(machine, unended)
    if pasts and not unended and pasts[0].of and not pasts[0].acknowledged():
        # The undo that is asked for once more was made, and nobody heard of it.
        result["earlier"] = result["earlier"] or [pasts[0].entry()]
        pasts = []
    # A killed undo is no half way back: it is finished.
    undos = [past for past in unended if past.of]
    others = [past for past in unended if not past.of]
    with _observed(machine, request, result) as (_, docker, solver):
        if request["mode"] == "apply":
            _finish_packages(machine, request, result, docker, recover.halves(machine, solver, undos, True))
        changes = undo.plan(
            machine, solver, packages.Installed(machine), docker, pasts,
            any(past.cut_short() for past in undos))
        _do(machine, request, result, changes, [past.run for past in pasts], bool(others))
    if result["error"] is None:
        _close(machine, request, result, others, "undone")
        _close(machine, request, result, undos, "completed")


def _finish_packages(machine, request, result, docker, halves):
    """End transactions that were cut off; their scriptlets restart the engine, so what runs is kept, or asked about."""
    if not halves:
        return
    fate = kept.fate(machine, docker, halves, api.info(machine))
    changes = kept.around(machine, fate, halves)
    consent.expect(machine, request, changes, result)
    recover.finish(machine, changes)


def _access(machine, request, result, unended):
    result["system"] = facts.gather(machine).system
    _do(machine, request, result, access.plan(machine, request))
    if result["error"] is None:
        _close(machine, request, result, unended, "completed")


def _unended(machine, request):
    """Give the runs that were cut short, of those that this one can end: who gets in is no matter of the engine."""
    about = request["what"] if request.get("verb") == ACCESS else None
    return [past for past in history.unended(machine) if about == (past.what if past.verb == ACCESS else None)]


@contextmanager
def _observed(machine, request, result):
    observed = facts.gather(machine)
    result["system"] = observed.system
    text = repository.repo_text(observed, request["desired"])
    facts.refuse_unfit(machine, observed)
    applies = request["mode"] == "apply"
    docker = unit.await_start(machine, START_LIMIT_S[request["mode"]])
    machine.engine_sleeps = not docker.active
    solver = dnf.Dnf(machine, repository.REPO_FILE, text, request["lock_timeout_s"] if applies else None)
    try:
        yield observed, docker, solver
    finally:
        result["waited"] += solver.waited
        solver.close()


def _do(machine, request, result, changes, of=(), cancels=False):
    consent.expect(machine, request, changes, result)
    if request["mode"] == "plan":
        run.show(changes, result)
    elif changes:
        run.carry_out(machine, request, changes, result, of, cancels)


def _close(machine, request, result, unended, how):
    result["changed"] = bool(result["changes"])
    if request["mode"] == "apply":
        result["earlier"] += [history.close_cut_short(machine, past, request["run"], how) for past in unended]


def _note_told(machine, request, result):
    # Nobody will say that it was heard: what is printed counts as told.
    told = [request["run"]] + [entry["run"] for entry in result["earlier"]]
    try:
        history.acknowledge(history.ended_unacknowledged(machine, told))
    except EnvironmentError:
        return  # It is told once more.


_WORKS = {"undo": _undo, ACCESS: _access}
