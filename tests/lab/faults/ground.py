"""Foreign things on a host: files of other people, and a container that must keep running."""

import hashlib
import io
import json
import os
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from provision import sample
from tests.lab.faults.site import POLL_S, Site

KEEPER = "keeper"
# The engine starts containers some time after it answers.
KEEPER_LIMIT_S = 20.0
DAEMON_FILE = "/etc/docker/daemon.json"
# An operator's own setting: it must stay in the file, whose other keys come and go.
LABELS = ["owner=ops"]
YESTERDAY = "2026-01-02 03:04:05.678"
DROP_IN = "[Service]\nEnvironment=A=b\n"
OTHER_REPOSITORY = "[theirs]\nname=theirs\nbaseurl=http://127.0.0.1:1\nenabled=0\n"
# Content, mode and owner of each foreign file.
FOREIGN = {
    "/etc/docker/certs.d/registry.example/ca.crt": ("a certificate\n", "640", "root:root"),
    "/etc/docker/notes": ("do not touch\n", "600", "games:games"),
    "/etc/pki/rpm-gpg/RPM-GPG-KEY-theirs": ("a key\n", "644", "root:root"),
    "/etc/systemd/system/docker.service.d/50-theirs.conf": (DROP_IN, "604", "root:root"),
    "/etc/yum.repos.d/theirs.repo": (OTHER_REPOSITORY, "640", "root:games"),
    "/root/.docker/config.json": ("{}\n", "600", "root:root"),
    "/usr/local/bin/docker-theirs": ("#!/bin/sh\n", "755", "games:root"),
    "/var/tmp/theirs": ("half a thought", "666", "games:games"),
}  # fmt: skip
_PLANT = """\
mkdir -p "$(dirname {0})" && cat > {0} && chown {2} {0} && chmod {1} {0} && touch -d '{3}' {0}
"""
# No network: engine 26 does not take back the packet filter that 28 made for a container that lives on.
_KEEP = f"""\
docker container inspect {KEEPER} > /dev/null 2>&1 && exit
docker import --change 'ENTRYPOINT ["/sample"]' - {KEEPER} > /dev/null &&
docker run -d --name {KEEPER} --restart always --network none --stop-signal KILL {KEEPER} sleep 99999999 |
    grep -q .
"""


@dataclass(frozen=True, slots=True)
class State:
    """One file on the disk."""

    sha256: str
    mode: int
    owner: tuple[int, int]
    modified_ns: int


def plant(site: Site) -> dict[str, State]:
    """Put the foreign files on the host, and return their states."""
    for place, (text, mode, owner) in FOREIGN.items():
        site.inside(_PLANT.format(place, mode, owner, YESTERDAY), text.encode())
    text = json.dumps({"labels": LABELS})
    site.inside(_PLANT.format(DAEMON_FILE, "640", "root:games", YESTERDAY), text.encode())
    return states(site)


def states(site: Site) -> dict[str, State]:
    """Return the present states of the foreign files; one that is gone is missing."""
    root = site.host.directory / "root"
    places = {place: root / place.lstrip("/") for place in FOREIGN}
    return {place: _state(path) for place, path in places.items() if path.is_file()}


def _state(path: Path) -> State:
    found = path.stat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return State(digest, found.st_mode, (found.st_uid, found.st_gid), found.st_mtime_ns)


def keep(site: Site) -> None:
    """Start a container that runs for ever on a host with an engine, unless it is there."""
    site.inside(_KEEP, image())


def keeper_runs(site: Site) -> bool:
    """Return whether that container runs, after the time that the engine may take."""
    look = f"docker inspect -f '{{{{.State.Running}}}}' {KEEPER} 2>&1; true"
    until = time.monotonic() + KEEPER_LIMIT_S
    while site.inside(look).strip() != "true":
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True


def check(site: Site, before: dict[str, State]) -> list[str]:
    """Return what is not as it was planted."""
    now = states(site)
    wrong = [
        f"{place} was {state}, is {now.get(place)}"
        for place, state in before.items()
        if now.get(place) != state
    ]
    daemon = site.host.directory / "root" / DAEMON_FILE.lstrip("/")
    try:
        labels = json.loads(daemon.read_text()).get("labels")
    except (OSError, ValueError) as error:
        return [*wrong, f"{DAEMON_FILE}: {error}"]
    found = (labels, daemon.stat().st_mode & 0o777)
    return wrong if found == (LABELS, 0o640) else [*wrong, f"{DAEMON_FILE} has labels and mode {found}"]


def image() -> bytes:
    """Return the sample program as the tar of an image."""
    program = sample.program(os.uname().machine)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("sample")
        member.size, member.mode = len(program), 0o755
        tar.addfile(member, io.BytesIO(program))
    return buffer.getvalue()
