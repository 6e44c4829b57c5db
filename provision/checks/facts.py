"""The facts of a Docker host: one command, and the parsers of its output."""

import base64
import configparser
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from provision.checks.openpgp import certificates
from provision.checks.questions import Answer, Questions

# The local socket by name: a docker context or DOCKER_HOST must not redirect the question to another host.
DOCKER = "timeout 20 docker -H unix:///var/run/docker.sock"

# The exit code of `timeout` when the command timed out.
TIMED_OUT = 124

# The lock of a run on the host: a check waits while another run changes the host or restarts its engine.
LOCK = "/run/provision.lock"
AFTER_OTHERS = f"[ ! -e {LOCK} ] || flock -s -w 40 {LOCK} true"

# What a run with a bundle writes into the .repo file that it leaves disabled.
BUNDLED = "# Disabled: the packages came from a bundle."

# The inventory values that a host is compared with.
OPTIONS = "docker_engine_daemon_options"
FINGERPRINT = "docker_engine_gpg_fingerprint"
HOLD = "docker_engine_hold"

# docker.socket starts a stopped engine for any client. A check must not change what it observes.
_IF_ACTIVE = (
    "state=$(systemctl is-active docker.service); "
    '[ "$state" = active ] || { echo "docker.service is $state"; exit 1; }; '
)

PROGRAMS = ("dockerd", "docker", "containerd")
# CentOS 7's docker 1.13 has dockerd-current and docker-containerd-current.
_PROGRAM = 'program() { command -v "$1" || command -v "$1-current" || command -v "docker-$1-current"; }; '

# The packages that docker_engine_hold holds.
DOCKERS_ENGINE = "docker-ce"
HELD = (DOCKERS_ENGINE, "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin")
NOT_HELD = 3

PROBE = {
    "machine": "uname -m",
    "owners": (
        f"{_PROGRAM}command -v rpm >/dev/null || exit 3; "
        f"for p in {' '.join(PROGRAMS)}; do "
        'f=$(program $p) && rpm -qf --qf "$p %{NAME} %{VERSION}\\n" "$f"; done'
    ),
    "signatures": (
        f"{_PROGRAM}for p in {' '.join(PROGRAMS)}; do program $p; done | "
        "xargs -r rpm -qf --qf '%{NAME}\\n' | grep -v ' ' | sort -u | xargs -r rpm -qi"
    ),
    "keys": "rpm -q gpg-pubkey --qf '%{VERSION}\\n'",
    # One line for each key file that a repository names: its path and its content.
    "key_files": (
        "grep -oh 'file:///[^[:space:],]*' /etc/yum.repos.d/*.repo | sed 's|^file://||' | sort -u | "
        'while read -r f; do [ ! -f "$f" ] || echo "$f $(base64 -w 0 "$f")"; done'
    ),
    "repositories": "cat /etc/yum.repos.d/*.repo 2>/dev/null",
    "package_manager": "cat /etc/dnf/dnf.conf 2>/dev/null || cat /etc/yum.conf 2>/dev/null",
    # Only where the set is held: it may fetch the metadata of every repository.
    "upgrade": (
        f"grep -qs '^exclude=.*docker-ce' /etc/yum.repos.d/docker-ce.repo || exit {NOT_HELD}; "
        "manager=$(command -v dnf || command -v yum); "
        f"timeout 60 $manager --assumeno --setopt=assumeyes=False upgrade {' '.join(HELD)}"
    ),
    "units": (
        "systemctl show docker.service docker.socket containerd.service "
        "-p Id,LoadState,ActiveState,UnitFileState"
    ),
    "socket": "stat -L -c '%F|%a|%U|%G' /var/run/docker.sock",
    "arguments": "for p in $(pgrep -x 'dockerd(-current)?'); do tr '\\0' '\\n' </proc/$p/cmdline; done",
    "listeners": "ss -ltnp",
    "daemon_json": "cat /etc/docker/daemon.json",
    "validate": "timeout 20 dockerd --validate",
    "cgroup": "stat -fc %T /sys/fs/cgroup",
    "selinux": "cat /sys/fs/selinux/enforce",
    "forwarding": "cat /proc/sys/net/ipv4/ip_forward",
    "info": _IF_ACTIVE + DOCKER + " info --format '{{json .}}'",
    "client": "docker --version",
}


def probe() -> Questions:
    """Return the questions whose answers ``Facts`` reads."""
    return Questions(PROBE, before=f"{AFTER_OTHERS}\nexport LC_ALL=C DOCKER_CONFIG=/nonexistent")


@dataclass(frozen=True)
class Facts:
    """The answers to ``probe``, and the values in them; ``decided`` are the inventory's values."""

    answers: Mapping[str, Answer]
    decided: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Answer:
        return self.answers[name]

    @cached_property
    def info(self) -> dict[str, Any]:
        """``docker info``; empty when the engine did not answer."""
        found = json_line(self["info"]) or {}
        return {} if found.get("ServerErrors") or not found.get("ServerVersion") else found

    @property
    def silence(self) -> str:
        """Why there is no ``info``, in the words of the engine or the client."""
        errors = (json_line(self["info"]) or {}).get("ServerErrors") or []
        late = "no answer in 20 s" if self["info"].rc == TIMED_OUT else ""
        return late or str((errors or [self["info"].last_line])[0])

    @cached_property
    def client_version(self) -> str:
        """The version of the ``docker`` command; empty when there is none."""
        found = re.match(r"Docker version ([^\s,]+)", self["client"].text)
        return found[1] if found else ""

    @property
    def client_numbers(self) -> tuple[int, ...]:
        """The first two numbers of ``client_version``; empty when there is none."""
        return tuple(int(number) for number in re.findall("[0-9]+", self.client_version)[:2])

    @cached_property
    def owners(self) -> dict[str, tuple[str, str]]:
        """Name and version of the package of each program of the engine."""
        rows = (line.split() for line in self["owners"].text.splitlines())
        return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3 and row[0] in PROGRAMS}

    @property
    def own_engine(self) -> str:
        """The package of the engine if it is the distribution's own; empty for Docker's, or for none."""
        name = self.owners.get("dockerd", ("", ""))[0]
        return "" if name == DOCKERS_ENGINE else name

    @cached_property
    def signing_keys(self) -> dict[str, str]:
        """The key that signed each package of ``owners``, in lower case hex; empty for none."""
        parts = re.split(r"^Name\s*:\s*", self["signatures"].text, flags=re.MULTILINE)[1:]
        pattern = "Key (?:ID|Fingerprint:) ([0-9a-fA-F]{8,40})"
        found = {part.split()[0]: re.search(pattern, part) for part in parts if part.split()}
        return {name: key[1].lower() if key else "" for name, key in found.items()}

    @cached_property
    def trusted_keys(self) -> list[str]:
        """The keys that rpm holds, in lower case hex: 8 digits, or 40 since rpm 6."""
        words = [line.strip().lower() for line in self["keys"].text.splitlines()]
        return [word for word in words if re.fullmatch("[0-9a-f]{8,40}", word)]

    @property
    def named_key(self) -> str:
        """The fingerprint in the inventory, in lower case hex; empty when there is none."""
        return str(self.decided.get(FINGERPRINT) or "").replace(" ", "").lower()

    @cached_property
    def docker_keys(self) -> list[str]:
        """The keys that may sign Docker's packages: the named one and its subkeys, else the repositories'."""
        found = self._repository_keys
        if self.named_key:
            return [self.named_key, *(key for each in found if self.named_key in each for key in each)]
        return [key for each in found for key in each]

    @property
    def _repository_keys(self) -> list[list[str]]:
        """Each key in the key files of Docker's repositories, with its subkeys, in lower case hex."""
        urls = " ".join(values.get("gpgkey", "") for values in self.docker_repositories.values())
        named = urls.replace(",", " ").split()
        rows = [line.split() for line in self["key_files"].text.splitlines()]
        files = [row[1] for row in rows if len(row) == 2 and f"file://{row[0]}" in named]
        return [key for text in files for key in certificates(_octets(text))]

    @cached_property
    def units(self) -> dict[str, dict[str, str]]:
        """systemd's properties of docker.service, docker.socket and containerd.service."""
        blocks = (
            dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
            for block in self["units"].text.split("\n\n")
        )
        return {block["Id"]: block for block in blocks if "Id" in block}

    @cached_property
    def is_bundled(self) -> bool:
        """Whether the packages came from a bundle, and the repository is disabled therefore."""
        return BUNDLED in self["repositories"].text

    @cached_property
    def docker_repositories(self) -> dict[str, dict[str, str]]:
        """The package repositories that are Docker's by name or address, enabled or left so by a bundle."""
        return {
            name: values
            for name, values in _ini(self["repositories"].text).items()
            if (self.is_bundled or values.get("enabled", "1") in ("1", "true", "yes"))
            and "docker" in name.lower() + values.get("baseurl", "").lower()
        }

    @property
    def upgradable(self) -> list[str]:
        """The held packages that an upgrade would replace, each with its new version."""
        table = self["upgrade"].text.partition("Transaction Summary")[0]
        rows = (line.split() for line in table.splitlines() if line.startswith(" "))
        return [f"{row[0]} {row[2]}" for row in rows if len(row) > 3 and row[0] in HELD]

    @cached_property
    def main(self) -> dict[str, str]:
        """The package manager's own settings, which each repository inherits."""
        return _ini(self["package_manager"].text).get("main", {})

    @cached_property
    def daemon(self) -> dict[str, Any] | None:
        """daemon.json; empty when there is no file, None when it is not a JSON object."""
        if not self["daemon_json"].ok:
            return {}
        try:
            found = json.loads(self["daemon_json"].text or "{}")
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    @property
    def options(self) -> Mapping[str, Any]:
        """The inventory's values for the recommended options of daemon.json."""
        return self.decided.get(OPTIONS) or {}

    def decision(self, key: str) -> tuple[str, bool]:
        """Return who decides ``key`` ('' for nobody, the inventory first), and whether it is to be on."""
        if key in self.options:
            return OPTIONS, self.options[key] is True
        return self._decision_there(key)

    def _decision_there(self, key: str) -> tuple[str, bool]:
        """Return what decides ``key`` on the host, a flag or daemon.json, and whether it is on there."""
        for word in self["arguments"].text.split():
            name, _, value = word.partition("=")
            if name == f"--{key}":
                return f"the flag {word}", value in ("", "true")
        daemon = self.daemon or {}
        return ("daemon.json", daemon[key] is True) if key in daemon else ("", False)

    @property
    def wanted_rotation(self) -> str:
        """The log rotation that is asked for, and by whom; empty when nobody asks."""
        for who, said in ((OPTIONS, self.options), ("daemon.json", self.daemon or {})):
            driver, size = said.get("log-driver"), (said.get("log-opts") or {}).get("max-size")
            if driver not in (None, "json-file"):
                return f"log-driver {driver} ({who})"
            if size:
                return f"log-opts max-size {size} ({who})"
        return ""

    @property
    def who_declined_rotation(self) -> str:
        """Who decided that logs are not rotated; empty for nobody. The inventory does so only by a null."""
        sizes = self.options.get("log-opts", {})
        said = (self.options.get("log-driver", ""), sizes and sizes.get("max-size", ""))
        return OPTIONS if None in said else self._decision_there("log-driver")[0]

    @cached_property
    def security(self) -> dict[str, dict[str, str]]:
        """``SecurityOptions`` by name, each with its own values (``seccomp``: ``profile``)."""
        options = self.info.get("SecurityOptions") or []
        rows = (dict(part.partition("=")[::2] for part in row.split(",")) for row in options)
        return {row["name"]: row for row in rows if "name" in row}

    @property
    def can_validate(self) -> bool:
        """Whether this dockerd can validate its configuration, as it can since version 23."""
        return self["validate"].rc not in (125, 126, 127) and "unknown flag" not in self["validate"].text

    @property
    def refuses_configuration(self) -> bool:
        """Whether dockerd would not start with its present configuration."""
        return self.daemon is None or (self.can_validate and not self["validate"].ok)

    @property
    def is_swarm(self) -> bool:
        """Whether the engine is part of a Swarm."""
        swarm = self.info.get("Swarm") or {}
        return str(swarm.get("LocalNodeState", "inactive")) != "inactive"


def json_line(answer: Answer) -> dict[str, Any] | None:
    """Return the JSON object of the last line that holds one, as there may be warnings around it."""
    for line in reversed(answer.text.splitlines()):
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            return found if isinstance(found, dict) else None
    return None


def same_key(one: str, other: str) -> bool:
    """Return whether two hex names, each a key's fingerprint or its end, can mean the same key."""
    return one.endswith(other) or other.endswith(one)


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


def _ini(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {name: {k: v or "" for k, v in parser.items(name)} for name in parser.sections()}
