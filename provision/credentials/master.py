"""Get the master password of the embedded keyring file."""

import ctypes
import getpass
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from provision.errors import KeyringError
from provision.model import Secret
from provision.settings import Settings

VARIABLE = "PROVISION_MASTER"
CREDENTIAL = "provision-master"
SHORTEST_MASTER = 8
LONGEST_READ_BYTES = 4096
_taken: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Sources:
    """Possible sources: a throw-away ``file`` (the lab's), a descriptor, a person."""

    file: Path | None = None
    descriptor: int | None = None
    person: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "Sources":
        """Return the sources that the command line allows."""
        return cls(settings.master_file, settings.unlock_fd, settings.interactive)

    def may_ask(self) -> bool:
        """Return whether a person may be asked for the master password of an existing file."""
        return self.person and not (self.file or self.descriptor is not None or _credential())


def from_environment() -> str | None:
    """Return PROVISION_MASTER, and remove it from the environment, which child processes inherit."""
    if VARIABLE in os.environ:
        _blot(VARIABLE)
        _taken[VARIABLE] = os.environ.pop(VARIABLE)
    return _taken.get(VARIABLE)


def obtain(keyring_file: Path, sources: Sources) -> Secret:
    """Return the master password of an existing keyring file.

    The order: the throw-away file, ``--unlock-fd``, systemd's ``$CREDENTIALS_DIRECTORY``, a prompt, and last
    the variable PROVISION_MASTER. Raises KeyringError when none of them has one.
    """
    variable, given = from_environment(), _given(sources)
    if given is None and sources.person:
        given = _ask(f"Master password of {keyring_file}: ")
    return _nonempty(variable if given is None else given, keyring_file)


def invent(keyring_file: Path, sources: Sources) -> Secret:
    """Return the master password of a new keyring file; a person types it twice.

    A throw-away file that does not exist is created, mode 0600, with a random password. Raises KeyringError
    when the two differ, or when it has fewer than 8 characters.
    """
    variable = from_environment()
    if sources.file and not sources.file.exists():
        _make(sources.file)
    given = _given(sources)
    if given is None and sources.person:
        given = _ask(f"New master password for {keyring_file}: ")
        if _ask("The same again: ") != given:
            raise KeyringError("the two master passwords differ", "`fab credentials.init`")
    master = _nonempty(variable if given is None else given, keyring_file)
    if len(master.reveal()) < SHORTEST_MASTER:
        raise KeyringError(
            f"a master password has at least {SHORTEST_MASTER} characters", "`fab credentials.init`"
        )
    return master


def _blot(variable: str) -> None:
    """Overwrite the variable in /proc/PID/environ, where unsetting leaves it."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    place = getenv(os.fsencode(variable))
    if place:
        ctypes.memset(place, ord("x"), len(os.environb[os.fsencode(variable)]))


def from_descriptor(flag: str, number: int) -> str:
    """Read one line from the descriptor that ``--flag`` names, and close it; raises KeyringError."""
    try:
        with os.fdopen(number, "rb") as pipe:
            return _line(pipe.read(LONGEST_READ_BYTES))
    except OSError as error:
        raise KeyringError(
            f"--{flag} {number} cannot be read: {error.strerror}",
            f"open it in the shell: `fab … --{flag} {number} {number}< FILE`",
        ) from error


def _given(sources: Sources) -> str | None:
    if sources.file:
        return _read_file(sources.file)
    if sources.descriptor is not None:
        return from_descriptor("unlock-fd", sources.descriptor)
    credential = _credential()
    return _read_file(credential) if credential else None


def _credential() -> Path | None:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    file = Path(directory) / CREDENTIAL if directory else None
    return file if file and file.exists() else None


def _read_file(file: Path) -> str:
    try:
        return _line(file.read_bytes())
    except OSError as error:
        raise KeyringError(
            f"the master password in {file} cannot be read: {error.strerror}", f"ls -l {file}"
        ) from error


def _line(data: bytes) -> str:
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise KeyringError("the password is not UTF-8 text", "`fab credentials.check`") from None


def _make(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(secrets.token_urlsafe(32))


def _ask(prompt: str) -> str:
    try:
        return getpass.getpass(prompt)
    except EOFError:
        return ""


def _nonempty(master: str | None, keyring_file: Path) -> Secret:
    if not master:
        raise KeyringError(
            f"the keyring {keyring_file} is locked, and no source had its master password",
            "type it at a terminal, or give it by --unlock-fd N, by systemd's LoadCredential="
            f"{CREDENTIAL}:FILE, or as the last resort in the variable {VARIABLE}",
        )
    return Secret(master)
