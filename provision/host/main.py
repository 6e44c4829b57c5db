"""The list: observe, plan, and in a run that applies: change in order, undo in reverse."""

import json
import sys
import time
from contextlib import contextmanager

from . import clock, daemon, detach, dnf, facts, journal, lock, packages, repository, rpmlock, service
from .errors import as_host_error
from .machine import Machine


def main(text):
    """Take a request (JSON text), print the result as one line of JSON."""
    sys.stdout.write(json.dumps(respond(Machine(), json.loads(text)), sort_keys=True) + "\n")


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
    try:
        if request["mode"] == "plan":
            _plan_only(machine, request, result)
        else:
            with lock.held(machine, request["who"], request["run"], request["lock_timeout_s"]):
                _converge(machine, request, result)
    except Exception as error:
        result["error"] = as_host_error(error).describe()
    result["error"] = clock.explain(result["error"], apart)
    if not request["diff"]:
        for line in result["changes"]:
            line["diff"] = ""
    return result


def _empty():
    return {"system": "", "changed": False, "changes": [], "undone": [], "error": None}


def _plan_only(machine, request, result):
    with _planned(machine, request, result) as changes:
        _show(changes, result)


def _converge(machine, request, result):
    killed = journal.unfinished(machine)
    with _planned(machine, request, result) as changes:
        if changes:
            _carry_out(machine, request, changes, result)
    if result["error"] is None:
        _settle(machine, killed, request["run"])


def _settle(machine, killed, by):
    for run in killed:
        dnf.sweep(machine, run)
        journal.close_killed(machine, run, by)


def _carry_out(machine, request, changes, result):
    if any(change.uses_rpm for change in changes):
        rpmlock.wait(machine, request["lock_timeout_s"])
    record = journal.Journal(machine, request["run"])
    record.open(request["who"], changes)
    failed = apply(changes, record)
    if failed is None:
        _show(changes, result)
    else:
        result.update(error=failed.describe(), undone=failed.undone, changed=not failed.clean)
    try:
        record.close(result)
        journal.forget_old(machine)
    except EnvironmentError as error:
        late = as_host_error(error)
        late.state = "the changes were made; only their record could not be written"
        result["error"] = result["error"] or late.describe()


def _show(changes, result):
    result["changes"] = [line for change in changes for line in change.lines()]
    result["changed"] = bool(result["changes"])


@contextmanager
def _planned(machine, request, result):
    desired = request["desired"]
    observed = facts.gather(machine)
    result["system"] = observed.system
    text = repository.repo_text(observed, desired)
    facts.refuse_unfit(machine, observed)
    solver = dnf.Dnf(machine, request["run"], repository.REPO_FILE, text)
    try:
        yield _list(machine, observed, desired, solver)
    finally:
        solver.close()


def _list(machine, observed, desired, solver):
    installed = packages.Installed(machine)
    unit = service.Unit(machine)
    if desired["state"] == "absent":
        return (
            service.plan_absent(machine, unit) + packages.plan_absent(machine, solver, installed)
            + daemon.plan_absent(machine) + repository.plan_absent(machine, desired, installed.keys))
    source = repository.plan(machine, observed, desired, installed.keys)
    software = packages.plan(machine, solver, installed, desired)
    settings = daemon.plan(machine, desired, unit.command)
    restart = settings or any(change.restarts_engine() for change in software) or _cut_short(machine)
    return source + software + settings + service.plan(machine, unit, bool(restart))


def _cut_short(machine):
    # A killed run may have written what the engine has not read yet.
    return any(name.startswith(("packages", "file", "restart", "service"))
               for names in journal.unfinished(machine).values() for name in names)


def apply(changes, record):
    """Apply in order. Give None, or the failure with what is undone: then the host is as before."""
    begun = []
    try:
        for change in changes:
            record.note("begin", name=change.name)
            begun.insert(0, change)
            change.apply()
            record.note("done", name=change.name)
    except Exception as error:
        return _undo(begun, as_host_error(error), record)
    return None


def _undo(begun, failed, record):
    failed.undone, stuck = [], []
    for step, changes in (("undo", begun), ("settle", begun)):
        for change in changes:
            try:
                getattr(change, step)()
                failed.undone += [change.name] if step == "undo" else []
            except Exception as error:
                stuck.append("%s (%s)" % (change.name, as_host_error(error).message))
    failed.clean = not stuck
    failed.state = "undone: the host is as it was" if not stuck else "not undone: " + ", ".join(stuck)
    _note_undone(record, failed)
    return failed


def _note_undone(record, failed):
    try:
        record.note("undone", names=failed.undone, state=failed.state)
    except EnvironmentError:
        failed.state += "; the journal could not be written"
