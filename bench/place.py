"""A lab of its own, and what each contender needs to enter its hosts."""

import io
import json
import os
import shutil
import sys
import tarfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from provision import lab, sample
from provision.lab import cgroups
from provision.lab import host as hosts
from provision.workflows import demo

HERE = Path(__file__).resolve().parent
REPOSITORY = "/etc/yum.repos.d/docker-ce.repo"
PACKAGES = "docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin"
# By profile: where Docker's packages are, and the Python that the floor uses.
SYSTEMS = {"el10": ("centos/10", "python3 -IS"), "el7": ("centos/7", "python2.7 -ES")}
DAEMON: dict[str, Any] = {
    "live-restore": True,
    "log-driver": "local",
    "log-opts": {"max-file": "3", "max-size": "10m"},
    "no-new-privileges": True,
}
KEY = "max-concurrent-downloads"
# At most so many are started in one call, which has two minutes.
CONTAINERS_A_CALL = 25
IMAGE = "docker import --change 'ENTRYPOINT [\"/sample\"]' - bench > /dev/null"
CONTAINERS = """\
seq {first} {last} | xargs -P 4 -I N \
    docker run -d --name bench-N --network none --stop-signal KILL bench sleep 99999999 > /dev/null
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A lab that is up; ``project`` is where `fab` runs, ``floor`` and ``plain`` what the others read."""

    lab: lab.Lab
    project: Path

    @property
    def floor(self) -> Path:
        """Where the floor's ssh config, names and passwords lie."""
        return self.project / "floor"

    @property
    def plain(self) -> Path:
        """Where the plain role's inventory lies."""
        return self.project / "plain"

    @property
    def pyinfra(self) -> Path:
        """Where pyinfra's inventory lies."""
        return self.project / "pyinfra"

    @property
    def system(self) -> tuple[str, str]:
        """The row of SYSTEMS for these hosts."""
        return SYSTEMS[self.lab.hosts[0].profile]

    def hosts_cpu_s(self) -> float | None:
        """Return the CPU seconds of all hosts so far, None where this machine does not count them."""
        used = [cgroups.cpu_seconds(hosts.machine(self.lab.name, host.name)) for host in self.lab.hosts]
        return None if None in used else sum(filter(None, used))

    def on_each(self, script: str) -> None:
        """Run ``script`` on every host without ssh; not part of any measurement."""
        for host in self.lab.hosts:
            lab.execute(host, "sh", "-c", script).check_returncode()

    def run_containers(self, count: int) -> None:
        """Start ``count`` containers on every host, which run until the lab goes."""
        for host in self.lab.hosts:
            lab.execute(host, "sh", "-c", IMAGE, stdin=_image()).check_returncode()
        for first in range(1, count + 1, CONTAINERS_A_CALL):
            last = min(first + CONTAINERS_A_CALL - 1, count)
            self.on_each(CONTAINERS.format(first=first, last=last))


@contextmanager
def open_place(hosts: int, subnet: int, root: Path, profile: str = "el10") -> Iterator[Place]:
    """Boot ``hosts`` bare stand-in hosts; they are gone when the context ends."""
    state = root / ".provision"
    name = f"bench{subnet % 100}"
    lab.down(name, state)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    try:
        made = lab.up(name, hosts, profile, state_dir=state, subnet=subnet, progress=_say)
        place = Place(made, root)
        shutil.copy(HERE.parent / "fabfile.py", root)  # makes it a project of its own
        demo.admit(made, root)
        _write_floor(place)
        _write_plain(place)
        _write_pyinfra(place)
        yield place
    finally:
        lab.down(name, state)


def _image() -> bytes:
    program = sample.program(os.uname().machine)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("sample")
        member.size, member.mode = len(program), 0o755
        tar.addfile(member, io.BytesIO(program))
    return buffer.getvalue()


def set_key(place: Place, value: int | None) -> None:
    """Set ``value`` for one key of daemon.json for every contender; None means only the defaults."""
    options = {} if value is None else {KEY: value}
    inventory = place.project / ".provision/lab/inventory.yml"
    wanted = yaml.safe_load(inventory.read_text())
    wanted["all"]["vars"]["docker_engine_daemon_options"] = options
    inventory.write_text(yaml.safe_dump(wanted))
    _write_desired(place, options)
    _write_plain(place, options)
    _write_pyinfra(place, options)


def _daemon_json(options: dict[str, Any]) -> str:
    # Byte for byte what the product writes, so that one contender's no-op is also the next one's.
    return json.dumps(DAEMON | options, indent=2, sort_keys=True, separators=(",", ": ")) + "\n"


def _repository(place: Place) -> str:
    return f"{place.lab.repo_url}/linux/{place.system[0]}/x86_64/stable"


def _write_floor(place: Place) -> None:
    (place.floor / "passwords").mkdir(parents=True, mode=0o700)
    config, pins = [], []
    for host in place.lab.hosts:
        assert host.password
        config.append(f"Host {host.name}\n  HostName {host.address}\n")
        pins.append(f"{host.name} {host.host_key}\n")
        _private(place.floor / "passwords" / host.name, host.password.reveal() + "\n")
    common = (
        "Host *\n  User root\n  PreferredAuthentications password\n  PubkeyAuthentication no\n"
        f"  NumberOfPasswordPrompts 1\n  StrictHostKeyChecking yes\n  UserKnownHostsFile {place.floor}/pins\n"
        "  GlobalKnownHostsFile /dev/null\n  LogLevel ERROR\n"
    )
    aliases = "".join(f"Host {host.name}\n  HostKeyAlias {host.name}\n" for host in place.lab.hosts)
    (place.floor / "ssh_config").write_text("".join(config) + aliases + common)
    (place.floor / "pins").write_text("".join(pins))
    (place.floor / "hosts").write_text("".join(f"{host.name}\n" for host in place.lab.hosts))
    (place.floor / "first").write_text(f"{place.lab.hosts[0].name}\n")
    askpass = place.floor / "askpass"
    askpass.write_text('#!/bin/sh\nexec cat "$PASSWORD_FILE"\n')
    askpass.chmod(0o700)
    _write_desired(place, {})


# A process of Docker's client would cost more.
PING = """\
ping_engine() {{
    {python} -c "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('/var/run/docker.sock')
s.sendall(b'GET /_ping HTTP/1.0\\r\\n\\r\\n'); sys.exit(b' 200 ' not in s.recv(4096))"
}}
"""


def _write_desired(place: Place, options: dict[str, Any]) -> None:
    ours = (
        "# Managed by provision; changes here are overwritten.\n[docker-ce-stable]\n"
        f"name=Docker CE stable ({place.system[0]})\nbaseurl={_repository(place)}\nenabled=1\ngpgcheck=1\n"
        "repo_gpgcheck=0\nsslverify=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-docker\n"
    )
    texts = {"key": place.lab.gpg_key.read_text(), "repository": ours, "daemon_json": _daemon_json(options)}
    head = f"packages='{PACKAGES}'\nkey_id={place.lab.gpg_fingerprint[-8:].lower()}\n"
    head += PING.format(python=place.system[1]) + "".join(
        _function(name, text) for name, text in texts.items()
    )
    program = b64encode(sample.program("x86_64")).decode() + "\n"
    for script in ("install", "check", "change", "verify"):
        more = _function("sample", program) if script == "verify" else ""
        body = (HERE / "floor" / f"{script}.sh").read_text()
        (place.floor / f"{script}.sh").write_text(head + more + body)


def _function(name: str, text: str) -> str:
    return f"{name}() {{ cat <<'END-OF-TEXT'\n{text}END-OF-TEXT\n}}\n"


def _write_plain(place: Place, options: dict[str, Any] | None = None) -> None:
    place.plain.mkdir(exist_ok=True, mode=0o700)
    rows = {}
    for host in place.lab.hosts:
        assert host.password
        rows[host.name] = {"ansible_host": host.address, "ansible_password": host.password.reveal()}
    (place.plain / "known_hosts").write_text(
        "".join(f"{host.address} {host.host_key}\n" for host in place.lab.hosts)
    )
    shared = {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={place.plain}/known_hosts",
        "docker_baseurl": _repository(place),
        "docker_key": str(place.lab.gpg_key),
        "docker_fingerprint": place.lab.gpg_fingerprint,
        "docker_daemon": _daemon_json(options or {}),
    }
    _private(place.plain / "inventory.yml", yaml.safe_dump({"all": {"hosts": rows, "vars": shared}}))


def _write_pyinfra(place: Place, options: dict[str, Any] | None = None) -> None:
    place.pyinfra.mkdir(exist_ok=True, mode=0o700)
    pins = place.pyinfra / "known_hosts"
    pins.write_text("".join(f"{host.address} {host.host_key}\n" for host in place.lab.hosts))
    shared = {
        "ssh_user": "root",
        "ssh_known_hosts_file": str(pins),
        "ssh_strict_host_key_checking": "yes",
        "docker_baseurl": _repository(place),
        "docker_key": str(place.lab.gpg_key),
        "docker_packages": PACKAGES,
        "docker_daemon": _daemon_json(options or {}),
    }
    rows = []
    for host in place.lab.hosts:
        assert host.password
        own = {"ssh_hostname": host.address, "ssh_password": host.password.reveal()}
        rows.append((host.name, own | shared))
    _private(place.pyinfra / "inventory.py", f"hosts = {rows!r}\n")


def _private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
