"""The services of this machine for a lab: the package repository and a container registry."""

import subprocess
import sys
from pathlib import Path

from provision.lab import packages, processes, wait
from provision.lab.fetch import fetch, unpack
from provision.lab.record import HTTP_PORT, REGISTRY_PORT, Lab

# Debian's registry needs a C library no older than its release: that of this suite runs on later ones.
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
    """Start both on the bridge's address only; raises LabError when one does not answer."""
    _serve_packages(lab, www)
    _serve_registry(lab)
    wait.for_port(lab.gateway, HTTP_PORT)
    wait.for_port(lab.gateway, REGISTRY_PORT)


def pids(directory: Path) -> list[int]:
    """Return the pids of the services of the lab in ``directory``."""
    return processes.with_argument(str(_www(directory))) + processes.with_argument(str(_config(directory)))


def _www(directory: Path) -> Path:
    return directory / packages.SERVED


def _config(directory: Path) -> Path:
    return directory / "registry.yml"


def _serve_packages(lab: Lab, www: Path) -> None:
    _www(lab.directory).symlink_to(www)
    # -P: else a module in the current directory could replace one of the standard library.
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
