"""Systems that get no updates any more: refused unless accepted; CentOS's are served by its archive.

When a release ends, its mirror lists go, and its packages stay at vault.centos.org (the CentOS Project's
blog, 'End dates are coming for CentOS Stream 8 and CentOS Linux 7', 2023).
"""

import re
import time

from ..ground import systems
from ..ground.errors import Refusal

VAULT = "vault.centos.org"
_SECTION = re.compile(r"^\[[^\n]*\n.*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
_LIST = re.compile(r"^mirrorlist\s*=\s*\w+://mirrorlist\.centos\.org\b", re.MULTILINE)
_OFF = re.compile(r"^#\s*baseurl\s*=(?=\s*\w+://mirror\.centos\.org/)", re.MULTILINE)
_BASE = re.compile(r"^(baseurl\s*=\s*\w+://)mirror\.centos\.org/", re.MULTILINE)


def ended(facts):
    """Return the day on which the updates of this host's system ended; empty while there are some."""
    return systems.ended(systems.find(facts.release), time.time())


def refuse_ended(facts):
    """Raise for the system of a host that would get packages, as nobody has accepted its end."""
    raise Refusal(
        "system-ended", "%s has had no updates since %s" % (facts.system, ended(facts)),
        "move to a system that gets updates; or accept it: docker_engine_accept_eol: true,"
        " or `again --accept-eol`",
        meaning="security holes of the system stay open, and so do those of the last engine made for it")


def words(facts, repos):
    """Return what follows the system's name in a report; empty while it gets updates."""
    since = ended(facts)
    used = ", packages from " + VAULT if repos.archived else ""
    return ", no updates since %s%s" % (since, used) if since else ""


def redirected(text):
    """Return a .repo file that names CentOS's archive wherever it named CentOS's mirrors."""
    return _SECTION.sub(lambda found: _section(found.group()), text)


def _section(text):
    if _LIST.search(text):
        text = _OFF.sub("baseurl=", _LIST.sub(r"#\g<0>", text))
    return _BASE.sub(r"\g<1>" + VAULT + "/", text)
