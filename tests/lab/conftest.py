"""Real stand-in hosts, and throw-away projects that drive them as a person would: by `fab`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml

from provision import credentials
from provision import lab as labs
from provision.credentials import Kind, Owner
from provision.lab import Lab, LabHost
from provision.model import Secret
from provision.settings import Settings
from tests.unit.keyrings import cheap_blank

BIN = Path(sys.executable).parent
CHECKOUT = Path(__file__).parents[2]
HOSTS = 10
STATE = CHECKOUT / ".provision" / "tests"
MASTER = "a master password for tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Ten bare stand-in hosts, el1 to el10, with the users ops and deploy.

    It is kept in one place, so that what a killed run left is removed by the next one.
    """
    name, subnet = os.environ.get("PROVISION_TEST_LAB", "test:78").split(":")
    labs.down(name, STATE)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield labs.up(name, HOSTS, "el10", state_dir=STATE, subnet=int(subnet), users=True, progress=print)
    finally:
        labs.down(name, STATE)


@pytest.fixture(scope="module")
def one_host_lab() -> Iterator[Callable[[str], Lab]]:
    """Return a function that boots a lab of one host in another dress."""
    made: list[str] = []

    def boot(profile: str) -> Lab:
        subnet = labs.free_subnet()
        made.append(f"t{subnet}")
        return labs.up(made[-1], 1, profile, state_dir=STATE, subnet=subnet, progress=print)

    yield boot
    for name in made:
        labs.down(name, STATE)


@dataclass
class Project:
    """A directory with an inventory, pins and a keyring of its own."""

    path: Path
    lab: Lab
    hosts: dict[str, dict[str, Any]]
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def keyring(self) -> Path:
        """The project's own keyring file."""
        return self.path / "keys" / "keyring.kdbx"

    def write(self) -> None:
        """Write the inventory anew."""
        (self.path / "inventory").mkdir(exist_ok=True)
        shared = {
            "docker_engine_mirror": self.lab.repo_url,
            "docker_engine_gpg_key": str(self.lab.gpg_key),
            "docker_engine_gpg_fingerprint": self.lab.gpg_fingerprint,
            "docker_engine_accept_eol": any(host.has_ended for host in self.lab.hosts),
        }
        text = yaml.safe_dump({"all": {"vars": shared | self.variables, "hosts": self.hosts}})
        (self.path / "inventory" / "hosts.yml").write_text(text)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a command of this project."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {
            "HOME": str(self.path / "home"),
            "PROVISION_KEYRING_FILE": str(self.keyring),
            "PROVISION_MASTER": MASTER,
            **more,
        }

    def start(self, *args: str, **more: str) -> subprocess.Popen[str]:
        """Start a `fab` command and return its process."""
        pipe = subprocess.PIPE
        # As at a terminal: under nohup SIGHUP would be ignored, and in a background job SIGINT.
        usual = ["env", "--default-signal=HUP,INT"]
        return subprocess.Popen(
            [*usual, str(BIN / "fab"), *args], cwd=self.path, env=self.environment(**more), text=True,
            stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True,
        )  # fmt: skip

    def begin(self, *args: str) -> "Begun":
        """Start a `fab` command that goes on while others are typed."""
        return Begun(self, self.start(*args))

    def fab(self, *args: str, stdin: str = "", timeout_s: float = 240, **more: str) -> "Done":
        """Run a `fab` command to its end; its output must have no traceback and no secret."""
        done = subprocess.run(
            [str(BIN / "fab"), *args], cwd=self.path, env=self.environment(**more), text=True, input=stdin,
            capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        self.expect_clean(done.stdout + done.stderr)
        return Done(done.returncode, done.stdout, done.stderr)

    def expect_clean(self, text: str) -> None:
        """Fail on a traceback or a secret."""
        assert "Traceback" not in text
        assert MASTER not in text
        assert not [h.name for h in self.lab.hosts if h.password and h.password.reveal() in text]

    def report(self) -> dict[str, Any]:
        """Return the last run's report.json."""
        found: dict[str, Any] = json.loads((self.path / ".provision/latest/report.json").read_text())
        return found

    def host_report(self, name: str) -> dict[str, Any]:
        """Return one host of the last run's report."""
        return next(host for host in self.report()["hosts"] if host["name"] == name)

    @property
    def settings(self) -> Settings:
        """The settings of its keyring, which is opened here without a question."""
        return settings_of(self.keyring)

    def store(self, owner: str, secret: str, kind: str = "password") -> None:
        """Put a secret into the keyring, whatever is there, also for a host that is added later."""
        credentials.store(self.settings, Owner.parse(owner), credentials.parse_sort(kind), Secret(secret))

    def move_to(self, lab: Lab) -> None:
        """Make ``lab`` its lab: each host there gets an entry, a pin and its password."""
        self.lab = lab
        for host in lab.hosts:
            assert host.password
            self.add(host.name, host)
            self.store(host.name, host.password.reveal())

    def add(self, name: str, host: LabHost) -> None:
        """Make ``host`` the inventory's host ``name``, pinned."""
        self.hosts[name] = {"ansible_host": host.address}
        self.write()
        self.pin(name, host)

    def pin(self, name: str, host: LabHost) -> None:
        """Pin ``host``'s key under ``name``, replacing the pin that was there."""
        pins = self.path / "inventory" / "known_hosts"
        old = pins.read_text().splitlines() if pins.exists() else []
        kept = [line for line in old if line.split()[0] != name]
        pins.write_text("\n".join([*kept, f"{name} {host.host_key} trust=lab", ""]))


class Begun:
    """A command that was begun: its process, and what it prints."""

    def __init__(self, project: Project, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.ended_at = 0.0
        self._project = project
        self._said = ("", "")
        self._thread = threading.Thread(target=self._hear)
        self._thread.start()

    def _hear(self) -> None:
        self._said = self.process.communicate()
        self.ended_at = time.monotonic()

    def end(self, timeout_s: float = 240) -> "Done":
        """Wait for its end; kill it after ``timeout_s``. Its output must have no traceback and no secret."""
        self._thread.join(timeout_s)
        self.process.kill()
        self._thread.join()
        self._project.expect_clean("".join(self._said))
        return Done(self.process.returncode, *self._said)


@dataclass(frozen=True)
class Done:
    """The exit code and the output of a command."""

    rc: int
    out: str
    err: str

    def expect(self, rc: int, *words: str) -> None:
        """Fail, and show all output, unless the exit code is ``rc`` and each of ``words`` was printed.

        Line breaks count as spaces, since a terminal's width decides where they are.
        """
        said = self.out + self.err
        missing = [each for each in words if " ".join(each.split()) not in " ".join(said.split())]
        assert (self.rc, missing) == (rc, []), f"exit code {self.rc}, without {missing}:\n{said}"


NewProject = Callable[..., Project]


@pytest.fixture(scope="session")
def keyring_file(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keyring with the passwords of all hosts of the lab, to be copied."""
    return make_keyring(lab, tmp_path_factory.mktemp("keyring"))


def make_keyring(lab: Lab, directory: Path) -> Path:
    """Make a keyring with the passwords of all hosts of the lab below ``directory``."""
    file = directory / "keys/keyring.kdbx"
    empty_keyring(file)
    for host in lab.hosts:
        assert host.password
        credentials.store(settings_of(file), Owner.host(host.name), Kind.PASSWORD, host.password)
    return file


def empty_keyring(file: Path) -> None:
    """Make a keyring that opens at once, since its key derivation is cheap; all else is as in a real one."""
    file.parent.mkdir(mode=0o700)
    file.write_bytes(cheap_blank(Secret(MASTER)))
    file.chmod(0o600)


def settings_of(keyring: Path) -> Settings:
    """Return settings with this keyring, and its master password in a file beside it."""
    place = keyring.parent
    (place / "master").write_text(MASTER)
    return Settings((), place, keyring, place, master_file=place / "master")


@pytest.fixture
def new_project(lab: Lab, keyring_file: Path, tmp_path: Path) -> NewProject:
    """Return a function that makes a project over the named lab hosts, pinned, with their passwords."""

    def make(*names: str, **variables: Any) -> Project:
        project = project_in(tmp_path, lab, keyring_file, **variables)
        for name in names:
            project.add(name, lab.host(name))
        return project

    return make


Person = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def person() -> Iterator[Person]:
    """Return a function that starts a `fab` command on a terminal of 100 columns."""
    started = []

    def start(project: Project, *args: str, **more: str) -> "pexpect.spawn[str]":
        environment = project.environment(**{"TERM": "xterm", "LANG": "C.UTF-8", **more})
        child = pexpect.spawn(
            str(BIN / "fab"), list(args), cwd=str(project.path), env=environment, encoding="utf-8",
            timeout=90, dimensions=(30, 100),
        )  # fmt: skip
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def project_in(directory: Path, lab: Lab, keyring_file: Path, **variables: Any) -> Project:
    """Make a project without hosts in ``directory``, with a copy of the keyring."""
    project = Project(directory, lab, {}, variables)
    project.write()
    shutil.copy(CHECKOUT / "fabfile.py", directory)
    project.keyring.parent.mkdir()
    shutil.copy(keyring_file, project.keyring)
    return project


TinyDisk = Callable[[Path, str], Path]


@pytest.fixture
def tiny_disk() -> Iterator[TinyDisk]:
    """Return a function that mounts a small disk on a directory."""
    made: list[Path] = []

    def mount(place: Path, size: str) -> Path:
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
        made.append(place)
        return place

    yield mount
    for place in made:
        subprocess.run(["umount", "-l", place], check=True)
