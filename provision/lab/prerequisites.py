"""Check what this machine needs to run a lab."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from provision.errors import LabError

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
ELSEWHERE = "use servers of your own (inventory/hosts.yml) or real EL guests (vagrant up)"


def check() -> None:
    """Raise one LabError with everything that this machine lacks."""
    lacks = missing(Path("/etc/os-release").read_text(), os.geteuid(), _installed())
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


def _installed() -> dict[str, bool]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return {program: shutil.which(program, path=path) is not None for program in NEEDED}
