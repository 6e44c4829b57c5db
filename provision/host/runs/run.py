"""Carry out a plan: note each Change in the journal before and after, undo all in reverse at a failure."""

from ..ground.channels import ENGINES
from ..ground.errors import as_host_error
from . import detach, history, rpmlock
from .journal import Journal


def carry_out(machine, request, changes, result, of=(), cancels=False):
    """Apply ``changes`` and write the outcome into ``result``; ``of`` and ``cancels`` as in the journal."""
    if any(change.uses_rpm for change in changes):
        waited = rpmlock.wait(machine, request["lock_timeout_s"])
        result["waited"] += [waited] if waited else []
    record = Journal(machine, request["run"])
    record.open(request, changes, of, cancels)
    shown = show(changes)
    failed = apply(changes, record)
    result["containers"] = _outcome(changes)
    if failed is None:
        result.update(shown)
    else:
        result.update(error=failed.describe(), undone=failed.undone, changed=not failed.clean)
    try:
        record.close(result)
        history.forget_old(machine)
    except EnvironmentError as error:
        late = as_host_error(error)
        late.state = "the changes were made; only their record could not be written"
        result["error"] = result["error"] or late.describe()


def show(changes):
    """Return what a result says of the changes."""
    lines = [line for change in changes for line in change.lines()]
    new = [line["subject"] for line in lines if (line["kind"], line["sign"]) == ("package", "+")]
    installed = bool(ENGINES.intersection(new))
    return {"installed": installed, "changes": lines, "changed": bool(lines)}


def _outcome(changes):
    """Return what became of the containers; None when that was not examined, or could not be."""
    try:
        return next((found for found in [change.outcome for change in changes] if found), None)
    except Exception:
        return None  # The changes are made, and the result must be written.


def apply(changes, record):
    """Apply in order; return None, or the failure after the undo."""
    begun = []
    try:
        for number, change in enumerate(changes):
            record.note("begin", number=number, name=change.name)
            begun.insert(0, (number, change))
            record.tell(change.name)
            change.apply()
            record.note("done", number=number, name=change.name)
        detach.no_limit()
    except Exception as error:
        detach.no_limit()
        return _undo(begun, as_host_error(error), record)
    return None


def _undo(begun, failed, record):
    failed.undone, failed.unwritten, stuck = [], False, []
    for step in ("undo", "settle"):
        for number, change in begun:
            try:
                _note(record, failed, step, number=number)
                record.tell("undo of %s" % change.name)
                getattr(change, step)()
                failed.undone += [change.name] if step == "undo" else []
            except Exception as error:
                stuck.append("%s (%s)" % (change.name, _why(error)))
    wrong = _judged([change for _, change in begun], stuck)
    failed.clean = not wrong
    failed.state = "; ".join(wrong) or "undone: the host is as it was"
    _note(record, failed, "undone", names=failed.undone, state=failed.state)
    if failed.unwritten:
        failed.state += "; the journal could not be written"
    return failed


def _judged(changes, stuck):
    """Return why the host cannot be reported as it was; empty only after every Change was examined."""
    back, unknown = stuck, []
    for change in [] if stuck else changes:
        try:
            said = change.look()
            back += [said] if said else []
        except Exception as error:
            unknown.append("%s (%s)" % (change.name, _why(error)))
    found = (("not undone", back), ("not known to be as it was", unknown))
    return ["%s: %s" % (what, ", ".join(names)) for what, names in found if names]


def _why(error):
    error = as_host_error(error)
    return ": ".join(part for part in (error.message, error.evidence) if part)


def _note(record, failed, event, **details):
    # A full disk must not stop the undo.
    try:
        record.note(event, **details)
    except EnvironmentError:
        failed.unwritten = True
