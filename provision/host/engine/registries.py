"""The logins of registries, for root's docker: /root/.docker/config.json, of which only names are shown."""

import base64
import os

from ..ground import secret
from ..ground.change import THERE, Together
from ..ground.files import FileChange, is_open, private
from ..ground.jsonfile import dump, parse

FILE = "/root/.docker/config.json"
# Whose logins are ours, and whether the folder came with them.
OURS = "/var/lib/provision/registry-logins.json"


class _Hidden(FileChange):
    """A file of which no line is shown."""

    def __init__(self, *words, **named):
        FileChange.__init__(self, *words, **named)
        self.diff = ""


def plan(machine, desired):
    """Give the Changes that let root's docker log in where ``desired`` says, and no more where it did."""
    wanted = {name: _entry(login) for name, login in (desired.get("registry_logins") or {}).items()}
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
    """Give the Changes that take our logins out; a file with nothing else in it goes."""
    ours, folder_is_ours = _record(machine)
    found = parse(machine.text(FILE))
    if not ours or not found:
        return []
    return [_together(machine, found, _merged(found, ours, {}), None, folder_is_ours)]


def plan_back(machine, content, dress, folders):
    """Give the Change that brings an earlier file back."""
    before = "" if machine.read(FILE) is None else THERE
    change = _Hidden(machine, FILE, content, "as it was before", before, dress, folders)
    return [change] if change.needed() else []


def _together(machine, found, whole, record, folder_is_ours):
    content, dress = (dump(whole), private()) if whole else (None, None)
    # A file that goes takes the folder that came with it along.
    folders = None if whole else [_folder(machine)] * folder_is_ours
    kept = None if record is None else dump(record)
    parts = [
        _Hidden(machine, FILE, content, dress=dress, folders=folders), FileChange(machine, OURS, kept)]
    return Together(
        "registry", "logins", "" if found is not None else "not valid JSON", _told(found or {}, whole), parts)


def _told(found, whole):
    old, new = found.get("auths") or {}, whole.get("auths") or {}
    gone = [name + " removed" for name in sorted(set(old) - set(new))]
    came = ["%s %s" % (name, secret.CHANGED) for name in sorted(new) if old.get(name) != new[name]]
    return ", ".join(gone + came) or "readable by root alone"


def _merged(found, ours, wanted):
    auths = {name: entry for name, entry in (found.get("auths") or {}).items() if name not in ours}
    auths.update(wanted)
    whole = {key: value for key, value in found.items() if key != "auths"}
    return dict(whole, auths=auths) if auths else whole


def _entry(login):
    login = secret.revealed(login)
    pair = "%s:%s" % (login["username"], login["password"])
    # What is written is another text than the secret, and no less of one.
    return {"auth": secret.Secret(base64.b64encode(pair.encode("utf-8")).decode("ascii")).reveal()}


def _folder(machine):
    return machine.path(os.path.dirname(FILE))


def _record(machine):
    found = parse(machine.text(OURS)) or {}
    return found.get("names", []), found.get("folder", False)
