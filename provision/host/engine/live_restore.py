"""Live-restore during one restart: switched by a reload, then reset to what daemon.json says.

The engine reads the key at a reload and at its start. When it stops, it leaves containers running only with
live-restore on. When it starts without it, it kills those that it finds (moby, daemon/daemon.go and
daemon/reload.go). A reload keeps the value of a key that was removed from the file, so switching it off needs
a `false` in the file.

While the file holds a temporary value, MARK holds the final content and digests of what we wrote since.
A later run restores that content, or KEY alone where the operator has edited the file since.
"""

import base64
import hashlib
import os
import time

from ..ground.errors import HostError
from ..ground.files import FileChange, private
from ..ground.jsonfile import dump, parse
from . import api

FILE = "/etc/docker/daemon.json"
KEY = "live-restore"
MARK = "/var/lib/provision/live-restore.json"
RELOAD_TIMEOUT_S = 10
POLL_S = 0.1


def is_on(content):
    """Return whether an engine started with this daemon.json (bytes, or None) has live-restore on."""
    return (parse((content or b"").decode("utf-8", "replace")) or {}).get(KEY) is True


def hold(machine, on):
    """Make the engine run, and start, with live-restore ``on`` until ``release``."""
    content = machine.read(FILE)
    if is_on(content) != on or _runs_with(machine) not in (None, on):
        held = _with(content, on)
        if not machine.text(MARK):
            _mark(machine, content)
        note(machine, held)
        _put(machine, held)
        _reload(machine, on)


def release(machine, content):
    """Write ``content`` (bytes, or None for no file) to daemon.json and apply its live-restore."""
    on = is_on(content)
    if _runs_with(machine) not in (None, on):
        _mark(machine, content)
        note(machine, _with(content, on))
        _put(machine, _with(content, on))
        _reload(machine, on)
    _put_back(machine, content)


def switch_off(machine):
    """Make the engine stop its containers when it stops; return whether it would have kept them.

    daemon.json is restored at once: the engine does not read it again until a reload.
    """
    keeps = _runs_with(machine) is True
    if keeps:
        content = machine.read(FILE)
        try:
            hold(machine, False)
        finally:
            _put_back(machine, content)
    return keeps


def note(machine, content):
    """Note, while MARK exists, that we are about to write ``content`` (bytes, or None): it is not an edit."""
    kept = parse(machine.text(MARK))
    if kept:
        _keep(machine, dict(kept, written=kept.get("written", []) + [_digest(content)]))


def finish(machine):
    """Restore the file if a killed run left a temporary one; raise when an edit has broken it."""
    kept = parse(machine.text(MARK))
    if kept:
        content = None if kept["content"] is None else base64.b64decode(kept["content"])
        now = machine.read(FILE)
        # An earlier version noted nothing.
        ours = "written" not in kept or now == content or _digest(now) in kept["written"]
        release(machine, content if ours else _with_key_of(content, now))


def _with_key_of(content, edited):
    """Return the ``edited`` file with KEY as in ``content``; None where the operator has removed the file."""
    if edited is None:
        return None
    found, then = _readable(edited), _readable(content)
    back = {key: value for key, value in found.items() if key != KEY}
    back.update({KEY: then[KEY]} if KEY in then else {})
    return edited if back == found else dump(back)


def _digest(content):
    return "" if content is None else hashlib.sha256(content).hexdigest()


def _runs_with(machine):
    return (api.info(machine) or {}).get("LiveRestoreEnabled")


def _reload(machine, on):
    """Reload, and poll: errors in a reloaded file go to the journal alone."""
    if _runs_with(machine) in (None, on):
        return
    machine.run(["systemctl", "reload", "docker.service"])
    deadline = time.time() + RELOAD_TIMEOUT_S
    while _runs_with(machine) != on:
        if time.time() > deadline:
            raise HostError(
                "live-restore-refused",
                "the engine does not switch live-restore %s" % ("on" if on else "off"),
                "journalctl -u docker on the host says why; then: `again`",
                meaning="without it, a restart of the engine would stop the containers that run")
        time.sleep(POLL_S)


def _with(content, on):
    return dump(dict(_readable(content), **{KEY: on}))


def _readable(content):
    found = parse((content or b"").decode("utf-8", "replace"))
    if found is None:
        raise HostError(
            "daemon-config-refused", "%s is not valid JSON" % FILE, "correct it on the host; then: `again`",
            meaning="an engine that is restarted would not start")
    return found


def _put_back(machine, content):
    _put(machine, content, [machine.path(each) for each in _folders(machine)])
    FileChange(machine, MARK, None).apply()


def _put(machine, content, folders=None):
    FileChange(machine, FILE, content, folders=folders).apply()


def _mark(machine, content):
    kept = None if content is None else base64.b64encode(content).decode("ascii")
    home = os.path.dirname(FILE)
    folders = _folders(machine) or [home] * (not os.path.isdir(machine.path(home)))
    written = (parse(machine.text(MARK)) or {}).get("written", [])
    _keep(machine, {"content": kept, "folders": folders, "written": written})


def _keep(machine, parts):
    FileChange(machine, MARK, dump(parts), dress=private()).apply()


def _folders(machine):
    """Return the folders that exist only for the file."""
    return (parse(machine.text(MARK)) or {}).get("folders", [])
