"""The known faults on hosts that already ran containers: no more of them are lost than without us.

Hosts come in pairs. On the first a run of ours is struck, with the consent to a disruption or without; on
the second, the control, the same fault strikes and nobody provisions. Both run the same containers on an
engine that was installed by hand. What stopped on the first and not on the control is a loss of ours.
"""

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from provision.errors import LabError
from provision.lab import Lab
from tests.lab.conftest import make_keyring, project_in
from tests.lab.faults import plan
from tests.lab.faults.ground import image
from tests.lab.faults.inject import injection
from tests.lab.faults.plan import Fault
from tests.lab.faults.run import reached
from tests.lab.faults.site import POLL_S, VERSIONS, Broken, Site
from tests.lab.faults.table import Result

WORKS = {"key": 3, "version": 1}
CONSENT = {"without consent": (), "with consent": ("--allow-disruption",)}
# What strikes a host by itself. The others strike a run of ours, which a control does not have.
FAMILIES = ("power-cut", "reboot", "cut", "slow", "full")
# The engine starts containers some time after it answers.
BACK_LIMIT_S = 30.0
# How long a control that is struck in the middle of nothing is left to itself.
IDLE_S = "30"
POLICIES = ("no", "always", "unless-stopped", "on-failure")
PACKAGES = "docker-ce-{0} docker-ce-cli-{0} containerd.io docker-buildx-plugin docker-compose-plugin"
_INSTALL = """\
printf '[by-hand]\\nname=by-hand\\nbaseurl={url}/linux/centos/10/x86_64/stable\\nenabled=1
gpgcheck=1\\ngpgkey={url}/linux/centos/gpg\\n' > /etc/yum.repos.d/by-hand.repo
dnf -y -q install {packages} > /dev/null 2>&1 && systemctl enable --now docker > /dev/null 2>&1 &&
docker import --change 'ENTRYPOINT ["/sample"]' - theirs > /dev/null
"""
# The host as it was before any run of ours, but for the engine's version.
_FORGET = """\
if [ -e /var/lib/provision/daemon-keys.json ]; then
    rm -rf /etc/docker/daemon.json /var/lib/provision /etc/yum.repos.d/docker-ce.repo
    systemctl reset-failed docker docker.socket 2> /dev/null; systemctl restart docker
fi
for _ in $(seq 60); do docker info > /dev/null 2>&1 && break; sleep 0.5; done
"""
# No network: engine 26 does not take back the packet filter that 28 made for a container that lives on.
_CONTAINERS = "".join(
    f"docker container inspect {policy} > /dev/null 2>&1 || docker create --name {policy} --restart {policy}"
    f" --network none --stop-signal KILL theirs sleep 99999999 > /dev/null\n"
    for policy in POLICIES
) + f"docker start {' '.join(POLICIES)} > /dev/null\n"  # fmt: skip
_RUNNING = "docker ps --format '{{.ID}} {{.Names}}' 2> /dev/null; true"


def draw(count: int, seed: int, hosts: int) -> tuple[Fault, ...]:
    """Return ``count`` faults for the first hosts of the pairs; the same seed gives the same ones."""
    pairs = max(hosts // 2, 1)
    chance = Random(seed)
    return tuple(
        replace(_with_an_engine(fault, chance), host=f"el{2 * (number % pairs) + 1}")
        for number, fault in enumerate(plan.draw(count, seed, 1))
    )


def _with_an_engine(fault: Fault, chance: Random) -> Fault:
    """Return the fault during a work that a host with an engine can have, with or without consent."""
    works = [work for work in fault.kind.works if work in WORKS]
    (work,) = chance.choices(works, [WORKS[name] for name in works])
    # Their order is that of CONSENT: every other fault has none.
    return replace(fault, work=work, kind=replace(fault.kind, words=chance.choice(tuple(CONSENT))))


def play_all(
    lab: Lab, faults: tuple[Fault, ...], place: Path, tell: Callable[[Result], None]
) -> list[Result]:
    """Play every fault: those of one pair in order, the pairs in parallel."""
    stop, keyring = threading.Event(), make_keyring(lab, place)
    runtime = Path(tempfile.mkdtemp(prefix="chaos-"))
    names = sorted({fault.host for fault in faults})
    with ThreadPoolExecutor(2 * len(names)) as pool:
        try:
            pairs = [Pair.of(lab, name, place, runtime, keyring, stop, pool) for name in names]
            with ThreadPoolExecutor(len(names)) as players:
                jobs = [players.submit(pair.play_all, faults, tell) for pair in pairs]
                return [result for job in jobs for result in job.result()]
        finally:
            stop.set()
            pool.shutdown()
            shutil.rmtree(runtime, ignore_errors=True)


@dataclass
class Pair:
    """A host that is provisioned, and its control; both are treated in parallel."""

    site: Site
    control: Site
    pool: ThreadPoolExecutor

    @classmethod
    def of(
        cls, lab: Lab, name: str, place: Path, runtime: Path, keyring: Path, stop: threading.Event,
        pool: ThreadPoolExecutor,
    ) -> "Pair":  # fmt: skip
        """Make both hosts, with an engine that others have installed."""
        sites = []
        for each in (name, f"el{int(name.removeprefix('el')) + 1}"):
            (place / each).mkdir()
            (runtime / each).mkdir()
            project = project_in(place / each, lab, keyring)
            project.add(each, lab.host(each))
            site = Site(lab, lab.host(each), project, runtime / each, stop)
            packages = PACKAGES.format(VERSIONS[site.version])
            site.inside(_INSTALL.format(url=lab.repo_url, packages=packages), image())
            sites.append(site)
        return cls(sites[0], sites[1], pool)

    def play_all(self, faults: tuple[Fault, ...], tell: Callable[[Result], None]) -> list[Result]:
        """Play this pair's faults."""
        results = []
        for fault in faults:
            if fault.host == self.site.host.name:
                results.append(self.play(fault))
                tell(results[-1])
        return results

    def play(self, fault: Fault) -> Result:
        """Strike both, finish the first by one more run, and compare what runs."""
        started, was_struck, ended, recover_s, problems = time.monotonic(), False, "", 0.0, []
        try:
            list(self.pool.map(_live_in, (self.site, self.control)))
            before, there = _running(self.site), _running(self.control)
            control = self.pool.submit(
                _struck_alone, self.control, replace(fault, host=self.control.host.name)
            )
            was_struck, ended = self._strike(fault)
            control.result()
            begun = time.monotonic()
            self._recover(fault)
            recover_s = time.monotonic() - begun
            problems = _losses(before, self.site, there, self.control)
        except (Broken, AssertionError, LabError, OSError, subprocess.SubprocessError) as error:
            problems.append(f"{type(error).__name__}: {error}")
        return Result(fault, was_struck, ended, recover_s, time.monotonic() - started, tuple(problems))

    def _strike(self, fault: Fault) -> tuple[bool, str]:
        self.site.version ^= fault.work == "version"
        self.site.key = self.site.key % 9 + 1
        self.site.want()
        self.site.note_runs()
        what, run = injection(self.site, fault), None
        try:
            what.prepare()
            run = self.site.start("struck", *self._argv(fault))
            was_struck = reached(self.site, fault.moment, run) and what.strike(run)
            self.site.finish(run)
        finally:
            if run and run.poll() is None:
                run.kill()
                run.wait()
            what.heal()
        self.site.project.expect_clean(self.site.log("struck").read_text(errors="replace"))
        code = run.returncode
        return was_struck, "killed" if code < 0 else self.site.error().partition(":")[0] or f"exit {code}"

    def _argv(self, fault: Fault) -> tuple[str, ...]:
        return ("provision", "--no-verify", *CONSENT[fault.kind.words])

    def _recover(self, fault: Fault) -> None:
        """Run once more; without consent a refusal is a valid result, too."""
        self.site.want()
        run = self.site.start("recovered", *self._argv(fault))
        is_refused = self.site.finish(run) and "disruption-refused" in self.site.error()
        if run.returncode and not (is_refused and not CONSENT[fault.kind.words]):
            raise Broken(
                f"recovered: exit {run.returncode}: {self.site.error() or self.site.tail('recovered')}"
            )


def _live_in(site: Site) -> None:
    site.inside(_FORGET + _CONTAINERS)


def _struck_alone(site: Site, fault: Fault) -> None:
    """Strike a host without a run; a fault that strikes only a run is left out."""
    if fault.kind.family not in FAMILIES and fault.kind.details[:1] != ("dockerd",):
        return
    idle = subprocess.Popen(["sleep", IDLE_S])
    what = injection(site, fault)
    try:
        what.prepare()
        what.strike(idle)
    finally:
        idle.kill()
        idle.wait()
        what.heal()


def _running(site: Site) -> dict[str, str]:
    rows = (line.split() for line in site.inside(_RUNNING).splitlines())
    return {name: ident for ident, name in rows}


def _losses(before: dict[str, str], site: Site, there: dict[str, str], control: Site) -> list[str]:
    """Return the containers that have stopped, without those that the control has lost, too."""
    until = time.monotonic() + BACK_LIMIT_S
    while lost := _gone(before, _running(site)) - _gone(there, _running(control)):
        if time.monotonic() > until:
            return [f"container lost: {name}" for name in sorted(lost)]
        time.sleep(POLL_S)
    return []


def _gone(before: dict[str, str], now: dict[str, str]) -> set[str]:
    return {name for name, ident in before.items() if now.get(name) != ident}
