"""Make a lab the project's inventory, with a throw-away keyring and pins from the lab's record."""

import os
import shutil
import signal
import sys
from pathlib import Path

import yaml

from provision import credentials, lab
from provision.credentials import Kind, Owner
from provision.model import HostKey
from provision.report.layout import count
from provision.settings import project_root
from provision.trust import record
from provision.workflows.project import LAB, STATE, Flags, settings


def up(hosts: int, profile: str) -> str:
    """Boot the lab and return a text about it; remains of an earlier one are removed first.

    Name and addresses are the first that are free on this machine, so that two projects can have a lab each.
    """
    state = project_root(Path.cwd()) / STATE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # raises, so that a half-built lab is removed
    down()
    subnet = lab.free_subnet()
    made = lab.up(
        f"demo{subnet}",
        hosts,
        profile,
        state_dir=state,
        subnet=subnet,
        progress=lambda text: print(text, file=sys.stderr, flush=True),
    )
    admit(made, state.parent)
    return (
        f"{count(hosts, 'stand-in host')} up, made from Debian packages and dressed as CentOS:\n"
        + "".join(f"  {host.name}  {host.address}\n" for host in made.hosts)
        + "Next   fab plan        fab hosts.shell el1        fab lab.down\n"
    )


def down() -> None:
    """Remove the lab, its inventory, keyring and pins, if there is one."""
    place = project_root(Path.cwd()) / LAB
    for found in place.glob("demo*/"):
        lab.down(found.name, state_dir=place.parent)
    shutil.rmtree(place, ignore_errors=True)


def status() -> int:
    """Print the lab that is up; return the exit code, 1 when there is none."""
    found = lab.status(project_root(Path.cwd()) / STATE)
    if found is None:
        print("no lab is up; fab lab.up boots one", file=sys.stderr)
        return 1
    print(f"{found.name}: repository {found.repo_url}, registry {found.registry}")
    for host in found.hosts:
        print(f"  {host.name}  {host.address}  stand-in, profile {host.profile}")
    return 0


def admit(made: lab.Lab, home: Path) -> None:
    """Make ``made`` the inventory of the project in ``home``, with addresses, passwords and pins."""
    inventory = home / LAB / "inventory.yml"
    with os.fdopen(os.open(inventory, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        yaml.safe_dump(_inventory(made), file)
    project = settings(Flags(), home)
    credentials.init(project)
    for host in made.hosts:
        assert host.password is not None
        credentials.store(project, Owner.host(host.name), Kind.PASSWORD, host.password)
        kind, key = host.host_key.split()[:2]
        record(project.pins, HostKey(host.name, kind, key, "lab"))


def _inventory(made: lab.Lab) -> dict[str, object]:
    shared = {
        "docker_engine_mirror": made.repo_url,
        "docker_engine_gpg_key": str(made.gpg_key),
        "docker_engine_gpg_fingerprint": made.gpg_fingerprint,
    }
    hosts = {host.name: {"ansible_host": host.address} | _accepted(host) for host in made.hosts}
    return {"all": {"hosts": hosts, "vars": shared}}


def _accepted(host: lab.LabHost) -> dict[str, object]:
    return {"docker_engine_accept_eol": True} if host.has_ended else {}
