"""The host's system, from os-release(5) and the kernel."""

import os
import re
from collections import namedtuple

from .errors import Refusal

Facts = namedtuple("Facts", "release arch system")

ARCHITECTURES = ("x86_64", "aarch64", "ppc64le", "s390x")


def parse_os_release(text):
    """Return the variables of an os-release file, without quotes and backslashes."""
    found = re.findall(r"^([A-Z_0-9]+)=(.*)$", text, re.MULTILINE)
    return {name: unquoted(value.strip()) for name, value in found}


def unquoted(value):
    """Return the value of a variable without the quotes and backslashes of a shell."""
    quote = value[:1]
    if quote not in ("'", '"') or len(value) < 2 or value[-1] != quote:
        return value
    return value[1:-1] if quote == "'" else re.sub(r'\\(["$`\\])', r"\1", value[1:-1])


def system_name(release, arch):
    """Return the system's name for a person: 'CentOS Stream 9 (x86_64)'."""
    words = [release.get("NAME", "unknown system"), release.get("VERSION_ID", "")]
    if release.get("VARIANT_ID") == "stand-in":
        words.append("stand-in")
    return "%s (%s)" % (" ".join(word for word in words if word), arch)


def gather(machine, arch=None):
    """Return the facts of the host."""
    release = parse_os_release(machine.text("/etc/os-release"))
    arch = arch or os.uname()[4]
    return Facts(release, arch, system_name(release, arch))


def refuse_unfit(machine, facts, manager):
    """Raise when the host has another processor, lacks its package ``manager``, or does not run systemd."""
    if facts.arch not in ARCHITECTURES:
        raise Refusal(
            "unsupported-os", "%s: Docker has no packages for this processor" % facts.system,
            "supported: " + ", ".join(ARCHITECTURES))
    if not machine.has(manager) or not os.path.isdir(machine.path("/run/systemd/system")):
        raise Refusal(
            "unsupported-os", "%s has no %s, or does not run systemd" % (facts.system, manager),
            "leave this host out of --limit")
