"""What this machine needs to run a lab: programs, and a kernel setting that is raised for a large lab."""

import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from provision.errors import LabError
from provision.lab.record import Lab

NEEDED = {
    "createrepo_c": "createrepo-c",
    "dpkg-deb": "dpkg",
    "gpg": "gnupg",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "rpmbuild": "rpm",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
}
# Each systemd uses several inotify instances.
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_ENOUGH = 1024
HOSTS_WITHOUT = 10
ELSEWHERE = "use servers of your own (inventory/hosts.yml) or real EL guests (vagrant up)"


def check() -> None:
    """Raise one LabError with everything that this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    installed = {program: shutil.which(program, path=path) is not None for program in NEEDED}
    lacks = missing(Path("/etc/os-release").read_text(), os.geteuid(), installed)
    if lacks:
        raise LabError(f"no lab on this machine: {'; '.join(lacks)}", f"fix that, or {ELSEWHERE}")


def missing(os_release: str, uid: int, installed: Mapping[str, bool]) -> list[str]:
    """Return what is missing, in words; empty when a lab can run.

    ``os_release`` is the text of the machine's file, ``installed`` says whether each program of NEEDED is
    installed.
    """
    lacks = []
    if not re.search(r"^ID(_LIKE)?=.*\b(debian|ubuntu)\b", os_release, re.MULTILINE):
        lacks.append("it is neither Debian nor Ubuntu")
    if uid != 0:
        lacks.append("you are not root, and a lab boots containers")
    packages = sorted(NEEDED[program] for program, there in installed.items() if not there)
    if packages:
        lacks.append(f"packages are missing (apt-get install {' '.join(packages)})")
    return lacks


def inotify_before(count: int) -> int | None:
    """Return the present number of inotify instances if ``count`` more hosts need a higher one, else None."""
    names = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):  # a process that has just ended
            names.append(comm.read_text())
    running = names.count("systemd-nspawn\n")  # of all labs
    present = int(INOTIFY.read_text())
    return present if count + running > HOSTS_WITHOUT and present < INOTIFY_ENOUGH else None


def raise_inotify(lab: Lab, progress: Callable[[str], None]) -> None:
    """Raise the setting if the lab's record says so, and report it."""
    if lab.inotify_before is not None:
        raised = f"raising fs.inotify.max_user_instances to {INOTIFY_ENOUGH}"
        progress(f"{raised}; lab.down restores {lab.inotify_before}")
        INOTIFY.write_text(f"{INOTIFY_ENOUGH}\n")


def restore_inotify(lab: Lab | None) -> None:
    """Restore what ``raise_inotify`` changed."""
    if lab and lab.inotify_before is not None:
        INOTIFY.write_text(f"{lab.inotify_before}\n")
