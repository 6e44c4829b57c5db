"""What a run on this host set out to do and how it ended, so that a killed run is seen by the next.

/var/lib/provision/<run>/ holds ``journal`` (one JSON line an event), ``result`` (written last:
a run without one was killed) and the old content of each file that was replaced.
"""

import errno
import json
import os
import shutil
import time

from .change import replace_file, sync_folder

FOLDER = "/var/lib/provision"
KEPT_RUNS = 10


class Journal(object):
    """The record of one run."""

    def __init__(self, machine, run):
        self.folder = os.path.join(machine.path(FOLDER), run)

    def open(self, who, changes):
        """Write down who wants what, and keep what will be replaced, before anything is changed."""
        if not os.path.isdir(self.folder):
            os.makedirs(self.folder, 0o700)
        for change in changes:
            for path, content in change.backups():
                name = path.strip("/").replace("/", "%")
                replace_file(os.path.join(self.folder, name), content, mode=0o600)
        self.note("plan", who=who, changes=[change.name for change in changes])

    def note(self, event, **details):
        """Append one event; on the disk before the call returns."""
        details.update(event=event, at=int(time.time()))
        with open(os.path.join(self.folder, "journal"), "a") as stream:
            stream.write(json.dumps(details, sort_keys=True) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(self.folder)

    def close(self, result):
        """Write the result: from now on the run has ended."""
        text = json.dumps(result, sort_keys=True) + "\n"
        replace_file(os.path.join(self.folder, "result"), text.encode("utf-8"), mode=0o600)


def unfinished(machine):
    """Give the runs that were killed, each with the names of the Changes it did not end."""
    return {run: _left(machine, run) for run in _runs(machine) if not _has(machine, run, "result")}


def close_killed(machine, run, by):
    """Mark a killed run as ended: run ``by`` has brought the host to its goal."""
    Journal(machine, run).close({"error": {"kind": "killed"}, "finished_by": by})


def forget_old(machine):
    """Remove all but the newest runs."""
    for run in _runs(machine)[:-KEPT_RUNS]:
        shutil.rmtree(os.path.join(machine.path(FOLDER), run), ignore_errors=True)


def _runs(machine):
    try:
        names = os.listdir(machine.path(FOLDER))
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return []
    runs = [name for name in names if _has(machine, name, "journal")]
    return sorted(runs, key=lambda name: _age(machine, name))


def _age(machine, run):
    return os.path.getmtime(os.path.join(machine.path(FOLDER), run, "journal"))


def _has(machine, run, name):
    return os.path.isfile(os.path.join(machine.path(FOLDER), run, name))


def _left(machine, run):
    planned, done = [], set()
    for line in machine.text("%s/%s/journal" % (FOLDER, run)).splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # A power cut can leave half a line.
        planned += event.get("changes", [])
        if event["event"] == "done":
            done.add(event["name"])
    return [name for name in planned if name not in done]
