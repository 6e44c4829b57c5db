"""The one kernel setting a large lab needs: each systemd takes several inotify instances."""

from collections.abc import Callable
from pathlib import Path

from provision.lab.record import Lab

SETTING = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 1024
HOSTS_WITHOUT = 10


def before_raise(count: int) -> int | None:
    """Give the present value when a lab of ``count`` hosts needs a higher one, else None."""
    present = int(SETTING.read_text())
    return present if count > HOSTS_WITHOUT and present < ENOUGH else None


def raise_for(lab: Lab, progress: Callable[[str], None]) -> None:
    """Raise the setting if the lab's record says so, and say so."""
    if lab.inotify_before is not None:
        progress(f"raising fs.inotify.max_user_instances to {ENOUGH}; lab.down restores {lab.inotify_before}")
        SETTING.write_text(f"{ENOUGH}\n")


def restore(lab: Lab | None) -> None:
    """Put back what ``raise_for`` changed."""
    if lab and lab.inotify_before is not None:
        SETTING.write_text(f"{lab.inotify_before}\n")
