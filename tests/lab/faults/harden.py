"""Hardenings killed at random moments: nobody is ever locked out, and the next run finishes it.

On some hosts the key is broken behind sshd's back, so that it opens nothing from the reload on: there only
the restore may let anybody in. The test does not wait for the two minutes: it starts the timer's service.
"""

import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

from provision.access.case import Case
from provision.credentials import Rotation
from provision.credentials.entries import Kind, Owner
from provision.credentials.vault import Vault
from provision.errors import LabError, ProvisionError
from provision.lab import Lab, processes
from provision.model import Credential, Host, HostKey, Session
from provision.settings import Settings
from tests.lab.conftest import make_keyring, project_in
from tests.lab.faults.inject import VICTIMS
from tests.lab.faults.plan import Fault, Moment
from tests.lab.faults.plan import Kind as FaultKind
from tests.lab.faults.run import reached
from tests.lab.faults.site import POLL_S, Broken, Site
from tests.lab.faults.table import Result

WHO = ("controller", "master", "parent", "child")
ON_HOST = ("parent", "child")
# For about how long a hardening goes on.
SPAN_S = 6.0
# The timer, the file, the reload.
STEPS = 3
# Every fourth host has a key that opens nothing from the reload on.
BROKEN_OF = 4
END_LIMIT_S = 10.0
GUARD = "provision-sshd-restore"
TIMERS = f"systemctl list-units --plain --no-legend '{GUARD}-*.timer' | cut -d ' ' -f 1"
FILE = "/etc/ssh/sshd_config.d/00-provision.conf"
_BREAK = "AuthorizedKeysFile /nowhere/%u"
_SOFT = f"""\
systemctl stop '{GUARD}-*'
rm -f /run/{GUARD} {FILE}
sed -i '\\|{_BREAK}|d' /etc/ssh/sshd_config
systemctl reload ssh
sleep 0.5
"""
_RING = f"for timer in $({TIMERS}); do systemctl start ${{timer%.timer}}.service || exit; done; sleep 1"
# Each line that it prints is something that is left.
_LOOK = f"""\
ls /run/{GUARD} 2> /dev/null
systemctl list-timers --all | grep {GUARD}
find /etc/ssh /root/.ssh -name '.provision-*' -o -name '*.provision'
for run in /var/lib/provision/*/; do [ -s "$run/result" ] || echo "run $run has no result"; done
true
"""


def draw(count: int, seed: int, hosts: int) -> tuple[Fault, ...]:
    """Return ``count`` kills; the same seed returns the same ones."""
    chance = Random(seed)
    return tuple(_fault(chance, number, f"el{number % hosts + 1}") for number in range(count))


def _fault(chance: Random, number: int, host: str) -> Fault:
    key = "key broken" if chance.randrange(BROKEN_OF) == 0 else "key good"
    victim = chance.choice(WHO)
    kind = FaultKind("kill", (victim, "SIGKILL", key))
    return Fault(number, host, kind, "harden", _moment(chance, victim))


def _moment(chance: Random, victim: str) -> Moment:
    if victim in ON_HOST:  # it is waited for, and is there as long as Changes are made
        return Moment(0.0, *chance.choice((("", 0), *product(("begin", "done"), range(1, STEPS)))))
    if chance.random() < 0.4:
        return Moment(round(chance.uniform(0, SPAN_S), 1))
    delay_s = chance.choice((0.0, round(chance.uniform(0, 1), 1)))
    return Moment(delay_s, chance.choice(("begin", "done")), chance.randint(1, STEPS))


def play_all(
    lab: Lab, faults: tuple[Fault, ...], place: Path, tell: Callable[[Result], None]
) -> list[Result]:
    """Play every kill: those of one host in order, the hosts in parallel."""
    stop, keyring = threading.Event(), make_keyring(lab, place)
    runtime = Path(tempfile.mkdtemp(prefix="chaos-"))
    with ThreadPoolExecutor(len(lab.hosts)) as pool:
        try:
            names = sorted({fault.host for fault in faults})
            doors = [Door.of(lab, name, place, runtime, keyring, stop) for name in names]
            jobs = [pool.submit(door.play_all, faults, tell) for door in doors]
            return [result for job in jobs for result in job.result()]
        finally:
            stop.set()
            pool.shutdown()
            shutil.rmtree(runtime, ignore_errors=True)


@dataclass
class Door:
    """One host, and its credentials."""

    site: Site
    settings: Settings

    @classmethod
    def of(
        cls, lab: Lab, name: str, place: Path, runtime: Path, keyring: Path, stop: threading.Event
    ) -> "Door":
        """Make the host's project, and give the host a key."""
        (place / name).mkdir()
        (runtime / name).mkdir()
        project = project_in(place / name, lab, keyring)
        project.add(name, lab.host(name))
        keys, master = project.keyring.parent, keyring.parent / "master"
        door = cls(
            Site(lab, lab.host(name), project, runtime / name, stop),
            Settings((), keys, project.keyring, keys, master_file=master),
        )
        door.run("keys.install", "prepared")
        return door

    def play_all(self, faults: tuple[Fault, ...], tell: Callable[[Result], None]) -> list[Result]:
        """Play this host's faults."""
        results = []
        for fault in faults:
            if fault.host == self.site.host.name:
                results.append(self.play(fault))
                tell(results[-1])
        return results

    def play(self, fault: Fault) -> Result:
        """Kill one hardening, check that a login works, and let the next run finish it."""
        started, was_struck, ended, recover_s, problems = time.monotonic(), False, "", 0.0, []
        is_broken = fault.kind.details[-1] == "key broken"
        try:
            self.site.inside(_SOFT + (f"echo '{_BREAK}' >> /etc/ssh/sshd_config" if is_broken else ""))
            was_struck, ended = self._strike(fault)
            problems += self._locked_out(is_broken)
            if is_broken:
                self.site.inside(f"sed -i '\\|{_BREAK}|d' /etc/ssh/sshd_config; systemctl reload ssh")
            recovering = time.monotonic()
            self.run("hosts.harden", "recovered")
            recover_s = time.monotonic() - recovering
            problems += self._left()
        except (Broken, LabError, ProvisionError, OSError, subprocess.SubprocessError) as error:
            problems.append(f"{type(error).__name__}: {error}")
        return Result(fault, was_struck, ended, recover_s, time.monotonic() - started, tuple(problems))

    def run(self, verb: str, log: str) -> None:
        """Run one verb on the host, which must succeed."""
        run = self.site.start(log, verb, self.site.host.name)
        if self.site.finish(run):
            raise Broken(f"{verb}: exit {run.returncode}: {self.site.error() or self.site.tail(log)}")

    def _strike(self, fault: Fault) -> tuple[bool, str]:
        self.site.note_runs()
        run, victim = self.site.start("struck", "hosts.harden", self.site.host.name), fault.kind.details[0]
        if not reached(self.site, fault.moment, run):
            return False, "too late"
        while not (pids := VICTIMS[victim](self.site, run)):
            if self.site.passes(POLL_S, run):
                return False, "no such process any more"
        processes.send(pids, signal.SIGKILL)
        self.site.finish(run)
        self._wait_for_its_end()
        if run.returncode < 0:
            return True, "killed"
        return True, "hardened" if run.returncode == 0 else self.site.error().partition(":")[0]

    def _wait_for_its_end(self) -> None:
        """Wait for the code on the host, which runs on without its controller."""
        end = time.monotonic() + END_LIMIT_S
        while self.site.host_code():
            if time.monotonic() > end:
                raise Broken(f"the code on the host had no end in {END_LIMIT_S:.0f} s")
            time.sleep(POLL_S)

    def _locked_out(self, is_broken: bool) -> list[str]:
        if is_broken:
            self.site.inside(_RING)
            return [] if self._lets_in(self._password()) else ["locked out: no password opens it"]
        return [] if self._lets_in(self._key()) else ["locked out: the key does not open it"]

    def _left(self) -> list[str]:
        left = self.site.inside(_LOOK).splitlines()
        left += ["the key does not open it"] if not self._lets_in(self._key()) else []
        return left + (["a password opens it still"] if self._lets_in(self._password()) else [])

    def _key(self) -> Credential:
        owner = Owner.host(self.site.host.name)
        return Credential(private_key=Vault.of(self.settings).get(owner, Kind.PRIVATE_KEY))

    def _password(self) -> Credential:
        return Credential(password=Rotation(self.settings).password(Host(self.site.host.name, "")))

    def _lets_in(self, credential: Credential) -> bool:
        host = self.site.host
        kind, key = host.host_key.split()[:2]
        session = Session(Host(host.name, host.address), self.site.runtime)
        return Case(session, HostKey(host.name, kind, key), credential).lets_in(credential)
