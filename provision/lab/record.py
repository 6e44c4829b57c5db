"""The record of a lab: ``up`` returns it, and ``lab.json`` keeps it without passwords."""

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from provision import atomic
from provision.errors import LabError
from provision.model import Secret

# A longer name does not fit into that of a network device, vb-NAME-el99.
NAME = re.compile(r"[a-z][a-z0-9]{0,6}")
FILE = "lab.json"
FIRST_HOST = 11
MAX_HOSTS = 99
HTTP_PORT = 8080
REGISTRY_PORT = 5000


@dataclass(frozen=True, slots=True)
class LabHost:
    """One stand-in host; all its files are in ``directory``.

    ``host_key`` is its public key as ``ssh-ed25519 AAAA…``; ``password`` is that of root, and of the users
    ``ops`` (sudo with password) and ``deploy`` (sudo without) where they were requested. It is in no file:
    in a lab read back from its record it is None.
    """

    name: str
    address: str
    profile: str
    host_key: str
    directory: Path
    password: Secret | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the system that it is dressed as gets no updates any more."""
        return self.profile in ("el7", "el8")

    @property
    def console(self) -> Path:
        """The output of host and container at boot and at shutdown."""
        return self.directory / "console.log"


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab; ``ready`` is False while it is built, ``inotify_before`` the old sysctl if it was raised."""

    name: str
    directory: Path
    subnet: int
    hosts: tuple[LabHost, ...] = ()
    gpg_key: Path = Path()
    gpg_fingerprint: str = ""
    ready: bool = False
    inotify_before: int | None = None

    @property
    def bridge(self) -> str:
        """The network device that connects all hosts."""
        return bridge(self.name)

    @property
    def gateway(self) -> str:
        """This machine's address as the hosts see it."""
        return f"198.18.{self.subnet}.1"

    @property
    def repo_url(self) -> str:
        """The replacement for https://download.docker.com: ``docker_engine_mirror``."""
        return f"http://{self.gateway}:{HTTP_PORT}"

    @property
    def registry(self) -> str:
        """Address and port of the registry, plain HTTP."""
        return f"{self.gateway}:{REGISTRY_PORT}"

    def host(self, name: str) -> LabHost:
        """Return the host of this name; raises LabError with the known names."""
        for host in self.hosts:
            if host.name == name:
                return host
        known = " ".join(host.name for host in self.hosts)
        raise LabError(f"the lab {self.name} has no host {name!r}", f"it has: {known}")

    def address(self, index: int) -> str:
        """Return the address of host number ``index``, counted from 0."""
        return f"198.18.{self.subnet}.{FIRST_HOST + index}"


def bridge(name: str) -> str:
    """Return the name of the bridge of lab ``name``."""
    return f"lab-{name}"


def directory(state_dir: Path, name: str) -> Path:
    """Return the directory of lab ``name``; raises LabError for an invalid name."""
    if not NAME.fullmatch(name):
        hint = "use up to 7 lower-case letters and digits, a letter first"
        raise LabError(f"{name!r} cannot be a lab's name", hint)
    return state_dir.resolve() / "lab" / name


def write(lab: Lab) -> None:
    """Write the record to the lab's directory, readable by its owner only and without passwords."""
    lab.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    open_hosts = tuple(replace(host, password=None) for host in lab.hosts)
    text = json.dumps(asdict(replace(lab, hosts=open_hosts)), indent=2, default=str)
    atomic.replace(lab.directory / FILE, f"{text}\n".encode(), atomic.PRIVATE, lasts=False)


def read(directory: Path) -> Lab | None:
    """Return the lab recorded in ``directory``; None when there is none."""
    try:
        fields = json.loads((directory / FILE).read_text())
        hosts = tuple(LabHost(**{**host, "directory": Path(host["directory"])}) for host in fields["hosts"])
        paths = {name: Path(fields[name]) for name in ("directory", "gpg_key")}
        return Lab(**{**fields, **paths, "hosts": hosts})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        hint = "`fab lab.down` removes that lab"
        raise LabError(f"{directory / FILE} is not a lab's record", hint) from error
