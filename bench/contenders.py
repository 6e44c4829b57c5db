"""The three that are compared: the floor, ours, and a plain Ansible role."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import gauge
from bench.gauge import Reading
from bench.place import HERE, Place

BIN = Path(sys.executable).parent
LIMIT_S = 1800.0
# One letter for each call, in one write, so that calls at the same time cannot mix.
SPY = """\
#!/bin/sh
case " $* " in *" -O "*) ;; *) printf x >>{calls} ;; esac
exec /usr/bin/{tool} "$@"
"""

# What each types for each scene; the plain role has no proof.
SCRIPTS = {"fresh": "install", "noop": "check", "change": "change", "verify": "verify"}
OURS = {
    "fresh": ("provision", "--no-verify"),
    "noop": ("provision", "--no-verify"),
    "change": ("provision", "--no-verify"),
    "verify": ("verify",),
    "verify1": ("verify", "--limit", "el1"),
}


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do the work: its name, and its command for a scene."""

    name: str

    def argv(self, place: Place, scene: str) -> list[str] | None:
        """Return the command for ``scene``, or None when this contender has none."""
        if self.name == "floor":
            script = SCRIPTS.get(scene)
            return (
                script and [str(HERE / "floor/run"), str(place.floor), f"{place.floor}/{script}.sh"]
            ) or None
        if self.name == "ours":
            return [str(BIN / "fab"), *OURS[scene]]
        if scene.startswith("verify"):
            return None
        forks = str(min(len(place.lab.hosts), 4 * (os.cpu_count() or 1)))
        inventory = str(place.plain / "inventory.yml")
        return [str(BIN / "ansible-playbook"), "-i", inventory, "-f", forks, str(HERE / "plain/site.yml")]


FLOOR, PRODUCT, PLAIN = Contender("floor"), Contender("ours"), Contender("plain")
ALL = (FLOOR, PRODUCT, PLAIN)


def measure(contender: Contender, place: Place, scene: str) -> Reading:
    """Run ``scene`` once with ``contender``; raises RuntimeError when it fails."""
    argv = contender.argv(place, scene)
    assert argv
    log = place.project / f"{contender.name}-{scene}.log"
    reading = gauge.read(
        argv, cwd=place.project, env=environment(place), log=log, sample=False, limit_s=LIMIT_S
    )
    if reading.rc:
        raise RuntimeError(
            f"{contender.name} failed at {scene} with {reading.rc}:\n{log.read_text()[-2000:]}"
        )
    return reading


def ssh_calls(contender: Contender, place: Place, scene: str) -> tuple[Reading, int]:
    """Do ``scene`` once with memory sampled and every ssh call written down; give both."""
    calls = place.project / "calls"
    calls.write_text("")
    spies = place.project / "spies"
    spies.mkdir(exist_ok=True)
    for tool in ("ssh", "scp", "sftp"):
        spy = spies / tool
        # Not `ssh -O check`, which asks a local socket.
        spy.write_text(SPY.format(calls=calls, tool=tool))
        spy.chmod(0o755)
    argv = contender.argv(place, scene)
    assert argv
    env = environment(place)
    env["PATH"] = f"{spies}:{env['PATH']}"
    log = place.project / f"{contender.name}-{scene}-sampled.log"
    reading = gauge.read(argv, cwd=place.project, env=env, log=log, sample=True, limit_s=LIMIT_S)
    return reading, len(calls.read_text())


def environment(place: Place) -> dict[str, str]:
    """Return the environment of each contender: small, and the same for all."""
    home = place.project / "home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "ANSIBLE_CONFIG": str(HERE / "plain/ansible.cfg"),
    }
