"""Registry logins for root's docker, in /root/.docker/config.json; only registry names are shown."""

import base64
import os

from ..ground import secret
from ..ground.change import THERE, Together
from ..ground.files import FileChange, is_open, private
from ..ground.jsonfile import dump, parse

FILE = "/root/.docker/config.json"
# The registries whose logins are ours, and whether we created the folder.
OURS = "/var/lib/provision/registry-logins.json"


class _Hidden(FileChange):
    """A file without a diff."""

    def __init__(self, *words, **named):
        FileChange.__init__(self, *words, **named)
        self.diff = ""


def plan(machine, desired):
    """Return the Changes that add the logins in ``desired`` for root's docker, and remove our others."""
    wanted = {}
    for name, login in secret.revealed(desired.get("registry_logins") or {}).items():
        pair = "%s:%s" % (login["username"], login["password"])
        # The encoded text is as secret as the password.
        coded = secret.SecretText(base64.b64encode(pair.encode("utf-8")).decode("ascii"))
        wanted[name] = {"auth": coded.reveal()}
    ours, folder_is_ours = _record(machine)
    found = parse(machine.text(FILE))
    whole = _merged(found or {}, ours, wanted)
    is_as_wanted = whole == found and not (wanted and is_open(machine.path(FILE)))
    if is_as_wanted or not (whole or found):
        return []
    folder_is_ours = folder_is_ours or not os.path.isdir(_folder(machine))
    record = {"names": sorted(wanted), "folder": folder_is_ours} if wanted else None
    return [_together(machine, found, whole, record, folder_is_ours)]


def plan_absent(machine):
    """Return the Changes that remove our logins, and the file if nothing else is in it."""
    ours, folder_is_ours = _record(machine)
    found = parse(machine.text(FILE))
    if not ours or not found:
        return []
    return [_together(machine, found, _merged(found, ours, {}), None, folder_is_ours)]


def plan_back(machine, content, dress, folders):
    """Return the Change that restores an earlier file."""
    before = "" if machine.read(FILE) is None else THERE
    change = _Hidden(machine, FILE, content, "as it was before", before, dress, folders)
    return [change] if change.needed() else []


def _together(machine, found, whole, record, folder_is_ours):
    content, dress = (dump(whole), private()) if whole else (None, None)
    # The folder is removed with the file that it was created for.
    folders = None if whole else [_folder(machine)] * folder_is_ours
    kept = None if record is None else dump(record)
    parts = [
        _Hidden(machine, FILE, content, dress=dress, folders=folders), FileChange(machine, OURS, kept)]
    old, new = (found or {}).get("auths") or {}, whole.get("auths") or {}
    gone = [name + " removed" for name in sorted(set(old) - set(new))]
    came = ["%s %s" % (name, secret.CHANGED) for name in sorted(new) if old.get(name) != new[name]]
    after = ", ".join(gone + came) or "readable by root alone"
    return Together("registry", "logins", "" if found is not None else "not valid JSON", after, parts)


def _merged(found, ours, wanted):
    auths = {name: entry for name, entry in (found.get("auths") or {}).items() if name not in ours}
    auths.update(wanted)
    whole = {key: value for key, value in found.items() if key != "auths"}
    return dict(whole, auths=auths) if auths else whole


def _folder(machine):
    return machine.path(os.path.dirname(FILE))


def _record(machine):
    found = parse(machine.text(OURS)) or {}
    return found.get("names", []), found.get("folder", False)
