"""What earlier runs on this host left in their journals: cut short, untold, what can be undone."""

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


class Past(object):
    """One earlier run, read from its journal."""

    def __init__(self, machine, run):
        self.run = run
        self.folder = os.path.join(machine.path(FOLDER), run)
        events = _events(machine.text("%s/%s/journal" % (FOLDER, run)))
        plan = next((event for event in events if event["event"] == "plan"), {})
        # Without a plan on the disk nothing was begun.
        self.planned = bool(plan)
        self.who = plan.get("who", "")
        self.at = plan.get("at", 0)
        self.verb = plan.get("verb", "")
        self.what = plan.get("what", "")
        self.of = plan.get("of", [])
        self.cancels = plan.get("cancels", False)
        self.changes = [_typed(change) for change in plan.get("changes", [])]
        # When it last said something, in seconds since 1970.
        self.last_at = max([event.get("at", 0) for event in events] or [0])
        self.begun = _numbers(events, "begin")
        came_to_end = _numbers(events, "done")
        self.broke_off = self.begun - came_to_end
        # What a failing run had begun to take back is not done any more.
        self.done = came_to_end - _numbers(events, "undo")
        self.result = _result(machine, run)

    @property
    def ended(self):
        """Did it come to an end? A killed one has no result; one whose undo stuck has left the host half."""
        return self.result is not None and not (self.result.get("error") and self.result.get("changed"))

    @property
    def touched(self):
        """What it began, in its order: (change, was it left half?) pairs."""
        return [(change, number not in self.done)
                for number, change in enumerate(self.changes) if number in self.begun]

    def left(self):
        """Give the names of the Changes that it did not end."""
        return [change["name"] for number, change in enumerate(self.changes) if number not in self.done]

    def cut_short(self):
        """May it have written what a running engine has not read yet?"""
        return bool(self.left()) and any(_is_engines(change) for change, _ in self.touched)

    def told(self):
        """Has a controller heard its result?"""
        return os.path.exists(os.path.join(self.folder, "told"))

    def lasts(self):
        """Did it leave the host other than it was, in a way that an undo knows how to take back?"""
        changed = bool(self.result and self.result.get("changed")) and not self.cancels
        return changed and (self.verb != "access" or any(change["records"] for change in self.changes))

    def entry(self):
        """Give it as a result tells of it."""
        result = self.result or {}
        undone = result.get("error") and not result.get("changed")
        lines = [line for change in self.changes for line in change["lines"]]
        return {
            "run": self.run, "who": self.who, "at": self.at, "changes": lines,
            "how": result.get("how") or ("undone" if undone else "finished"), "error": result.get("error")}


def runs(machine):
    """Give all earlier runs that had a plan, the newest first."""
    known = [name for name in _names(machine) if os.path.isfile(_journal(machine, name))]
    known.sort(key=lambda name: os.path.getmtime(_journal(machine, name)), reverse=True)
    return [past for past in (Past(machine, name) for name in known) if past.planned]


def unended(machine):
    """Give the runs that were cut short, the newest first; while the lock is held, none is still at work."""
    return [past for past in runs(machine) if not past.ended]


def untold(machine):
    """Give what no controller has heard yet, the oldest first."""
    every = runs(machine)
    return [past.entry() for past in reversed(not_told(machine, [past.run for past in every]))]


def to_undo(machine, dead):
    """Give the runs that going back to before the last change means, the newest first.

    Those that were cut short (``dead``); else the last one that changed the host, and what it finished.
    """
    every = runs(machine)
    if dead:
        return [past for each in dead for past in _meant(every, each)]
    last = next((past for past in every if past.lasts()), None)
    return [] if last is None else [last] + _finished_by(every, last.run)


def _meant(every, dead):
    # A killed undo is not undone: it is finished.
    return [past for past in every if past.run in dead.of] if dead.of else [dead]


def _finished_by(every, run):
    mine = [past for past in every if past.result and past.result.get("finished_by") == run]
    return [past for each in mine for past in [each] + _finished_by(every, each.run)]


def broke_off(machine, package):
    """Return whether the last transaction of ours on ``package`` never came to its end, undone or not."""
    for past in runs(machine):
        for number, change in enumerate(past.changes):
            moved = [each["before"] for each in change["records"] if each["kind"] == "packages"]
            if number in past.begun and any(package in before for before in moved):
                return number in past.broke_off
    return False


def close_cut_short(machine, past, by, how):
    """Mark a cut-short run as ended, ``how`` "completed" or "undone" by run ``by``; return its entry."""
    Journal(machine, past.run).close(
        {"error": None, "how": how, "finished_by": by, "changed": how == "completed" and bool(past.touched)})
    return Past(machine, past.run).entry()


def not_told(machine, names):
    """Give those of the runs that came to an end and are not marked as told."""
    pasts = [past for past in runs(machine) if past.run in names]
    return [past for past in pasts if past.ended and not past.told()]


def mark_told(pasts):
    """Note that a controller has heard of these runs."""
    for past in pasts:
        open(os.path.join(past.folder, "told"), "w").close()


def forget_old(machine):
    """Remove all but the newest runs."""
    for past in runs(machine)[KEPT_RUNS:]:
        shutil.rmtree(past.folder, ignore_errors=True)


def forget_unborn(machine):
    """Remove what is left of runs that ended before they had a plan; the lock is held."""
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
    """Return a change of a journal; those of earlier versions have names in the place of kinds."""
    if "kind" in change:
        return change
    return dict(change, lines=[_typed_line(line) for line in change["lines"]], **_parted(change["name"]))


def _typed_line(old):
    parted = _parted(old["name"])
    brief = old["after"].rpartition(" ")[2] if parted["kind"] == "service" else ""
    mark = old.get("sign") or sign(old["before"], old["after"])
    found = line(before=old["before"], after=old["after"], sign=mark, **parted)
    return dict(found, brief=brief, **{word: old[word] for word in old if word in found})


def _parted(name):
    kind, _, subject = name.partition(" ")
    return {"kind": kind, "subject": subject}


def _is_engines(change):
    is_setting = change["kind"] == "file" and change["subject"].startswith(_SETTINGS)
    return is_setting or change["kind"] in _ENGINES


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
