"""/etc/docker/daemon.json: our keys merged into what is there, checked by the engine before it counts."""

import json
import os
import re

from . import scratch, secret
from .change import Together
from .errors import HostError
from .files import FileChange, diff, is_open, private
from .jsonfile import dump, parse

FILE = "/etc/docker/daemon.json"
# The keys that we wrote, so that one that is no longer wanted can be taken out again.
OURS = "/var/lib/provision/daemon-keys.json"
SWARM_STATE = "/var/lib/docker/swarm/docker-state.json"

DEFAULTS = {
    "live-restore": True,
    "log-driver": "local",
    "log-opts": {"max-file": "3", "max-size": "10m"},
    "no-new-privileges": True,
}
MASK = u"***"
LOGIN = re.compile(u"//[^/\\s\"@]+@")
SECRET_NAME = re.compile("token|password|passwd|secret|credential|api-?key", re.IGNORECASE)
# Everything else is TCP to dockerd, also an address alone (moby, opts/hosts.go).
LOCAL = ("unix://", "fd://")
SOCKET_OPTION = re.compile(r"\s(?:-H|--host(?=[=\s]))[=\s]*([^\s;]+)")
# Drivers that know max-size and max-file.
ROTATING = ("local", "json-file")


def wanted_keys(options, enforcing=False, swarm=False):
    """Give our keys: the defaults, then ``options`` over them; a null takes a key out."""
    keys = dict(DEFAULTS)
    if options.get("log-driver", "local") not in ROTATING:
        del keys["log-opts"]
    if enforcing:
        keys["selinux-enabled"] = True
    if swarm:
        # A swarm node with live-restore does not start.
        del keys["live-restore"]
    return overlay(keys, options)


def overlay(below, above):
    """Give ``below`` with ``above`` over it; mappings are merged, a null removes."""
    merged = dict(below)
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            lower = merged.get(key)
            merged[key] = overlay(lower if isinstance(lower, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def merge(found, ours_before, ours, removed=()):
    """Give the whole file: what others wrote stays, our keys replace, our old ones go."""
    stale = set(ours_before) | set(removed)
    kept = {key: value for key, value in found.items() if key not in stale}
    kept.update(ours)
    return kept


def plan(machine, desired, unit_command=None):
    """Give the Changes for daemon.json; ``unit_command`` is how systemd starts the engine, if it does."""
    options = desired["daemon_options"]
    enforcing = machine.text("/sys/fs/selinux/enforce").strip() == "1"
    ours = wanted_keys(options, enforcing, os.path.exists(machine.path(SWARM_STATE)))
    removed = [key for key, value in options.items() if value is None]
    found = parse(machine.text(FILE))
    whole = merge(found or {}, _ours_before(machine), secret.revealed(ours), removed)
    refuse_unsafe(whole, unit_command)
    hidden = sorted(key for key, value in ours.items() if secret.inside(value))
    if whole == found and not (hidden and is_open(machine.path(FILE))):
        return []
    validate(machine, whole)
    return [_together(machine, found, dump(whole), _record(sorted(ours), hidden), private() if hidden else None)]


def plan_absent(machine, before):
    """Give the Changes that take our keys out; a file with no other key goes.

    What our keys replaced comes back, and the operator's own text if that is what is left.
    """
    ours = _ours_before(machine)
    found = parse(machine.text(FILE))
    if not ours or not found:
        return []
    text = before.content(FILE)
    theirs = None if text is None else parse(text.decode("utf-8", "replace"))
    rest = merge(found, ours, {key: value for key, value in (theirs or {}).items() if key in ours})
    content = text if text is not None and rest == theirs else dump(rest) if rest else None
    return [_together(machine, found, content, None, folders=before.folders(machine, FILE))]


def plan_back(machine, content, dress, folders, ours_then=b""):
    """Give the Change that brings an earlier file back as it was, valid or not.

    ``ours_then`` is what OURS held then: it tells which keys hold a secret.
    """
    hidden = sorted(set(_hidden(machine.text(OURS)) + _hidden(ours_then.decode("utf-8", "replace"))))
    before, after = _told(machine, parse(machine.text(FILE)), content, hidden)
    change = _Masked(machine, FILE, content, after, before, dress, folders, hidden)
    return [change] if change.needed() else []


def refuse_unsafe(whole, unit_command):
    """Raise for a TCP socket anywhere, and for sockets named both in the file and on the command line."""
    named = whole.get("hosts") or []
    hosts = named if isinstance(named, list) else [named]
    started_with = SOCKET_OPTION.findall(unit_command or "")
    if not all(("%s" % host).startswith(LOCAL) for host in hosts + started_with):
        raise _refused(
            "the engine would listen on a TCP socket",
            "take tcp:// out of daemon.json, docker_engine_daemon_options and the unit; use DOCKER_HOST=ssh://",
            meaning="whoever reaches that port is root on this host")
    if hosts and (unit_command is None or started_with):
        raise _refused(
            "daemon.json has hosts, and so has the engine's command line",
            "take hosts out of daemon.json", meaning="dockerd would not start")


def validate(machine, whole):
    """Let dockerd judge the file; engines before 23.0 cannot, and then nothing is said."""
    if not machine.has("dockerd"):
        return
    folder = scratch.Folder(machine, scratch.SMALL)
    path = os.path.join(folder.path, "daemon.json")
    try:
        with open(path, "wb") as stream:
            stream.write(dump(whole))
        ran = machine.run(["dockerd", "--validate", "--config-file", path])
    finally:
        folder.close()
    # before it is cut, and before its blanks are: half a secret is not known any more
    said = " ".join(secret.scrub(ran.err or ran.out).split())
    if ran.rc and "unknown flag" not in said:
        raise _refused(
            "the engine refuses this daemon.json", "mend docker_engine_daemon_options; then: fab provision",
            evidence=said[-300:].replace(path, FILE))


class _Masked(FileChange):
    def __init__(self, machine, path, content, after="", before="", dress=None, folders=None, hidden=()):
        FileChange.__init__(self, machine, path, content, after, before, dress, folders)
        self.diff = diff(FILE, *_shown(self.old, self.content, hidden))


class _Judged(_Masked):
    def apply(self):
        """Let the engine, which may just have been installed, judge it first."""
        if self.content is not None:
            validate(self.machine, parse(self.content.decode("utf-8")))
        FileChange.apply(self)


def _together(machine, found, content, record, dress=None, folders=None):
    hidden = sorted(set(_hidden(machine.text(OURS)) + _hidden((record or b"").decode("ascii"))))
    parts = [
        _Judged(machine, FILE, content, dress=dress, folders=folders, hidden=hidden),
        FileChange(machine, OURS, record)]
    before, after = _told(machine, found, content, hidden)
    change = Together("file " + FILE, before, after, parts)
    change.diff = parts[0].diff
    return change


def _told(machine, found, content, hidden):
    if content is None:
        return "", "removed"
    whole = parse(content.decode("utf-8", "replace"))
    if whole is None:
        return "", "not valid JSON"
    if machine.read(FILE) is None:
        return "", _count(whole)
    if found is None:
        return "not valid JSON", _count(whole)
    found, whole = (masked(side) for side in secret.shown(found, whole, hidden))
    keys = sorted(key for key in set(found) | set(whole) if found.get(key) != whole.get(key))
    if len(keys) != 1:
        return "", ", ".join(keys) or _count(whole)
    return "%s %s" % (keys[0], _word(found.get(keys[0]))), _word(whole.get(keys[0]))


def masked(value, secret=False):
    """Give a copy to show: no login in an address, no value of a key that is called like a secret."""
    if isinstance(value, dict):
        return {key: masked(item, secret or bool(SECRET_NAME.search(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, secret) for item in value]
    if secret:
        return MASK
    return LOGIN.sub("//" + MASK + "@", value) if isinstance(value, type(u"")) else value


def _shown(old, new, hidden):
    texts = [None if side is None else side.decode("utf-8", "replace") for side in (old, new)]
    found = [None if text is None else parse(text) for text in texts]
    sides = secret.shown(found[0], found[1], hidden)
    return [_lines(text, side, hidden) for text, side in zip(texts, sides)]


def _lines(text, side, hidden):
    if side is not None:
        return dump(masked(side))
    if text is not None and hidden:
        text = secret.SHOWN  # Not JSON: nobody knows where in it the secret stands.
    return None if text is None else LOGIN.sub("//" + MASK + "@", text).encode("utf-8")


def _count(whole):
    return "%d key%s" % (len(whole), "" if len(whole) == 1 else "s")


def _word(value):
    if value is None:
        return "unset"
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list, bool)) else "%s" % value


def _record(keys, hidden):
    return dump({"keys": keys, "secret": hidden} if hidden else keys)


def _ours_before(machine):
    found = _json(machine.text(OURS))
    keys = found.get("keys") if isinstance(found, dict) else found
    return keys if isinstance(keys, list) else []


def _hidden(text):
    """Give the keys that hold a secret, by the text of OURS."""
    found = _json(text)
    return found.get("secret", []) if isinstance(found, dict) else []


def _json(text):
    try:
        return json.loads(text or "[]")
    except ValueError:
        return []


def _refused(message, hint, evidence="", meaning=""):
    return HostError("daemon-config-refused", message, hint, evidence, meaning)


def effect(found, whole):
    """Return what an engine needs to take ``whole`` over from ``found``: "none", "reload" or "restart"."""
    return "none" if found == whole else "restart"


def keeps(found, whole):
    """Return whether live-restore can keep containers over a restart from ``found`` to ``whole``."""
    return True
