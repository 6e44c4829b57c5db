"""What a run on this host plans and how it ends, written to disk before and after each Change.

/var/lib/provision/<run>/ holds ``journal`` (one JSON line per event), ``result`` (written last: a run without
one was killed), ``told`` once a controller has acknowledged the result, and the old content of each replaced
file. Hosts keep these files of earlier versions, so their names do not change. ``history`` reads them.
"""

import json
import os
import time

from ..ground.files import backup_name, replace_file, sync_folder

FOLDER = "/var/lib/provision"


class Journal(object):
    """The record of one run."""

    def __init__(self, machine, run):
        self.folder = os.path.join(machine.path(FOLDER), run)
        self.tell = machine.tell

    def open(self, request, changes, of=(), cancels=False):
        """Record the plan, and back up what it replaces, before anything is changed.

        ``of`` are the runs that this one undoes; ``cancels``: they had been cut short.
        """
        if not os.path.isdir(self.folder):
            os.makedirs(self.folder, 0o700)
        for change in changes:
            for path, content in change.backups():
                replace_file(os.path.join(self.folder, backup_name(path)), content, mode=0o600)
        rows = [{
            "name": change.name, "kind": change.kind, "subject": change.subject,
            "lines": [dict(line, diff="") for line in change.lines()],
            "records": change.records()} for change in changes]
        self.note(
            "plan", who=request["who"], what=request.get("what", ""), verb=request.get("verb", ""),
            of=list(of), cancels=cancels, changes=rows)

    def note(self, event, **details):
        """Append one event; it is on the disk before the call returns."""
        details.update(event=event, at=int(time.time()))
        with open(os.path.join(self.folder, "journal"), "a") as stream:
            stream.write(json.dumps(details, sort_keys=True) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(self.folder)

    def close(self, result):
        """Write the result, which ends the run."""
        text = json.dumps(result, sort_keys=True) + "\n"
        replace_file(os.path.join(self.folder, "result"), text.encode("utf-8"), mode=0o600)
