"""provision.lock.yml: the exact packages of each system, which `fab plan --lock` writes.

It is in the project's directory, outside the inventory, every file of which Ansible reads.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from provision import atomic
from provision.errors import InventoryError, UsageError
from provision.model import Locked
from provision.pipeline import Request
from provision.settings import Settings
from provision.workflows.project import is_lab

NAME = "provision.lock.yml"
HEAD = "# Made by `fab plan --lock`: the exact packages that fab plan and fab provision hold hosts to.\n"
# The verbs that a lock file holds to its packages.
_VERBS = ("plan", "provision")
_MAKE = {"make": True}
_CAP_BYTES = 1 << 20
_SYSTEM = re.compile(r"[a-z0-9._-]+/[A-Za-z0-9]* [a-z0-9_]+( distro)?")
_NEVRA = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._+-]*)-[0-9]+:[A-Za-z0-9._+~^]+-[A-Za-z0-9._+~^]+\.[a-z0-9_]+", re.ASCII
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
# The engine's own packages; others are dependencies, which may differ on hosts of one system.
_OURS = re.compile(r"(docker|moby)(-|$)|containerd(\.io)?$")
_LONGEST_EVIDENCE = 300

Systems = Mapping[str, list[list[str]]]


def place(project: Settings) -> Path:
    """Return the path of the lock file: the project's, or that of a lab, whose packages are others."""
    return (project.pins.parent if is_lab(project) else project.state_dir.parent) / NAME


def with_lock(request: Request, project: Settings, *, make: bool) -> Request:
    """Return ``request`` with the lock file's packages, or with the wish to ``make`` such a file.

    Raises InventoryError for a file with a mistake.
    """
    if request.verb not in _VERBS:
        return request
    file = place(project)
    systems = read(file) if os.path.lexists(file) else None
    lock: dict[str, Any] = _MAKE if make else {} if systems is None else {"systems": systems}
    return replace(request, values=dict(request.values) | ({"lock": lock} if lock else {}))


def read(file: Path) -> Systems:
    """Return the packages of each system; raises InventoryError with the line of a mistake."""
    try:
        with file.open("rb") as stream:
            text = stream.read(_CAP_BYTES)
    except OSError as error:
        raise _unusable(file, error) from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return dict(_systems(root))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _wrong(file, mark.line + 1 if mark else 1, error.problem or "no YAML") from None
    except (yaml.YAMLError, UnicodeError, RecursionError):
        raise _wrong(file, 1, "no YAML") from None
    except _Mistake as mistake:
        raise _wrong(file, mistake.line, str(mistake)) from None


def write(file: Path, found: Mapping[str, Locked]) -> tuple[str, ...]:
    """Write what hosts have ``found`` for their systems; return these. Other systems stay.

    Raises UsageError when hosts of one system differ in Docker's packages, and writes nothing then. Hosts
    without a plan are not among them.
    """
    systems = dict(read(file)) if os.path.lexists(file) else {}
    new: dict[str, dict[str, tuple[str, str]]] = {}
    first: dict[str, str] = {}
    for host, lock in found.items():
        _expect_packages(host, lock)
        other = first.setdefault(lock.system, host)
        rows = {_name_of(nevra): (nevra, digest) for nevra, digest in lock.packages}
        known = new.setdefault(lock.system, rows)
        differ = [known[name][0] for name in rows if _OURS.match(name) and known.get(name) != rows[name]]
        if differ:
            raise UsageError(
                f"{other} and {host} are both {lock.system}, and differ in Docker's packages",
                "set docker_engine_version to one version, or docker_engine_upgrade to true; then: "
                "`fab plan --lock`",
                evidence=f"{other} has {', '.join(differ)}"[:_LONGEST_EVIDENCE],
            )
        new[lock.system] = rows | known
    systems |= {name: [list(row) for row in rows.values()] for name, rows in new.items()}
    if new:
        _replace(file, _text(systems))
    return tuple(sorted(new))


def _expect_packages(host: str, lock: Locked) -> None:
    """Raise UsageError unless a host has sent what belongs into the file."""
    shapes = [bool(_name_of(nevra) and _SHA256.fullmatch(digest)) for nevra, digest in lock.packages]
    if not _SYSTEM.fullmatch(lock.system) or not all(shapes):
        raise UsageError(
            f"{host} has sent something other than packages to lock", f"`fab hosts.shell {host}`"
        )


def _name_of(nevra: str) -> str:
    found = _NEVRA.fullmatch(nevra)
    return found[1] if found else ""


def _text(systems: Systems) -> str:
    rows = {
        name: [{"nevra": nevra, "sha256": digest} for nevra, digest in sorted(systems[name])]
        for name in sorted(systems)
    }
    return HEAD + yaml.safe_dump({"systems": rows}, width=200)


def _replace(file: Path, text: str) -> None:
    try:
        atomic.replace(Path(os.path.realpath(file)), text.encode())  # a symbolic link is kept
    except OSError as error:
        raise _unusable(file, error) from error


class _Mistake(Exception):
    """What is wrong in a line of the file."""

    def __init__(self, node: yaml.Node | None, words: str) -> None:
        super().__init__(words)
        self.line = node.start_mark.line + 1 if node else 1


def _systems(root: yaml.Node | None) -> Iterator[tuple[str, list[list[str]]]]:
    ((_, systems),) = _pairs(root, "systems")
    for name, rows in _pairs(systems):
        if not _SYSTEM.fullmatch(name.value):
            raise _Mistake(name, "a system is written like: centos/9 x86_64")
        if not isinstance(rows, yaml.SequenceNode) or not rows.value:
            raise _Mistake(rows, f"{name.value} is a list of packages")
        yield name.value, list(_packages(rows))


def _packages(rows: yaml.SequenceNode) -> Iterator[list[str]]:
    seen = set()
    for row in rows.value:
        found = {key.value: value for key, value in _pairs(row, "nevra", "sha256")}
        nevra, digest = found["nevra"], found["sha256"]
        name = _name_of(_scalar(nevra))
        if not name:
            raise _Mistake(nevra, "nevra is written like: docker-ce-3:28.5.2-1.el9.x86_64")
        if not _SHA256.fullmatch(_scalar(digest)):
            raise _Mistake(digest, "sha256 has 64 digits, 0-9 and a-f")
        if name in seen:
            raise _Mistake(nevra, f"{name} is there twice")
        seen.add(name)
        yield [nevra.value, digest.value]


def _pairs(node: yaml.Node | None, *keys: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """Return keys and values of a mapping, which must have each of ``keys`` and no other, if any is named."""
    if not isinstance(node, yaml.MappingNode):
        raise _Mistake(node, f"here belongs {' and '.join(keys) or 'a name'}, and a colon after it")
    names = [_scalar(key) for key, _ in node.value]
    if len(set(names)) < len(names):
        raise _Mistake(node, "a name is there twice")
    if keys and sorted(names) != sorted(keys):
        raise _Mistake(node, f"here belongs {' and '.join(keys)}, and nothing else")
    return list(node.value)


def _scalar(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _wrong(file: Path, line: int, words: str) -> InventoryError:
    return InventoryError(
        f"{file}, line {line}: {words}",
        "take the file from version control again, or remove it; then: `fab plan --lock`",
    )


def _unusable(file: Path, error: OSError) -> UsageError:
    return UsageError(f"{file} cannot be used: {error.strerror}", f"ls -ld {file} {file.parent}")
