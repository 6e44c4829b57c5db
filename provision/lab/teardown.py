"""Remove a lab in any state: processes, mounts, bridge, control groups, sysctl, files."""

import shutil
import signal
from contextlib import suppress
from pathlib import Path

from provision.errors import LabError
from provision.lab import host as hosts
from provision.lab import inotify, network, processes, record, services
from provision.lab.command import run


def down(name: str, state_dir: Path) -> None:
    """Remove lab ``name`` and all that belongs to it, if it exists.

    Also removes what an interrupted ``up`` left. Raises LabError when a file system stays mounted.
    """
    directory = record.directory(state_dir, name)
    if not directory.exists():
        return
    lab = _record(directory)
    made = [root.parent for root in directory.glob("*/root")]
    _kill(made, services.pids(directory))
    for host in made:
        hosts.forget(hosts.machine(name, host.name), host)
    _unmount(directory)
    network.down(directory)
    inotify.restore(lab)
    shutil.rmtree(directory)
    with suppress(OSError):
        directory.parent.rmdir()


def _record(directory: Path) -> record.Lab | None:
    with suppress(LabError):
        return record.read(directory)
    return None


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
