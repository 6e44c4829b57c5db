"""What the hosts of a lab may ask this machine for: the package repository and a container registry."""

import subprocess
import sys
from pathlib import Path

from provision.lab import packages, processes, wait
from provision.lab.fetch import fetch, unpack
from provision.lab.record import HTTP_PORT, REGISTRY_PORT, Lab

# Debian's registry needs a C library no older than its own release: this one runs on every later system.
REGISTRY_SUITE = "bookworm"
REGISTRY_CONFIG = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {data}}}
  delete: {{enabled: true}}
http: {{addr: "{address}"}}
"""


def up(lab: Lab, www: Path) -> None:
    """Start both for this lab, on the bridge's address alone. Raises LabError when one does not answer."""
    _serve_packages(lab, www)
    _serve_registry(lab)
    wait.for_port(lab.gateway, HTTP_PORT)
    wait.for_port(lab.gateway, REGISTRY_PORT)


def pids(directory: Path) -> list[int]:
    """Return the services' processes of the lab in ``directory``."""
    return processes.with_argument(str(_www(directory))) + processes.with_argument(str(_config(directory)))


def _www(directory: Path) -> Path:
    return directory / packages.SERVED


def _config(directory: Path) -> Path:
    return directory / "registry.yml"


def _serve_packages(lab: Lab, www: Path) -> None:
    _www(lab.directory).symlink_to(www)
    # -P, or a module named like one of the standard library's in the current directory would be taken.
    command = [sys.executable, "-P", "-m", "http.server", str(HTTP_PORT), "--bind", lab.gateway,
               "--directory", str(_www(lab.directory))]  # fmt: skip
    _start(command, lab.directory / "http.log")


def _serve_registry(lab: Lab) -> None:
    program = fetch(REGISTRY_SUITE, ("docker-registry",))
    unpacked = lab.directory / "registry"
    unpack(program, unpacked)
    config = REGISTRY_CONFIG.format(data=lab.directory / "registry-data", address=lab.registry)
    _config(lab.directory).write_text(config)
    command = [str(unpacked / "usr/bin/docker-registry"), "serve", str(_config(lab.directory))]
    _start(command, lab.directory / "registry.log")


def _start(command: list[str], log: Path) -> None:
    with log.open("wb") as output:
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )
