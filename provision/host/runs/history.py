"""Earlier runs on this host, from their journals: cut short, unacknowledged, or what can be undone."""

import errno
import json
import os
import shutil

from ..ground.change import line, sign
from .journal import FOLDER, Journal

KEPT_RUNS = 10
# The kinds of Changes to what a running engine was started with, and the folder of such files.
_ENGINES = ("packages", "restart", "service", "reload")
_SETTINGS = "/etc/docker/"
# Marks a result that a controller has acknowledged; the name is kept for hosts of earlier versions.
_ACKNOWLEDGED = "told"


class Past(object):
    """One earlier run, read from its journal."""

    def __init__(self, machine, run):
        self.run = run
        self.folder = os.path.join(machine.path(FOLDER), run)
        events = _events(machine.text("%s/%s/journal" % (FOLDER, run)))
        plan = next((event for event in events if event["event"] == "plan"), {})
        # Without a plan on the disk no Change was begun.
        self.planned = bool(plan)
        self.who = plan.get("who", "")
        self.at = plan.get("at", 0)
        self.verb = plan.get("verb", "")
        self.what = plan.get("what", "")
        self.of = plan.get("of", [])
        self.cancels = plan.get("cancels", False)
        self.changes = [_typed(change) for change in plan.get("changes", [])]
        # The time of its last event, in seconds since 1970.
        self.last_at = max([event.get("at", 0) for event in events] or [0])
        self.begun = _numbers(events, "begin")
        completed = _numbers(events, "done")
        self.broke_off = self.begun - completed
        # A Change whose undo had begun is not done any more.
        self.done = completed - _numbers(events, "undo")
        self.result = _result(machine, run)

    @property
    def ended(self):
        """Whether it ended: a killed run has no result, one whose undo failed left the host half changed."""
        return self.result is not None and not (self.result.get("error") and self.result.get("changed"))

    @property
    def touched(self):
        """What it began, in order, as (change, whether it was left incomplete) pairs."""
        return [(change, number not in self.done)
                for number, change in enumerate(self.changes) if number in self.begun]

    def left(self):
        """Return the names of the Changes that it did not complete."""
        return [change["name"] for number, change in enumerate(self.changes) if number not in self.done]

    def cut_short(self):
        """Return whether it may have written what a running engine has not read yet."""
        unread = [change for change, _ in self.touched if change["kind"] in _ENGINES or (
            change["kind"] == "file" and change["subject"].startswith(_SETTINGS))]
        return bool(self.left() and unread)

    def acknowledged(self):
        """Return whether a controller has acknowledged its result."""
        return os.path.exists(os.path.join(self.folder, _ACKNOWLEDGED))

    def lasts(self):
        """Return whether it changed the host in a way that can be undone."""
        changed = bool(self.result and self.result.get("changed")) and not self.cancels
        return changed and (self.verb != "access" or any(change["records"] for change in self.changes))

    def entry(self):
        """Return its entry under "earlier" in a result."""
        result = self.result or {}
        undone = result.get("error") and not result.get("changed")
        lines = [line for change in self.changes for line in change["lines"]]
        return {
            "run": self.run, "who": self.who, "at": self.at, "changes": lines,
            "how": result.get("how") or ("undone" if undone else "finished"), "error": result.get("error")}


def runs(machine):
    """Return all earlier runs that had a plan, newest first."""
    known = [name for name in _names(machine) if os.path.isfile(_journal(machine, name))]
    known.sort(key=lambda name: os.path.getmtime(_journal(machine, name)), reverse=True)
    return [past for past in (Past(machine, name) for name in known) if past.planned]


def unended(machine):
    """Return the runs that were cut short, newest first; the caller holds the lock, so none is running."""
    return [past for past in runs(machine) if not past.ended]


def unacknowledged(machine):
    """Return the entries of the runs that no controller has acknowledged, oldest first."""
    every = runs(machine)
    return [past.entry() for past in reversed(ended_unacknowledged(machine, [past.run for past in every]))]


def to_undo(machine, dead):
    """Return the runs to undo in order to go back to before the last change, newest first.

    These are the ones cut short (``dead``), else the last one that changed the host and those it finished.
    """
    every = runs(machine)
    if dead:
        # A killed undo is finished, not undone.
        meant = [[past for past in every if past.run in each.of] if each.of else [each] for each in dead]
        return [past for pasts in meant for past in pasts]
    last = next((past for past in every if past.lasts()), None)
    return [] if last is None else [last] + _finished_by(every, last.run)


def _finished_by(every, run):
    mine = [past for past in every if past.result and past.result.get("finished_by") == run]
    return [past for each in mine for past in [each] + _finished_by(every, each.run)]


def broke_off(machine, package):
    """Return whether our last transaction on ``package`` did not complete, whether it was undone or not."""
    for past in runs(machine):
        for number, change in enumerate(past.changes):
            moved = [each["before"] for each in change["records"] if each["kind"] == "packages"]
            if number in past.begun and any(package in before for before in moved):
                return number in past.broke_off
    return False


def close_cut_short(machine, past, by, how):
    """Mark a run as ended, "completed" or "undone" (``how``) by the run ``by``, and return its entry."""
    Journal(machine, past.run).close(
        {"error": None, "how": how, "finished_by": by, "changed": how == "completed" and bool(past.touched)})
    return Past(machine, past.run).entry()


def ended_unacknowledged(machine, names):
    """Return those of the named runs that have ended and are not acknowledged."""
    pasts = [past for past in runs(machine) if past.run in names]
    return [past for past in pasts if past.ended and not past.acknowledged()]


def acknowledge(pasts):
    """Mark the results of these runs as acknowledged."""
    for past in pasts:
        open(os.path.join(past.folder, _ACKNOWLEDGED), "w").close()


def forget_old(machine):
    """Remove all but the newest runs."""
    for past in runs(machine)[KEPT_RUNS:]:
        shutil.rmtree(past.folder, ignore_errors=True)


def forget_unplanned(machine):
    """Remove the folders of runs that ended before they had a plan; the caller holds the lock."""
    known = {past.run for past in runs(machine)}
    for name in _names(machine):
        folder = os.path.join(machine.path(FOLDER), name)
        if os.path.isdir(folder) and name not in known:
            shutil.rmtree(folder, ignore_errors=True)


def _names(machine):
    try:
        return os.listdir(machine.path(FOLDER))
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return []


def _journal(machine, run):
    return os.path.join(machine.path(FOLDER), run, "journal")


def _events(text):
    found = []
    for row in text.splitlines():
        try:
            event = json.loads(row)
        except ValueError:
            continue  # A power cut can leave half a line.
        if isinstance(event, dict) and "event" in event:
            found.append(event)
    return found


def _typed(change):
    """Return a change of a journal; earlier versions wrote names instead of kinds."""
    if "kind" in change:
        return change
    lines = []
    for old in change["lines"]:
        parted = _parted(old["name"])
        brief = old["after"].rpartition(" ")[2] if parted["kind"] == "service" else ""
        mark = old.get("sign") or sign(old["before"], old["after"])
        found = line(before=old["before"], after=old["after"], sign=mark, **parted)
        lines.append(dict(found, brief=brief, **{word: old[word] for word in old if word in found}))
    return dict(change, lines=lines, **_parted(change["name"]))


def _parted(name):
    kind, _, subject = name.partition(" ")
    return {"kind": kind, "subject": subject}


def _numbers(events, kind):
    return {event.get("number") for event in events if event["event"] == kind}


def _result(machine, run):
    if not os.path.isfile(os.path.join(machine.path(FOLDER), run, "result")):
        return None
    try:
        found = json.loads(machine.text("%s/%s/result" % (FOLDER, run)))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
