"""Those that are compared: the floor, ours, a plain Ansible role, and pyinfra."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import gauge
from bench.gauge import Reading
from bench.place import HERE, Place

BIN = Path(sys.executable).parent
# pyinfra wants other versions of what ours wants, so it gets an environment of its own.
PYINFRA_HOME = HERE.parent / ".provision" / "pyinfra"
LIMIT_S = 1800.0
# How many hosts are provisioned at once where that is not what is measured.
TOGETHER = 10
# One letter for each call, in one write, so that calls at the same time cannot mix.
SPY = """\
#!/bin/sh
case " $* " in *" -O "*) ;; *) printf x >>{calls} ;; esac
exec /usr/bin/{tool} "$@"
"""

# What each types for each scene.
SCRIPTS = {
    "fresh": "install", "noop": "check", "noop7": "check", "change": "change", "verify": "verify",
    "verify1": "verify",
}  # fmt: skip
OURS = {
    "fresh": ("provision", "--no-verify"),
    "noop": ("provision", "--no-verify"),
    "noop7": ("provision", "--no-verify"),
    "change": ("provision", "--no-verify"),
    "verify": ("verify",),
    "verify1": ("verify", "--limit", "el1"),
}


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do the work: its name, its command, and the scenes that it has."""

    name: str
    argv: Callable[[Place, str], list[str]] = field(repr=False)
    scenes: tuple[str, ...]


def _floor(place: Place, scene: str) -> list[str]:
    hosts = "first" if scene == "verify1" else "hosts"
    return [str(HERE / "floor/run"), str(place.floor), f"{place.floor}/{SCRIPTS[scene]}.sh", hosts]


def _ours(place: Place, scene: str) -> list[str]:
    return [str(BIN / "fab"), *OURS[scene]]


def _plain(place: Place, scene: str) -> list[str]:
    inventory = str(place.plain / "inventory.yml")
    # One fork for each host is its best: most of the time it waits for hosts.
    forks = str(len(place.lab.hosts))
    return [str(BIN / "ansible-playbook"), "-i", inventory, "-f", forks, str(HERE / "plain/site.yml")]


def _pyinfra(place: Place, scene: str) -> list[str]:
    inventory = str(place.pyinfra / "inventory.py")
    return [str(PYINFRA_HOME / "bin/pyinfra"), "-y", inventory, str(HERE / "pyinfra/deploy.py")]


FLOOR = Contender("floor", _floor, tuple(SCRIPTS))
PRODUCT = Contender("ours", _ours, tuple(OURS))
# The others have no proof.
PLAIN = Contender("plain", _plain, ("fresh", "noop", "change"))
PYINFRA = Contender("pyinfra", _pyinfra, ("fresh", "noop", "change"))
ALL = (FLOOR, PRODUCT, PLAIN, PYINFRA)


def install_pyinfra() -> None:
    """Create pyinfra's environment from its lock file, unless it is there and complete."""
    lock, installed = HERE / "pyinfra/requirements.lock", PYINFRA_HOME / "installed"
    if installed.exists() and installed.read_text() == lock.read_text():
        return
    pip = [str(PYINFRA_HOME / "bin/pip"), "install", "--quiet", "--require-hashes", "-r", str(lock)]
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PYINFRA_HOME)], check=True)
    subprocess.run(pip, check=True)
    installed.write_text(lock.read_text())


def bring(place: Place) -> None:
    """Provision all hosts, some at a time: the server that all download from has only the same two cores."""
    names = [host.name for host in place.lab.hosts]
    for first in range(0, len(names), TOGETHER):
        measure(PRODUCT, place, "fresh", ("--limit", ",".join(names[first : first + TOGETHER])))


def measure(contender: Contender, place: Place, scene: str, more: tuple[str, ...] = ()) -> Reading:
    """Run ``scene`` once with ``contender``; raises RuntimeError when it fails."""
    log = place.project / f"{contender.name}-{scene}.log"
    argv = [*contender.argv(place, scene), *more]
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
