"""Make a control group for each stand-in host, where this machine's init makes none.

Two containers in one group would remove the groups of each other's services.
"""

import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# A new cpuset group is empty, and accepts no process before it has processors and memory.
CPUSET = ("cpuset.cpus", "cpuset.mems")
BUSY_TRIES, BUSY_PAUSE_S = 20, 0.05


def make(machine: str) -> list[Path]:
    """Create and return the machine's group in every hierarchy; none where systemd makes scopes."""
    if Path("/run/systemd/system").is_dir():
        return []
    groups = [hierarchy / _name(machine) for hierarchy in _hierarchies()]
    for group in groups:
        group.mkdir(exist_ok=True)
        for file in (group / name for name in CPUSET):
            if file.exists() and not file.read_text().strip():
                file.write_text((group.parent / file.name).read_text())
    return groups


def remove(machine: str) -> None:
    """Remove the machine's groups and all below them; groups with processes stay."""
    for hierarchy in _hierarchies():
        group = hierarchy / _name(machine)
        for directory, _, _ in os.walk(group, topdown=False):
            _remove_one(Path(directory))


def cpu_seconds(machine: str) -> float | None:
    """Return the processor time that the machine has used; None where systemd makes its group."""
    usage, stat = ROOT / "cpuacct" / _name(machine) / "cpuacct.usage", ROOT / _name(machine) / "cpu.stat"
    if usage.exists():
        return int(usage.read_text()) / 1e9
    return int(stat.read_text().split()[1]) / 1e6 if stat.exists() else None


def _remove_one(directory: Path) -> None:
    # A group is busy for a moment after its last process has ended.
    for _ in range(BUSY_TRIES):
        try:
            return directory.rmdir()
        except FileNotFoundError:
            return None
        except OSError:
            time.sleep(BUSY_PAUSE_S)


def _name(machine: str) -> str:
    return f"lab-{machine}"


def _hierarchies() -> list[Path]:
    if (ROOT / "cgroup.procs").exists():
        return [ROOT]
    return sorted(path.parent for path in ROOT.glob("*/cgroup.procs") if not path.parent.is_symlink())
