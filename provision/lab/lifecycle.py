"""Bring a lab up and take it down; a lab, also a half-built one, is found by its name."""

import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from provision.errors import LabError
from provision.lab import host as hosts
from provision.lab import image, network, packages, prerequisites, processes, profiles, record, services, wait
from provision.lab.command import run
from provision.lab.record import Lab, LabHost

WORKERS = 8
Progress = Callable[[str], None]


def up(
    name: str,
    hosts: int = 2,
    profile: str = "el10",
    *,
    state_dir: Path,
    subnet: int = 0,
    users: bool = False,
    progress: Progress,
) -> Lab:
    """Bring up a lab of stand-in hosts called el1, el2, … on 198.18.``subnet``.0/24.

    ``profile`` is el10, el9, el8, el7 or alien; ``users`` adds ``ops`` (sudo with its password) and
    ``deploy`` (sudo without one). The root passwords are only in the returned value. ``progress`` is
    called with a line before each long step. Raises LabError when this machine cannot run a lab, or when
    this lab is up already; whatever was built is then removed.
    """
    prerequisites.check()
    dress = profiles.profile(profile)
    lab = Lab(name, record.directory(state_dir, name), subnet)
    _check_numbers(hosts, subnet)
    _refuse_running(lab, state_dir)
    network.refuse_taken(lab)
    try:
        return _make(lab, hosts, dress, users, progress)
    except BaseException:
        down(name, state_dir)
        raise


def down(name: str, state_dir: Path) -> None:
    """Remove lab ``name`` and all that belongs to it, if it exists.

    Also removes what an interrupted ``up`` left. Raises LabError when a file system stays mounted.
    """
    directory = record.directory(state_dir, name)
    if not directory.exists():
        return
    lab = None
    with suppress(LabError):
        lab = record.read(directory)
    made = [root.parent for root in directory.glob("*/root")]
    _kill(made, services.pids(directory))
    for host in made:
        hosts.forget(hosts.machine(name, host.name), host)
    _unmount(directory)
    network.down(directory)
    prerequisites.restore_inotify(lab)
    shutil.rmtree(directory)
    with suppress(OSError):
        directory.parent.rmdir()


def status(state_dir: Path, name: str | None = None) -> Lab | None:
    """Return the lab of this name, or the first one that is up, or None; without passwords."""
    if name is not None:
        return record.read(record.directory(state_dir, name))
    files = sorted((state_dir.resolve() / "lab").glob(f"*/{record.FILE}"))
    found = (record.read(file.parent) for file in files)
    return next((lab for lab in found if lab and lab.ready), None)


def _check_numbers(count: int, subnet: int) -> None:
    if not 1 <= count <= record.MAX_HOSTS:
        raise LabError(f"a lab has 1 to {record.MAX_HOSTS} hosts, not {count}", "`fab lab.up --hosts 2`")
    if not 0 <= subnet <= 255:
        raise LabError(
            f"a lab's subnet is a number from 0 to 255, not {subnet}",
            "`fab lab.up` chooses a free one",
        )


def _refuse_running(lab: Lab, state_dir: Path) -> None:
    found = record.read(lab.directory)
    if found and found.ready:
        raise LabError(
            f"the lab {lab.name} is up already", "`fab lab.status` shows it; `fab lab.down` removes it"
        )
    if lab.directory.exists():
        down(lab.name, state_dir)


def _make(lab: Lab, count: int, profile: profiles.Profile, users: bool, progress: Progress) -> Lab:
    record.write(lab)
    with ThreadPoolExecutor(WORKERS) as pool:
        tree = pool.submit(image.tree, profile, progress)
        repo = packages.repository(profile, progress)
        lab = replace(lab, gpg_key=repo.gpg_key, gpg_fingerprint=repo.fingerprint)
        lab = replace(lab, inotify_before=prerequisites.inotify_before(count))
        record.write(lab)
        prerequisites.raise_inotify(lab, progress)
        network.up(lab)
        progress(f"booting {count} stand-in hosts ({profile.name})")
        serving = pool.submit(services.up, lab, repo.www)
        root = tree.result()
        made = list(pool.map(lambda index: _boot(lab, index, profile, root, users), range(count)))
        serving.result()
    lab = replace(lab, hosts=tuple(made), ready=True)
    record.write(lab)
    return lab


def _boot(lab: Lab, index: int, profile: profiles.Profile, tree: Path, users: bool) -> LabHost:
    host = hosts.make(lab, index, profile, tree, users)
    hosts.boot(lab, host)
    wait.for_ssh(host.name, host.address, host.console)
    return host


def _kill(directories: list[Path], others: list[int]) -> None:
    supervisors = [pid for directory in directories for pid in hosts.supervisors(directory)]
    leaders = [hosts.leader(directory) for directory in directories]
    # nspawn cleans up after its container, so the container is killed.
    processes.send([pid for pid in leaders if pid], signal.SIGKILL)
    processes.send(others, signal.SIGTERM)
    if not processes.gone(supervisors + others, processes.STOP_TIMEOUT_S):
        processes.kill(supervisors + others)


def _unmount(directory: Path) -> None:
    for point in mounts_under(directory):
        run("umount", point)
    left = mounts_under(directory)
    if left:
        raise LabError(f"{left[0]} stays mounted", "end what uses it, then `fab lab.down` again")


def mounts_under(directory: Path) -> list[Path]:
    """Return the mount points below ``directory``, the deepest first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split()[4].encode().decode("unicode_escape"))
        if point.is_relative_to(directory):
            points.append(point)
    return sorted(points, key=lambda point: len(point.parts), reverse=True)
