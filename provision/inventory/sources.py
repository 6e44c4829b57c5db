"""Run ansible-inventory with limits on time and memory, and explain its failure in one line."""

import json
import os
import re
import resource
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from provision.errors import InventoryError
from provision.model import Secret
from provision.startup import INVENTORY, argv_of

READ_TIMEOUT_S = 60
# Ansible needs up to 10 s and 150 MB for a megabyte of YAML, about 5000 hosts.
FILE_CAP_BYTES = 4 << 20
MEMORY_CAP_BYTES = 2 << 30
# An inventory that cannot be parsed, or has a key twice, is an error and not a warning.
_STRICT = {
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    "ANSIBLE_DUPLICATE_YAML_DICT_KEY": "error",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
}
_LONGEST_EVIDENCE = 300
_SCRIPT_SAID = "Standard error from inventory script:"
_REFUSAL = re.compile(r"\[WARNING\]: Failed to parse inventory with '(\w+)' plugin: (.*)")
# The refusal of a plugin that the file is not meant for.
_NOT_MINE = re.compile(r"no root 'plugin' key found|Invalid host pattern '(---|\w+:)'")
_PASSWORD = re.compile(r"\b(ansible_\w*pass\w*[\"']?\s*[=:]\s*)\S.*")
_PLACE = re.compile(r"^Origin: (/\S+:\d+:\d+)$", re.MULTILINE)


@contextmanager
def listing(
    sources: tuple[Path, ...], limit: str, environ: Mapping[str, str], vault: Secret | None = None
) -> Iterator["Listing"]:
    """Start ansible-inventory over ``sources``; it and its children are killed when the context ends.

    ``limit`` is an Ansible pattern, empty for all; ``vault`` decrypts files. Raises InventoryError for a file
    that is too large.
    """
    for source in sources:
        _check_size(source)
    argv = [*argv_of(INVENTORY), "--list"]
    argv += [word for source in sources for word in ("-i", str(source))]
    argv += [f"--limit={limit}"] if limit else []
    with _unnamed() as out, _unnamed() as err, _pipe(vault) as pipe:
        argv += [f"--vault-password-file=/dev/fd/{number}" for number in pipe]
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=_environment(sources, environ),
            start_new_session=True, pass_fds=pipe,
        )  # fmt: skip
        try:
            _cap_memory(process.pid)
            yield Listing(process, sources, out, err)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _unnamed() -> IO[bytes]:
    """Return a file in memory, where the system has that: it will hold a vault's passwords in plain text."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("inventory"), "w+b")
    return tempfile.TemporaryFile()


@dataclass(frozen=True, slots=True)
class Listing:
    """A running ansible-inventory."""

    _process: subprocess.Popen[bytes]
    _sources: tuple[Path, ...]
    _out: IO[bytes]
    _err: IO[bytes]

    def result(self) -> dict[str, Any]:
        """Wait for the process and return its listing; raises InventoryError."""
        try:
            code = self._process.wait(READ_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise self._failed(f"reading the inventory did not end in {READ_TIMEOUT_S} s") from None
        if code != 0:
            raise self._failed(f"the inventory cannot be read: {self._names()}", cause(_text(self._err)))
        text = _text(self._out)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            message = f"reading {self._names()} gives something other than an inventory"
            raise self._failed(message, text.strip().partition("\n")[0])
        return found

    def _names(self) -> str:
        return ", ".join(map(str, self._sources))

    def _failed(self, message: str, evidence: str = "") -> InventoryError:
        hint = f"look at it with: ansible-inventory --list -i {self._sources[0]}"
        return InventoryError(message, hint, evidence=evidence[:_LONGEST_EVIDENCE])


def cause(words: str) -> str:
    """Return the line of ansible-inventory's output that says why, with the place if it is known.

    The line may quote the inventory, so passwords in it are masked.
    """
    lines = [" ".join(line.split()) for line in words.splitlines() if line.strip()]
    refusals = [found for line in lines if (found := _REFUSAL.match(line))]
    telling = [found for found in refusals if not _NOT_MINE.search(found[2])] or refusals
    if _SCRIPT_SAID in lines[:-1]:
        why = lines[lines.index(_SCRIPT_SAID) + 1]
    elif telling:
        place = _PLACE.search(words)
        why = telling[0][2] + (f" ({place[1]})" if place else "")
    else:
        why = ([line for line in lines if "rror" in line] or lines or [""])[0]
    return _PASSWORD.sub(r"\1***", why)


@contextmanager
def _pipe(secret: Secret | None) -> Iterator[tuple[int, ...]]:
    """Yield a descriptor from which ``secret`` can be read once, or nothing without a secret."""
    if secret is None:
        yield ()
        return
    reader, writer = os.pipe()
    os.write(writer, secret.reveal().encode())
    os.close(writer)
    try:
        yield (reader,)
    finally:
        os.close(reader)


def _environment(sources: tuple[Path, ...], environ: Mapping[str, str]) -> dict[str, str]:
    # else the source of a script that failed is parsed as a list of host names
    scripts = {"ANSIBLE_INVENTORY_ENABLED": "script"} if all(map(_is_script, sources)) else {}
    return dict(environ) | _STRICT | scripts


def _is_script(source: Path) -> bool:
    if not source.is_file() or not os.access(source, os.X_OK):
        return False
    with source.open("rb") as file:
        return file.read(2) == b"#!"


def _check_size(source: Path) -> None:
    # the size of a directory or a script is only known from its listing
    if source.is_file() and source.stat().st_size > FILE_CAP_BYTES:
        raise InventoryError(
            f"{source} is larger than {FILE_CAP_BYTES >> 20} MB, and is not read",
            "split it into several files, and name those you want with --inventory PATH",
        )


def _cap_memory(pid: int) -> None:
    # Linux only; elsewhere there is only the time limit
    if hasattr(resource, "prlimit"):
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, (MEMORY_CAP_BYTES, MEMORY_CAP_BYTES))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
