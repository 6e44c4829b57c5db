"""The plugin versionlock of dnf 4 and yum 3: exact entries for held packages, beside those of other people.

An entry holds a package against every repository. Our own runs have to change what they hold, so dnf reads a
private copy of the list without our entries. yum has no such option: the whole plugin is switched off for
our runs, and so there are entries of ours only in a list without others.
"""

import os
import re
import shutil

from ..ground.files import FileChange
from . import repofile

PLUGIN = "versionlock"
_FOLDERS = {"dnf": "/etc/dnf/plugins", "yum": "/etc/yum/pluginconf.d"}
_BEGIN = "# Held by provision; changes up to the next mark are overwritten."
_END = "# End of what provision holds."
_BLOCK = re.compile(("%s\n.*?%s\n" % (re.escape(_BEGIN), re.escape(_END))).encode("ascii"), re.DOTALL)
_COMMENT = re.compile(r"^\s*(?:#.*)?$")
_COPY = "pluginconf"


def plan(machine, program, held):
    """Return the Change that makes our entries hold the packages ``held``, as {name: version}.

    ``version`` is like '3:28.5.2-1.el10.x86_64'. There is none without the plugin.
    """
    path = place(machine, program)
    if not path:
        return []
    others = _without(machine.read(path) or b"")
    if program == "yum" and _entries(others):
        held = {}
    lines = [_BEGIN] + [_entry(program, name, held[name]) for name in sorted(held)] + [_END, ""]
    return _put(machine, path, others, "\n".join(lines).encode("ascii") if held else b"")


def plan_back(machine, path, content):
    """Return the Change that restores our entries as in ``content``, and keeps what others have now."""
    found = _BLOCK.search(content or b"")
    return _put(machine, path, _without(machine.read(path) or b""), found.group() if found else b"")


def has_ours(content):
    """Return whether a list (bytes, or None) has entries of ours."""
    return bool(_BLOCK.search(content or b""))


def place(machine, program):
    """Return the path of the plugin's list; empty where the plugin is missing or switched off."""
    folder = _FOLDERS[program]
    found = repofile.sections(machine.text("%s/%s.conf" % (folder, PLUGIN)))
    main = next((each.options for each in found if each.id == "main"), {})
    is_on = main.get("enabled", "0").lower() in ("1", "yes", "true", "on")
    return main.get("locklist", "%s/%s.list" % (folder, PLUGIN)) if is_on else ""


def options(machine, program, workspace):
    """Return the options with which ``program`` passes our entries; none where there are none."""
    path = place(machine, program)
    content = machine.read(path) if path else None
    if not has_ours(content):
        return []
    if program == "yum":
        return ["--disableplugin=" + PLUGIN]
    copy = os.path.join(workspace, _COPY)
    if not os.path.isdir(copy):
        _copy(machine, copy, _without(content))
    return ["--setopt=pluginconfpath=" + copy]


def _copy(machine, copy, others):
    """Copy the settings of all plugins; those of versionlock name a list with the entries of ``others``."""
    os.mkdir(copy)
    folder = machine.path(_FOLDERS["dnf"])
    for name in os.listdir(folder):
        if os.path.isfile(os.path.join(folder, name)):
            shutil.copyfile(os.path.join(folder, name), os.path.join(copy, name))
    theirs = os.path.join(copy, "theirs.list")
    settings = "[main]\nenabled = 1\nlocklist = %s\n" % theirs
    for path, data in ((theirs, others), (os.path.join(copy, PLUGIN + ".conf"), settings.encode("utf-8"))):
        with open(path, "wb") as stream:
            stream.write(data)


def _put(machine, path, others, ours):
    ends_open = ours and others and not others.endswith(b"\n")
    content = others + (b"\n" if ends_open else b"") + ours
    count = ours.count(b"\n") - 2
    after = "%d packages held" % count if ours else "none held"
    change = FileChange(machine, path, content, after)
    return [change] if change.needed() and (content or change.old) else []


def _without(content):
    return _BLOCK.sub(b"", content)


def _entries(others):
    return [line for line in others.decode("utf-8", "replace").splitlines() if not _COMMENT.match(line)]


def _entry(program, name, version):
    """Return the line that allows this version alone, of any architecture."""
    epoch, _, rest = version.rpartition(".")[0].rpartition(":")
    if program == "yum":
        return "%s:%s-%s.*" % (epoch or "0", name, rest)
    return "%s-%s:%s.*" % (name, epoch or "0", rest)
