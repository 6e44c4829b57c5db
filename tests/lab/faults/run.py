"""The driver: boot a lab, play each fault on its host, take the lab down."""

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from provision import lab as labs
from provision.errors import LabError
from provision.lab import Lab
from tests.lab.conftest import make_keyring, project_in
from tests.lab.faults import after, ground
from tests.lab.faults.inject import Injection, Run, injection
from tests.lab.faults.plan import Fault, Moment
from tests.lab.faults.site import POLL_S, PROVISION, Broken, Site
from tests.lab.faults.table import Result

Tell = Callable[[Result], None]
# How a controller ends that has not heard what its run on the host came to.
UNHEARD = ("killed", "interrupted", "connection-lost", "no-answer-from-host-code")
# What of a fault's evidence is kept when something did not hold.
_EVIDENCE = ("*.log", "inventory/hosts.yml")


@contextmanager
def open_lab(name: str, hosts: int, subnet: int, state: Path, profile: str = "el10") -> Iterator[Lab]:
    """Boot bare stand-in hosts; they are gone when the context ends, also those of a run that was killed."""
    labs.down(name, state)
    try:
        yield labs.up(name, hosts, profile, state_dir=state, subnet=subnet, progress=lambda _: None)
    finally:
        labs.down(name, state)


def play_all(lab: Lab, faults: tuple[Fault, ...], place: Path, tell: Tell) -> list[Result]:
    """Play every fault: those of one host in order, the hosts in parallel; ``tell`` gets each result."""
    stop = threading.Event()
    keyring = make_keyring(lab, place)
    runtime = Path(tempfile.mkdtemp(prefix="chaos-"))
    with ThreadPoolExecutor(len(lab.hosts)) as pool:
        try:
            sites = [_site(lab, name, place, runtime, keyring, stop) for name in _names(faults)]
            jobs = [pool.submit(_play_host, site, faults, tell) for site in sites]
            return [result for job in jobs for result in job.result()]
        finally:
            stop.set()
            pool.shutdown()
            shutil.rmtree(runtime, ignore_errors=True)


def _names(faults: tuple[Fault, ...]) -> list[str]:
    return sorted({fault.host for fault in faults})


def _site(lab: Lab, name: str, place: Path, runtime: Path, keyring: Path, stop: threading.Event) -> Site:
    directory = place / name
    directory.mkdir()
    (runtime / name).mkdir()
    project = project_in(directory, lab, keyring)
    project.add(name, lab.host(name))
    return Site(lab, lab.host(name), project, runtime / name, stop)


def _play_host(site: Site, faults: tuple[Fault, ...], tell: Tell) -> list[Result]:
    planted, mounted = ground.plant(site), after.mounts(site)
    results: list[Result] = []
    for fault in faults:
        if fault.host == site.host.name:
            results.append(_new(_play(site, fault, planted, mounted), results))
            tell(results[-1])
    return results


def _new(result: Result, before: list[Result]) -> Result:
    """Return ``result`` without the problems that an earlier fault of this host has left."""
    told = {problem for each in before for problem in each.problems}
    return replace(result, problems=tuple(each for each in result.problems if each not in told))


def _play(site: Site, fault: Fault, planted: dict[str, ground.State], mounted: frozenset[str]) -> Result:
    """Play one fault; whatever does not hold is in the result, and its evidence is kept."""
    started = time.monotonic()
    was_struck, ended, recover_s, problems = False, "was not begun", 0.0, []
    try:
        site.begin(fault)
        if site.is_present:
            ground.keep(site)
        before = after.snapshot(site)
        was_struck, ended = _strike(site, fault)
        problems = after.undone(site, before)
        unheard = site.new_runs() if ended in UNHEARD else set()
        recover_s = _recover(site)
        problems += after.untold(site, unheard) + _judge(site, planted, mounted)
    except (Broken, AssertionError, LabError, OSError, subprocess.SubprocessError) as error:
        problems.append(f"{type(error).__name__}: {error}")
    if problems:
        _keep_evidence(site, fault)
    return Result(fault, was_struck, ended, recover_s, time.monotonic() - started, tuple(problems))


def _strike(site: Site, fault: Fault) -> tuple[bool, str]:
    """Strike a run; return whether it was struck, and how it ended."""
    what = injection(site, fault)
    run = None
    try:
        what.prepare()
        run = site.start("struck", *PROVISION)
        was_struck = reached(site, fault.moment, run) and what.strike(run)
        site.finish(run)
    finally:
        _heal(what, run)
    site.project.expect_clean(site.log("struck").read_text(errors="replace"))
    return was_struck, _ending(site, run.returncode)


def _heal(what: Injection, run: Run | None) -> None:
    if run and run.poll() is None:
        run.kill()
        run.wait()
    what.heal()


def reached(site: Site, moment: Moment, run: Run) -> bool:
    """Wait for the moment; False when the run ended before it."""
    while moment.event and site.events(moment.event) < moment.count:
        if site.passes(POLL_S, run):
            return False
    return not site.passes(moment.delay_s, run)


def _ending(site: Site, code: int) -> str:
    if code < 0:
        return "killed"
    return "converged" if code == 0 else site.error().partition(":")[0] or f"exit {code}"


def _recover(site: Site) -> float:
    site.is_present = True
    site.want()
    return site.converge("recovered")


def _judge(site: Site, planted: dict[str, ground.State], mounted: frozenset[str]) -> list[str]:
    ground.keep(site)  # a host that was bare has one from now on
    run = site.start("further", "provision", "--allow-disruption")
    code, report = site.finish(run), site.report()
    if report is None or code:
        return [f"further: exit {code}: {site.error()} {site.tail('further')}"]
    return after.further(site, report) + after.problems(site, planted, mounted)


def _keep_evidence(site: Site, fault: Fault) -> None:
    kept = site.project.path.parent / f"fault-{fault.number}"
    kept.mkdir()
    for pattern in _EVIDENCE:
        for file in site.project.path.glob(pattern):
            shutil.copy(file, kept)
    shutil.copytree(site.host.directory / "root/var/lib/provision", kept / "host", dirs_exist_ok=True)
