"""How each fault is made, and undone. One class for each family; FAMILIES has its name in plan.py."""

import shutil
import signal
import subprocess
from collections.abc import Callable
from typing import ClassVar

from provision import lab as labs
from provision.lab import host as hosts
from provision.lab import network, processes
from provision.lab.command import run as run_here
from provision.startup import PLAYBOOK
from tests.lab import mirrors
from tests.lab.faults.plan import Fault
from tests.lab.faults.site import POLL_S, PROVISION, Process, Site

Run = subprocess.Popen[bytes]
DNF = ("bin/dnf", "bin/yum")


class Injection:
    """A fault on its way: prepared before the run, struck at its moment, healed in any case."""

    def __init__(self, site: Site, fault: Fault) -> None:
        self.site = site
        self.fault = fault

    def prepare(self) -> None:
        """Prepare the fault before the run begins."""

    def strike(self, run: Run) -> bool:
        """Strike, and return whether there was something to strike before the run ended."""
        raise NotImplementedError

    def heal(self) -> None:
        """Undo the fault, also when it was never struck."""


class Kill(Injection):
    """A signal to one process, as soon as it is there."""

    def strike(self, run: Run) -> bool:
        """Wait for the victim until the run's end."""
        victim, name = self.fault.kind.details
        while not (pids := VICTIMS[victim](self.site, run)):
            if self.site.passes(POLL_S, run):
                return False
        processes.send(pids, signal.Signals[name])
        return True


def _controller(_: Site, run: Run) -> list[int]:
    return [run.pid] if run.poll() is None else []


def _masters(site: Site, _: Run) -> list[int]:
    here = str(site.runtime)
    lines = processes.command_lines()
    return [pid for pid, words in lines if "-M" in words and " ".join(words).count(here)]


def _shards(site: Site, _: Run) -> list[int]:
    """Return Ansible's workers: its main process is their parent, and has the same command line."""
    here = str(site.runtime)
    plays = [
        pid
        for pid, words in processes.command_lines()
        if " ".join(words).count(f"{here}/") and words[4:5] == [PLAYBOOK]
    ]
    return [child for pid in plays for child in processes.children(pid) if child in plays]


def _parents(site: Site, _: Run) -> list[int]:
    return [process.pid for process in site.host_code() if process.parent != site.leader()]


def _children(site: Site, _: Run) -> list[int]:
    return [process.pid for process in site.host_code() if process.parent == site.leader()]


def _dnf(site: Site, _: Run) -> list[int]:
    return [p.pid for p in site.processes() if any(word.endswith(DNF) for word in p.words[:2])]


def _dockerd(site: Site, _: Run) -> list[int]:
    return [process.pid for process in site.processes() if _is_engine(process)]


def _is_engine(process: Process) -> bool:
    return process.words[0].endswith("/dockerd") and "--validate" not in process.words


VICTIMS: dict[str, Callable[[Site, Run], list[int]]] = {
    "controller": _controller,
    "master": _masters,
    "shard": _shards,
    "parent": _parents,
    "child": _children,
    "dnf": _dnf,
    "dockerd": _dockerd,
}


class Cut(Injection):
    """No packet reaches the host for some seconds, or until the run has given it up."""

    is_cut = False

    def strike(self, run: Run) -> bool:
        """Cut, wait, mend."""
        labs.cut(self.site.host)
        self.is_cut = True
        self.site.passes(self.fault.lasts_s, run)
        self.heal()
        return True

    def heal(self) -> None:
        """Let packets pass again."""
        if self.is_cut:
            labs.mend(self.site.host)
            self.is_cut = False


class Slow(Injection):
    """32 kB a second on the way to the host, for some seconds."""

    @property
    def _port(self) -> str:
        return network.port(hosts.machine(self.site.lab.name, self.site.host.name))

    def strike(self, run: Run) -> bool:
        """Throttle, wait, mend."""
        shape = ("tbf", "rate", "256kbit", "burst", "8kb", "latency", "500ms")
        run_here("tc", "qdisc", "replace", "dev", self._port, "root", *shape)
        self.site.passes(self.fault.lasts_s, run)
        self.heal()
        return True

    def heal(self) -> None:
        """Remove the throttle."""
        subprocess.run(["tc", "qdisc", "delete", "dev", self._port, "root"], capture_output=True, check=False)


class PowerCut(Injection):
    """Every process of the host dies at once, and it boots again."""

    def strike(self, run: Run) -> bool:
        """Cut the power, and give it back."""
        labs.power_cut(self.site.host)
        self.heal()
        return True

    def heal(self) -> None:
        """Boot, if it is off."""
        labs.start_host(self.site.lab, self.site.host)


class Reboot(PowerCut):
    """Somebody restarts the host in good order."""

    def strike(self, run: Run) -> bool:
        """Restart it."""
        labs.reboot(self.site.lab, self.site.host)
        return True


class Full(Injection):
    """A directory on a small file system of its own that fills up; what was written there is kept."""

    SIZES: ClassVar = {"/var/lib/provision": "1m", "/var/tmp": "400m", "/etc/docker": "256k"}
    _PREPARE = (
        "mkdir -p {0} /run/small && mount -t tmpfs -o size={1} tmpfs /run/small && cp -a {0}/. /run/small"
        " && mount --bind /run/small {0}"
    )
    _FILL = "dd if=/dev/zero of={0}/ballast bs=4k 2> /dev/null; true"
    _HEAL = (
        "mountpoint -q {0} || exit 0; rm -f {0}/ballast; umount {0} && find {0} -mindepth 1 -delete"
        " && cp -a /run/small/. {0} && umount /run/small && rmdir /run/small"
    )

    @property
    def _place(self) -> str:
        return self.fault.kind.details[0]

    def prepare(self) -> None:
        """Mount it, with what was in the directory."""
        self.site.inside(self._PREPARE.format(self._place, self.SIZES[self._place]))

    def strike(self, run: Run) -> bool:
        """Leave no room in it."""
        self.site.inside(self._FILL.format(self._place))
        return True

    def heal(self) -> None:
        """Make room, and put the directory back to where it was."""
        self.site.inside(self._HEAL.format(self._place))


class Repository(Injection):
    """A mirror that is right until the moment comes."""

    FAULTS: ClassVar = {"missing": mirrors.missing, "stale": mirrors.stale, "damaged": mirrors.damaged}

    def __init__(self, site: Site, fault: Fault) -> None:
        super().__init__(site, fault)
        self._is_bad = False
        www = site.lab.gpg_key.parents[1] / "www"
        self._mirror = mirrors.Mirror(site.lab.gateway, www, self._serve)

    def _serve(self, visit: mirrors.Visit) -> bool:
        return self._is_bad and self.FAULTS[self.fault.kind.details[0]](visit)

    def prepare(self) -> None:
        """Serve, and let the inventory name it."""
        self._mirror.__enter__()
        self.site.want(docker_engine_mirror=self._mirror.url)

    def strike(self, run: Run) -> bool:
        """Serve what is wrong from now on."""
        self._is_bad = True
        return run.poll() is None

    def heal(self) -> None:
        """End it."""
        self._mirror.__exit__(None, None, None)


class TwoControllers(Injection):
    """Another person provisions the same host, from a directory of their own."""

    other: Run | None = None

    def strike(self, run: Run) -> bool:
        """Start the other run."""
        theirs = self.site.project.path / "theirs"
        shutil.rmtree(theirs, ignore_errors=True)
        shutil.copytree(self.site.project.path / "inventory", theirs / "inventory")
        shutil.copy(self.site.project.path / "fabfile.py", theirs)
        self.other = self.site.start("theirs", *PROVISION, where=theirs)
        return run.poll() is None

    def heal(self) -> None:
        """Wait for its end."""
        if self.other:
            self.site.finish(self.other)


FAMILIES: dict[str, type[Injection]] = {
    "kill": Kill,
    "cut": Cut,
    "slow": Slow,
    "power-cut": PowerCut,
    "reboot": Reboot,
    "full": Full,
    "repository": Repository,
    "two-controllers": TwoControllers,
}


def injection(site: Site, fault: Fault) -> Injection:
    """Return the injection of ``fault`` at ``site``."""
    return FAMILIES[fault.kind.family](site, fault)
