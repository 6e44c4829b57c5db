"""/etc/docker/daemon.json: our keys merged into the file, validated by the engine before it is used."""

import os

from ..ground import scratch, secret
from ..ground.change import Together
from ..ground.errors import HostError
from ..ground.files import FileChange, diff, is_open, private
from ..ground.jsonfile import Unreadable, dump, duplicates, parse, read
from . import api, dockerd_flags, live_restore, registry_mirrors
from .daemon_keys import (
    DEFAULTS,
    OURS,
    Record,
    given_back,
    hidden_in,
    merge,
    overlay,
    record,
    removed,
    taken,
    wanted_keys,
)
from .daemon_words import masked, shown, summary
from .reloadable import BREAKS_LIVE_RESTORE, RELOADABLE, effect, keeps
from .unit import Unit

__all__ = (
    "BREAKS_LIVE_RESTORE", "DEFAULTS", "FILE", "OURS", "RELOADABLE", "effect", "keeps", "masked", "merge",
    "overlay", "plan", "plan_absent", "plan_back", "refuse_unsafe", "validate", "wanted_keys")

FILE = "/etc/docker/daemon.json"
DATA_ROOT = "/var/lib/docker"
SWARM_STATE = "swarm/docker-state.json"
# dockerd takes anything else for TCP, even a bare address (moby, opts/hosts.go).
LOCAL = ("unix://", "fd://")


def plan(machine, desired, unit_command=None, engine="", comes=False):
    """Return the Changes for daemon.json; ``unit_command`` is how systemd starts the engine, if it does.

    ``engine`` is its version. ``comes``: it is installed before these Changes, and so is its unit.
    """
    options = desired["daemon_options"]
    started = dockerd_flags.CommandLine(machine, unit_command)
    _refuse_elsewhere(started)
    content = machine.read(FILE)
    found, kept = _readable(content), Record(machine.text(OURS))
    _refuse_flagged(started, secret.revealed(options))
    mine = kept.mine(found)
    enforcing = machine.text("/sys/fs/selinux/enforce").strip() == "1"
    swarm = in_swarm(machine, started, found, options)
    ours = wanted_keys(options, enforcing, swarm, found, mine, started.flags, engine)
    hidden = hidden_in(ours)
    whole = merge(found, mine, secret.revealed(ours), removed(options, found))
    refuse_unsafe(whole, unit_command, started)
    is_as_wanted = (whole == found and content is not None) or not (whole or found)
    if is_as_wanted and not (hidden and is_open(machine.path(FILE))):
        return []
    _refuse_twice(content)
    validate(machine, whole, started)
    registry_mirrors.refuse_dead(machine, desired, found, whole)
    recorded = record(secret.revealed(ours), hidden, taken(kept, options, found, mine, ours))
    dress = private() if hidden else None
    change = _together(machine, found, dump(whole), recorded, dress, started=started)
    if comes:
        change.again = lambda: plan(machine, desired, Unit(machine).command or unit_command, engine)
    return [change]


def plan_absent(machine, before):
    """Return the Changes that remove our keys, and the file if it has no other key.

    What our keys replaced is restored, and what the inventory removed, and the operator's own text if it is
    equal to the rest. A key that somebody has changed since is theirs.
    """
    found, kept = parse(machine.text(FILE)), Record(machine.text(OURS))
    if found is None or machine.read(FILE) is None:
        return []
    text, ours = before.content(FILE), kept.mine(found)
    theirs = None if text is None else parse(text.decode("utf-8", "replace"))
    back = given_back(kept, ours, found, theirs or {})
    if not (ours or back):
        return []
    rest = merge(found, ours, back)
    content = text if text is not None and rest == theirs else dump(rest) if rest else None
    return [_together(machine, found, content, None, folders=before.folders(machine, FILE))]


def plan_back(machine, content, dress, folders, ours_then=b""):
    """Return the Change that restores an earlier file as it was, valid or not.

    ``ours_then`` is the content of OURS then: it names the keys that hold a secret.
    """
    texts = (machine.text(OURS), ours_then.decode("utf-8", "replace"))
    hidden = sorted({key for text in texts for key in Record(text).hidden})
    found = parse(machine.text(FILE))
    before, after = summary(machine.read(FILE), found, content, hidden)
    change = _Masked(machine, content, hidden, after=after, before=before, dress=dress, folders=folders)
    change.found, change.whole = found, parse((content or b"").decode("utf-8", "replace"))
    return [change] if change.needed() else []


def in_swarm(machine, started, found, options):
    """Return whether this host is part of a Swarm, by the engine's answer, or else by its data."""
    info = api.info(machine)
    if info is not None:
        return ((info.get("Swarm") or {}).get("LocalNodeState") or "inactive") != "inactive"
    flag = started.get("data-root")
    named = [
        flag and flag.value, options.get("data-root"), found.get("data-root"), found.get("graph"), DATA_ROOT]
    root = next(place for place in named if place and isinstance(place, (type(u""), str)))
    return os.path.exists(machine.path(os.path.join(root, SWARM_STATE)))


def refuse_unsafe(whole, unit_command, started=None):
    """Raise for a TCP socket anywhere, and for sockets named both in the file and on the command line."""
    started = started or dockerd_flags.CommandLine(None, unit_command)
    named = whole.get("hosts") or []
    hosts = named if isinstance(named, list) else [named]
    given = started.get("hosts").value if started.get("hosts") else []
    if not all(("%s" % host).startswith(LOCAL) for host in hosts + given):
        raise _refused(
            "the engine would listen on a TCP socket",
            "take tcp:// out of daemon.json, docker_engine_daemon_options and the unit; use DOCKER_HOST=ssh://",
            meaning="whoever reaches that port is root on this host")
    if hosts and (unit_command is None or given):
        raise _refused(
            "daemon.json has hosts, and so has the engine's command line",
            "take hosts out of daemon.json", meaning="dockerd would not start")


def validate(machine, whole, started=None):
    """Validate the file with dockerd and its real command line; engines before 23.0 cannot."""
    if not machine.has("dockerd"):
        return
    started = started or dockerd_flags.CommandLine(machine, None)
    folder = scratch.Folder(machine, scratch.SMALL)
    path = os.path.join(folder.path, "daemon.json")
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(dump(whole))
        ran = machine.run(["dockerd"] + started.validating(path))
    finally:
        folder.close()
    # Scrubbed before anything is cut: half a secret would not be recognized.
    said = " ".join(secret.scrub(ran.err or ran.out).split())
    if ran.rc and "unknown flag: --validate" not in said:
        raise _refused(
            "the engine refuses this daemon.json",
            "correct docker_engine_daemon_options, or daemon.json on the host; then: `again`",
            evidence=said[-300:].replace(path, FILE))


def _readable(content):
    try:
        return read(content)
    except Unreadable as error:
        place = "line %d, column %d" % (error.line, error.column) if error.line else "position unknown"
        raise _refused(
            "%s is not valid JSON: %s" % (FILE, place),
            "correct it on the host; then: `again`", evidence="%s: %s" % (place, error.why),
            meaning="a new file in its place would lose what it sets, like data-root")


def _refuse_twice(content):
    twice = duplicates(content)
    if twice:
        raise _refused(
            "%s holds a key twice: %s" % (FILE, ", ".join(twice)),
            "leave one of each on the host; then: `again`",
            meaning="a rewrite would lose all but the last one")


def _refuse_elsewhere(started):
    flag = started.get("config-file")
    if flag and os.path.normpath(flag.value) != FILE:
        raise _refused(
            "the engine is started with another configuration file than %s" % FILE,
            "take --config-file out of docker.service (systemctl cat docker shows it); then: `again`",
            evidence="--config-file %s, from %s" % (flag.value, flag.origin))


def _refuse_flagged(started, options):
    for key in sorted(set(options) & set(started.flags)):
        flag = started.flags[key]
        if options[key] is not None and key != "hosts" and not dockerd_flags.same(flag, options[key]):
            raise _refused(
                "docker.service sets %s, and docker_engine_daemon_options wants another %s"
                % (flag.flag, key),
                "take %s out of the unit (systemctl cat docker shows it), or %s out of the inventory; "
                "then: `again`" % (flag.flag, key),
                evidence="%s, from %s" % (flag.flag, flag.origin),
                meaning="dockerd does not start with a key both as a flag and in daemon.json")


class _Masked(FileChange):
    def __init__(self, machine, content, hidden, **how):
        FileChange.__init__(self, machine, FILE, content, **how)
        self.diff = diff(FILE, *shown(self.old, self.content, hidden))

    def _put(self, content, dress):
        live_restore.note(self.machine, content)
        FileChange._put(self, content, dress)


class _Settings(Together):
    """daemon.json and our record of it; ``again`` plans it anew for an engine that has come meanwhile.

    Its unit may have flags that nobody could know before.
    """

    again = None

    def apply(self):
        """Write them."""
        changes = [self] if self.again is None else self.again()
        for part in [part for change in changes for part in change.parts]:
            part.apply()


class _Validated(_Masked):
    started = None

    def apply(self):
        """Validate it first with the engine, which may just have been installed."""
        if self.content is not None:
            validate(self.machine, parse(self.content.decode("utf-8", "replace")) or {}, self.started)
        FileChange.apply(self)


def _together(machine, found, content, kept, dress=None, folders=None, started=None):
    texts = (machine.text(OURS), (kept or b"").decode("ascii"))
    hidden = sorted({key for text in texts for key in Record(text).hidden})
    parts = [
        _Validated(machine, content, hidden, dress=dress, folders=folders),
        FileChange(machine, OURS, kept)]
    parts[0].started = started
    before, after = summary(machine.read(FILE), found, content, hidden)
    change = _Settings("file", FILE, before, after, parts)
    change.diff = parts[0].diff
    change.found, change.whole = found, parse((content or b"").decode("utf-8", "replace"))
    return change


def _refused(message, hint, evidence="", meaning=""):
    return HostError("daemon-config-refused", message, hint, evidence, meaning)
