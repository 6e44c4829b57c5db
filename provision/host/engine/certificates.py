"""A company's authorities for registries, in /etc/docker/certs.d: docker trusts each .crt file there."""

import os
import re

from ..ground.change import REMOVED, Together
from ..ground.files import FileChange

FOLDER = "/etc/docker/certs.d"
# Beside the files of others, and none of theirs.
NAME = "provision.crt"
# As docker names its folder; an address with a scheme or a path goes on before or behind.
_REGISTRY = re.compile(r"(?:https://)?([A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?)(?:/.*)?\Z")


def plan(machine, desired):
    """Return the Change after which the registries in ``desired``, and no others, have its authorities."""
    text = desired.get("ca") or ""
    return _change(machine, registries(desired) if text else [], text)


def plan_absent(machine):
    """Return the Change that removes our files."""
    return _change(machine, [], "")


def registries(desired):
    """Return the registries that the inventory names, HOST or HOST:PORT; those over plain HTTP need none."""
    mirrors = desired["daemon_options"].get("registry-mirrors")
    every = mirrors if isinstance(mirrors, list) else []
    over_tls = [each for each in every if ("%s" % each).startswith("https://")]
    found = [_REGISTRY.match(name) for name in list(desired.get("registry_logins") or ()) + over_tls]
    return sorted({match.group(1) for match in found if match})


def _change(machine, wanted, text):
    folder = machine.path(FOLDER)
    there = os.listdir(folder) if os.path.isdir(folder) else []
    rows = [(name, FileChange(machine, _path(name), text.encode("ascii"))) for name in wanted]
    for name in sorted(set(there) - set(wanted)):
        folders = [folder, os.path.join(folder, name)]
        rows.append((name + " " + REMOVED, FileChange(machine, _path(name), None, folders=folders)))
    needed = [(words, part) for words, part in rows if part.needed()]
    if not needed:
        return []
    after = ", ".join(words for words, _ in needed)
    return [Together("registry", "certificates", "", after, [part for _, part in needed])]


def _path(registry):
    return "%s/%s/%s" % (FOLDER, registry, NAME)
