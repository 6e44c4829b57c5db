"""Where packages come from: which of the mirrors answers this host first, and by which proxy."""

import re
import time
from collections import namedtuple

from ..ground import secret, systems, web
from ..ground.errors import HostError
from . import repofile

REPO_FILE = "/etc/yum.repos.d/docker-ce.repo"
# The authorities for the repository alone; the system's own stay as they are.
CA_FILE = "/etc/pki/provision/docker-ca.pem"
# No line break and no $ in them: they become part of a .repo file.
ADDRESS = re.compile(r"(?:https?|ftp|file)://[A-Za-z0-9._~:/@%+,=\[\]-]+\Z")
CHANNEL = re.compile(r"[a-z][a-z0-9-]*\Z")
PROXY = re.compile(
    r"http://(?:(?P<login>[A-Za-z0-9._~!&'()*+,;=:%-]+)@)?[A-Za-z0-9.-]+(?::[0-9]{1,5})?/?\Z")
REPOMD_CAP_BYTES = 1 << 20
# Less than this is chance: the inventory's order decides, so that a plan and its apply agree.
NEAR_S = 0.1
_MANAGER_FILES = ("/etc/dnf/dnf.conf", "/etc/yum.conf")

# How a mirror answered: after so many seconds, and why not.
Answer = namedtuple("Answer", "mirror seconds why")


def address(facts, desired):
    """Return the address of the repository at the first mirror; raise unless all are plain addresses."""
    return _base(facts, desired, _listed(desired)[0])


def offhand(machine, facts, desired):
    """Return ``desired`` with one mirror: that of the .repo file if it is listed, or the first."""
    mirrors = _listed(desired)
    return dict(desired, mirror=_present(machine, facts, desired, mirrors) or mirrors[0])


def settled(machine, facts, desired, asks):
    """Return ``desired`` with one mirror, and how each one answered, in words.

    One that the .repo file names stays while it answers. ``asks``: packages will be fetched. Otherwise
    such a mirror is not even asked.
    """
    mirrors = _listed(desired)
    present = _present(machine, facts, desired, mirrors)
    if len(mirrors) == 1 or (present and not asks):
        return offhand(machine, facts, desired), []
    machine.tell("asks %d mirrors" % len(mirrors))
    answers = _answers(machine, facts, desired, mirrors)
    alive = [answer for answer in answers if not answer.why]
    if not alive:
        raise _none(answers)
    near = [answer for answer in alive if answer.seconds <= alive[0].seconds + NEAR_S]
    first = min(near, key=lambda answer: mirrors.index(answer.mirror))
    chosen = next((answer for answer in alive if answer.mirror == present), first)
    return dict(desired, mirror=chosen.mirror), [_words(answer, chosen) for answer in answers]


def proxies(machine, desired):
    """Return urllib's proxies for our own downloads: the inventory's, or the package manager's."""
    address = proxy(desired) or _of_manager(machine)
    return {"http": address, "https": address} if address else None


def proxy(desired):
    """Return the proxy in the inventory (empty for none); raise unless it fits into a .repo file."""
    address = secret.revealed(desired.get("proxy") or "")
    found = PROXY.match(address)
    if address and not found:
        raise HostError(
            "proxy-refused", "docker_engine_proxy is not the address of an HTTP proxy",
            "write it like http://proxy.example:3128, and with a login as {secret: NAME}:"
            " http://user:password@proxy.example:3128, each $ @ / # in it as %24 %40 %2F %23; then: `again`",
            meaning="it would become part of a .repo file, where a line break or a $ means something else")
    if found and found.group("login"):
        # A program may quote a part of it.
        secret.SecretText(found.group("login").partition(":")[2])
    return address


def _base(facts, desired, mirror):
    where = systems.supported(facts).repository
    return "/".join((mirror.rstrip("/"), "linux", where, facts.arch, desired["channel"]))


def _listed(desired):
    """Return the mirrors in the inventory's order; raise for one that is no plain address."""
    named = desired["mirror"]
    mirrors = named if isinstance(named, list) else [named]
    plain = [mirror for mirror in mirrors if ADDRESS.match(mirror)]
    if not mirrors or plain != mirrors or not CHANNEL.match(desired["channel"]):
        raise HostError(
            "mirror-refused", "docker_engine_mirror or docker_engine_channel is not a plain address or word",
            "write it like https://download.docker.com and stable; then: `again`",
            " ".join(("%(mirror)r, %(channel)r" % desired).split())[:200],
            "it would become part of a .repo file, where a line break or a $ means something else")
    return mirrors


def _present(machine, facts, desired, mirrors):
    now = repofile.option(machine.text(REPO_FILE), "baseurl").rstrip("/")
    return next((mirror for mirror in mirrors if _base(facts, desired, mirror) == now), None)


def _answers(machine, facts, desired, mirrors):
    """Return the Answers, the fastest first, those that are no use last."""
    through, trust = proxies(machine, desired), web.trusting(desired.get("ca"))

    def ask(mirror):
        began, url = time.time(), _base(facts, desired, mirror) + "/repodata/repomd.xml"
        try:
            data = web.get(url, web.PROBE_TIMEOUT_S, REPOMD_CAP_BYTES, through, trust)
        except web.Unanswered as error:
            return Answer(mirror, 0, "%s" % error)
        why = "" if b"<repomd" in data and b"</repomd>" in data else "its repomd.xml is none"
        return Answer(mirror, time.time() - began, why)

    found = web.at_once(ask, mirrors, web.PROBE_TIMEOUT_S + 1)
    late = "no answer in %d s" % web.PROBE_TIMEOUT_S
    answers = [answer or Answer(mirror, 0, late) for answer, mirror in zip(found, mirrors)]
    return sorted(answers, key=lambda answer: (bool(answer.why), answer.seconds))


def _words(answer, chosen):
    if answer.why:
        return "%s: %s" % (answer.mirror, answer.why)
    return "%s: %.2f s%s" % (answer.mirror, answer.seconds, ", used" if answer is chosen else "")


def _none(answers):
    untrusted = all(web.is_untrusted(each.why) for each in answers)
    kind = "repository-tls" if untrusted else "repository-unreachable"
    return HostError(
        kind, "none of the %d mirrors answers this host with a repository" % len(answers),
        "open egress to one of them, or set docker_engine_mirror to others, or docker_engine_proxy;"
        " then: `again`",
        "; ".join(_words(answer, None) for answer in answers)[:600],
        "each was asked for the repomd.xml of this system")


def _of_manager(machine):
    """Return the proxy in the package manager's own configuration, with its login; empty for none."""
    try:
        from urllib.parse import quote  # novm
    except ImportError:
        from urllib import quote  # novm
    for path in _MANAGER_FILES:
        found = {name: value for part in repofile.sections(machine.text(path)) if part.id == "main"
                 for name, value in part.options.items()}
        scheme, _, rest = found.get("proxy", "").partition("://")
        if scheme == "http" and rest:
            login = [found[name] for name in ("proxy_username", "proxy_password") if found.get(name)]
            quoted = ":".join(quote(secret.SecretText(each).reveal().encode("utf-8"), "") for each in login)
            return "http://" + (quoted + "@" if quoted else "") + rest
    return ""
