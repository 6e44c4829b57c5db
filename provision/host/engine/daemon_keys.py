"""Which keys of daemon.json are ours: others' values override a default, the inventory overrides them."""

import hashlib
import json
import re

from ..ground import secret
from ..ground.jsonfile import dump

# The keys that we wrote, so that one that is no longer wanted can be removed.
OURS = "/var/lib/provision/daemon-keys.json"
DEFAULTS = {
    "live-restore": True,
    "log-driver": "local",
    "log-opts": {"max-file": "3", "max-size": "10m"},
    "no-new-privileges": True,
}
# The first engine that knows each, as numbers: moby pull requests 32944 and 37092. An engine before it does
# not start with the key.
_NO_NEW_PRIVILEGES, _LOCAL = (17, 6), (18, 9)
# Drivers with max-size and max-file.
ROTATING = ("local", "json-file")
_DRIVER, _OPTS = "log-driver", "log-opts"


class Record(object):
    """The content of OURS: the ``names`` of our keys, the ``hidden`` ones, and digests of what we wrote.

    ``taken`` are other people's keys that the inventory removed from the file. Earlier versions wrote names
    alone: then any value of a key counts as ours.
    """

    def __init__(self, text):
        try:
            found = json.loads(text or "[]")
        except ValueError:
            found = []
        parts = found if isinstance(found, dict) else {"keys": found}
        self.names = parts.get("keys") if isinstance(parts.get("keys"), list) else []
        self.hidden = parts.get("secret", [])
        self.digests = parts.get("digests", {})
        self.taken = parts.get("taken", [])

    def mine(self, found):
        """Return the keys of ``found`` that still hold what we wrote, sorted."""
        names = [name for name in self.names if name in found]
        return sorted(name for name in names if self.digests.get(name) in (None, digest(found[name])))


def record(ours, hidden, taken=()):
    """Return the bytes of OURS for the keys ``ours``, without even a digest of a secret."""
    digests = {key: digest(value) for key, value in ours.items() if key not in hidden}
    parts = {"keys": sorted(ours), "digests": digests}
    parts.update({"secret": hidden} if hidden else {})
    parts.update({"taken": sorted(taken)} if taken else {})
    return dump(parts)


def digest(value):
    """Return a short digest of a value, independent of the file's layout."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("utf-8")).hexdigest()[:16]


def defaults(engine=""):
    """Return the defaults for an ``engine`` of this version, those for a new one if it is empty."""
    keys, numbers = dict(DEFAULTS), tuple(int(number) for number in re.findall("[0-9]+", engine)[:2])
    if numbers and numbers < _LOCAL:
        keys[_DRIVER] = "json-file"
    if numbers and numbers < _NO_NEW_PRIVILEGES:
        del keys["no-new-privileges"]
    return keys


def wanted_keys(options, enforcing=False, swarm=False, found=None, mine=(), flagged=(), engine=""):
    """Return our keys: the defaults that apply, overridden by ``options``; a null removes a key.

    ``found`` is the file's content, ``mine`` names the keys in it that we wrote, ``flagged`` those that the
    engine's command line sets. ``engine`` is its version.
    """
    found = found or {}
    keys = defaults(engine)
    if enforcing:
        keys["selinux-enabled"] = True
    if swarm:
        # An engine in a Swarm does not start with live-restore.
        del keys["live-restore"]
    theirs = {key for key in found if key not in mine} | set(flagged)
    wanted = {
        key: value for key, value in keys.items()
        if key not in theirs or (key in options and key != _OPTS)}
    _pair(wanted, options, found, mine, theirs, flagged, keys[_DRIVER])
    return {key: value for key, value in overlay(wanted, options).items() if key not in flagged}


def _pair(wanted, options, found, mine, theirs, flagged, default):
    """Apply log-driver and log-opts together: the engine does not start with another driver's options."""
    stay = _OPTS in flagged or (_OPTS in theirs and _OPTS not in options)
    if stay and _DRIVER not in found and _DRIVER not in options:
        wanted.pop(_DRIVER, None)
    driver = options.get(_DRIVER) if _DRIVER in options else default
    if _DRIVER in theirs and _DRIVER not in options:
        # Keep what we wrote for its rotation; add nothing.
        named = flagged[_DRIVER].value if _DRIVER in flagged else found.get(_DRIVER)
        driver = named if _OPTS in mine else None
    if driver not in ROTATING:
        wanted.pop(_OPTS, None)
    elif _OPTS in options or (_OPTS in theirs and orphaned(options, found)):
        wanted[_OPTS] = DEFAULTS[_OPTS]


def orphaned(options, found):
    """Return whether the inventory replaces the log driver that the file's log-opts belong to."""
    wants = options.get(_DRIVER)
    return wants is not None and _OPTS in found and wants != found.get(_DRIVER, "json-file")


def overlay(below, above):
    """Return ``below`` overridden by ``above``; mappings are merged, a null removes."""
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


def removed(options, found):
    """Return the keys that the inventory removes from the file: nulls, and options of a replaced driver."""
    orphans = [_OPTS] if orphaned(options, found) else []
    return [key for key, value in options.items() if value is None] + orphans


def merge(found, ours_before, ours, removed=()):
    """Return the whole file: others' keys are kept, ours override them, our old ones are removed."""
    stale = set(ours_before) | set(removed)
    kept = {key: value for key, value in found.items() if key not in stale}
    kept.update(ours)
    return kept


def taken(kept, options, found, mine, ours):
    """Return others' keys that were removed from the file, now or earlier, and are not set again."""
    gone = set(removed(options, found))
    again = {key for key in found if key not in mine} - gone - set(ours)
    return (set(kept.taken) | {key for key in gone if key in found and key not in mine}) - again


def given_back(kept, ours, found, theirs):
    """Return what is restored when ``ours`` go: what they replaced in ``theirs``, and what was removed.

    The engine would not start with the options of another log driver.
    """
    back = {
        key: value for key, value in theirs.items()
        if key in ours or (key in kept.taken and key not in found)}
    if merge(found, ours, back).get(_DRIVER) != theirs.get(_DRIVER):
        back.pop(_OPTS, None)
    return back


def hidden_in(ours):
    """Return the keys whose value contains a secret, sorted."""
    return sorted(key for key, value in ours.items() if secret.inside(value))
