"""Examine the keyring and its surroundings: which one it is, who can read it, whether it keeps a secret."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from keyring.backend import KeyringBackend

from provision.credentials import storage
from provision.credentials.choose import choose, explain
from provision.credentials.entries import service
from provision.credentials.kdbx import KdbxKeyring
from provision.errors import ProvisionError, UsageError
from provision.hints import Hint, parse
from provision.settings import Settings
from provision.ssh.errors import refuse_old_ssh

CANARY = "doctor/canary"
# Text that keyrings are known to lose or change: outer spaces, special characters, several scripts.
CANARY_SIGNS = " '\"\\%${{ 7*7 }} é🐙 "


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The state of one ``part``; only a fault has a ``hint``."""

    part: str
    seen: str
    hint: Hint = ()


def examine(settings: Settings) -> Iterator[Diagnosis]:
    """Yield the Diagnosis of each part; parts that depend on a faulty one are left out."""
    yield _ssh()
    try:
        backend = choose(settings)
        name = "KDBX 4" if isinstance(backend, KdbxKeyring) else backend.name
        yield Diagnosis("keyring", f"{name}: {explain(settings, backend)}")
        if isinstance(backend, KdbxKeyring):
            yield from _file(backend, settings)
        else:
            yield _canary(backend, settings)
    except ProvisionError as error:
        yield _fault("keyring", error)


def _ssh() -> Diagnosis:
    try:
        version = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr.strip()
        refuse_old_ssh(version)
    except FileNotFoundError:
        return Diagnosis("ssh", "there is no ssh on this controller", ("install OpenSSH 8.4 or newer",))
    except UsageError as error:
        return _fault("ssh", error)
    return Diagnosis("ssh", version.partition(",")[0])


def _file(backend: KdbxKeyring, settings: Settings) -> Iterator[Diagnosis]:
    if not backend.path.exists():
        yield Diagnosis("file", f"{backend.path} is not made yet", parse("`fab credentials.init`"))
        return
    yield _mode(backend.path)
    entries = len(backend.usernames(service(settings)))
    yield Diagnosis("master", f"it opens the file; entries of this project: {entries}")
    with backend.rehearsal() as copy:
        yield _canary(copy, settings)


def _mode(file: Path) -> Diagnosis:
    open_to_others = [str(each) for each in storage.all_of(file) if each.stat().st_mode & 0o077]
    if open_to_others:
        names = " ".join(open_to_others)
        return Diagnosis("file", f"others may read or write {names}", (f"chmod 600 {names}",))
    strangers = [str(each) for each in storage.all_of(file) if each.stat().st_uid != os.geteuid()]
    if strangers:
        names = " ".join(strangers)
        return Diagnosis("file", f"{names} belongs to another user", (f"chown {os.geteuid()} {names}",))
    if file.parent.stat().st_mode & 0o022:
        return Diagnosis("file", f"others may replace files in {file.parent}", (f"chmod 700 {file.parent}",))
    return Diagnosis("file", f"{file}: only you may read it")


def _canary(backend: KeyringBackend, settings: Settings) -> Diagnosis:
    """Set, read and delete a secret; of the embedded file only a copy is written."""
    name, text = service(settings), secrets.token_urlsafe(16) + CANARY_SIGNS
    try:
        backend.set_password(name, CANARY, text)
        kept = backend.get_password(name, CANARY) == text
        backend.delete_password(name, CANARY)
        gone = backend.get_password(name, CANARY) is None
    except Exception as error:  # a backend is foreign code, and may raise anything
        with suppress(Exception):
            backend.delete_password(name, CANARY)
        seen = f"it does not answer: {type(error).__name__}: {error}"
        return Diagnosis("canary", seen, ("unlock it, or use the embedded file: --keyring kdbx",))
    if not kept or not gone:
        seen = "it returned another text than was stored" if not kept else "it still has what was deleted"
        return Diagnosis("canary", seen, ("use the embedded file: --keyring kdbx",))
    return Diagnosis("canary", "a secret was set, read back the same, and deleted")


def _fault(part: str, error: ProvisionError) -> Diagnosis:
    failure = error.failure
    seen = f"{failure.message} ({failure.evidence})" if failure.evidence else failure.message
    return Diagnosis(part, seen, failure.next)
