"""Raise the one kernel setting that a large lab needs: each systemd uses several inotify instances."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from provision.lab.record import Lab

SETTING = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 1024
HOSTS_WITHOUT = 10


def before_raise(count: int) -> int | None:
    """Return the present value if ``count`` more hosts need a higher one, else None."""
    present = int(SETTING.read_text())
    return present if count + _running() > HOSTS_WITHOUT and present < ENOUGH else None


def _running() -> int:
    """Return the number of all nspawn containers on this machine."""
    names = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):  # a process that has just ended
            names.append(comm.read_text())
    return names.count("systemd-nspawn\n")


def raise_for(lab: Lab, progress: Callable[[str], None]) -> None:
    """Raise the setting if the lab's record says so, and report it."""
    if lab.inotify_before is not None:
        progress(f"raising fs.inotify.max_user_instances to {ENOUGH}; lab.down restores {lab.inotify_before}")
        SETTING.write_text(f"{ENOUGH}\n")


def restore(lab: Lab | None) -> None:
    """Restore what ``raise_for`` changed."""
    if lab and lab.inotify_before is not None:
        SETTING.write_text(f"{lab.inotify_before}\n")
