"""Wait for a port or a host to answer, with a time limit."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from provision.errors import LabError

PORT_TIMEOUT_S = 10
SSH_TIMEOUT_S = 30
PAUSE_S = 0.1


def for_port(address: str, port: int, timeout_s: float = PORT_TIMEOUT_S) -> None:
    """Wait until a TCP port accepts connections; raises LabError after ``timeout_s``."""
    _until(lambda: _connects(address, port), f"nothing listens on {address}:{port}", timeout_s)


def for_ssh(name: str, address: str, console: Path, timeout_s: float = SSH_TIMEOUT_S) -> None:
    """Wait until a host sends its SSH banner.

    Raises LabError, with the last line of ``console``, after ``timeout_s``.
    """
    try:
        complaint = f"{name} does not answer SSH on {address}"
        _until(lambda: _banner(address).startswith(b"SSH-"), complaint, timeout_s)
    except LabError as error:
        said = console.read_text(errors="replace").splitlines()[-1:]
        raise LabError(error.failure.message, error.failure.next, evidence="".join(said)) from None


def _until(answers: Callable[[], bool], complaint: str, timeout_s: float) -> None:
    until = time.monotonic() + timeout_s
    while not answers():
        if time.monotonic() > until:
            raise LabError(f"{complaint} within {timeout_s:.0f} s", "`fab lab.down`, then `fab lab.up`")
        time.sleep(PAUSE_S)


def _connects(address: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def _banner(address: str) -> bytes:
    with suppress(OSError), socket.create_connection((address, 22), timeout=1) as connection:
        return connection.recv(4)
    return b""
