"""Registry mirrors that a run would add: each is asked first, as docker ignores a dead one without a word."""

import glob
import os

from ..ground import web
from ..ground.errors import HostError
from . import certificates
from .daemon_words import masked

KIND = "registry-mirror-dead"
KEY = "registry-mirrors"
# The root of the API answers so, without and with a login (distribution's docs/content/spec/api.md).
ALIVE = (200, 401)
_PROXIES = ("http-proxy", "https-proxy")


def refuse_dead(machine, desired, found, whole):
    """Raise when a mirror that ``whole`` has and ``found`` has not, two contents of daemon.json, is dead."""
    new = [mirror for mirror in _listed(whole.get(KEY)) if mirror not in _listed(found.get(KEY))]
    if not new:
        return
    machine.tell("asks %d registry mirror%s" % (len(new), "s" * (len(new) > 1)))
    routes = _routes(machine, whole)
    answers = web.at_once(
        lambda mirror: _why_dead(machine, desired, whole, mirror, routes), new,
        (web.PROBE_TIMEOUT_S + 1) * len(routes))
    late = "no answer in %d s" % web.PROBE_TIMEOUT_S
    dead = [(mirror, late if why is None else why) for mirror, why in zip(new, answers) if why != ""]
    if dead:
        raise HostError(
            KIND, "%s no answer as a registry: %s" % (
                "these registry mirrors give" if len(dead) > 1 else "this registry mirror gives",
                ", ".join(masked(mirror) for mirror, _ in dead)),
            "take it out of registry-mirrors in docker_engine_daemon_options, or open egress to it;"
            " docker_engine_ca_file names a company's authority; then: `again`",
            "; ".join("%s: %s" % (masked(mirror), why) for mirror, why in dead)[:600],
            "docker would ask it first for each image, and then the registry itself")


def _listed(value):
    """Return the addresses in a list of mirrors; the engine itself refuses anything else."""
    every = value if isinstance(value, list) else []
    return [each for each in every if ("%s" % each).startswith(("http://", "https://"))]


def _why_dead(machine, desired, whole, mirror, routes):
    """Return why the mirror is of no use, empty if it answers by any of the routes."""
    said = ""
    for proxies in routes:
        try:
            trust = _trust(machine, desired, whole, mirror)
            code = web.status(mirror.rstrip("/") + "/v2/", web.PROBE_TIMEOUT_S, proxies, trust)
        except (web.Unanswered, EnvironmentError, ValueError) as error:
            # Also a certificate of others that is none.
            said = said or "%s" % error
            continue
        if code in ALIVE:
            return ""
        said = said or "HTTP status %d" % code
    return said


def _routes(machine, whole):
    """Return urllib's proxies for each route that docker may take; by none it reaches what no-proxy names."""
    proxies = whole.get("proxies")
    named = proxies if isinstance(proxies, dict) else _of_unit(machine)
    through = {name.partition("-")[0]: named[name] for name in _PROXIES if named.get(name)}
    return [through, {}] if through else [{}]


def _of_unit(machine):
    ran = machine.run(["systemctl", "show", "--property=Environment", "docker.service"])
    words = [word.strip('"').partition("=") for word in ran.out.partition("=")[2].split()]
    return {name.lower().replace("_", "-"): value for name, _, value in words}


def _trust(machine, desired, whole, mirror):
    """Return the SSLContext that docker would use."""
    registry = mirror.partition("://")[2].partition("/")[0]
    if registry in (whole.get("insecure-registries") or ()):
        return web.trusting_all()
    folder = machine.path("%s/%s" % (certificates.FOLDER, registry))
    theirs = [machine.text(os.path.join(certificates.FOLDER, registry, os.path.basename(path)))
              for path in sorted(glob.glob(os.path.join(folder, "*.crt")))]
    return web.trusting("\n".join([desired.get("ca") or ""] + theirs).strip(), system=True)
