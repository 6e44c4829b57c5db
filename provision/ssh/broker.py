"""Pass secrets to other processes, only here: a unix socket that returns the secret of a token.

The token of a login is valid for one answer, that of a sudo password for the whole run. The socket is in the
private run directory, and the user of the peer is checked too.
"""

import ctypes
import os
import resource
import secrets as random_source
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from provision.model import Secret

_TOKEN_BYTES = 32
_PATIENCE_S = 5.0
# The kernel's struct ucred: pid, uid, gid.
_PEER = struct.Struct("3i")
_PR_SET_DUMPABLE = 4


class Broker:
    """Serve secrets by token on ``path`` until the context ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._grants: dict[str, tuple[Secret, bool]] = {}
        self._lock = threading.Lock()
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._serve, name="broker", daemon=True)
        self._ending = threading.Event()

    def __enter__(self) -> Self:
        self._server.bind(str(self._path))
        self._server.listen(1024)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._server.close()
        self._path.unlink(missing_ok=True)
        with self._lock:
            self._grants.clear()

    def grant(self, secret: Secret, *, once: bool) -> str:
        """Return a token for ``secret``, valid once or for the whole run."""
        token = random_source.token_hex(_TOKEN_BYTES)
        with self._lock:
            self._grants[token] = (secret, once)
        return token

    def is_redeemed(self, token: str) -> bool:
        """Return whether a token that is valid once has been used."""
        with self._lock:
            return token not in self._grants

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            if self._ending.is_set():
                peer.close()
                return
            threading.Thread(target=self._answer, args=(peer,), daemon=True).start()

    def _stop(self) -> None:
        """Wake the thread and wait for it before its socket is closed.

        Closing does not wake a thread in accept(2). When the kernel restarts the call, the descriptor may be
        that of the next broker's socket, whose peer would then get no answer.
        """
        self._ending.set()
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.settimeout(_PATIENCE_S)
            last.connect(str(self._path))
        self._thread.join(_PATIENCE_S)

    def _answer(self, peer: socket.socket) -> None:
        peer.settimeout(_PATIENCE_S)
        with peer, suppress(OSError):
            token = _read_line(peer)
            if peer_uid(peer) != os.getuid():
                return
            with self._lock:
                secret, once = self._grants.get(token, (Secret(""), False))
                if once:
                    del self._grants[token]
            peer.sendall(secret.reveal().encode())


def ask(path: Path, token: str) -> Secret | None:
    """Return the secret of ``token`` from the broker on ``path``, or None.

    The process has a secret from then on, so its core dumps are forbidden.
    """
    forbid_dumps()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))  # waits its turn; with a time limit it would fail when many ask at once
        client.settimeout(_PATIENCE_S)
        client.sendall(token.encode() + b"\n")
        text = b"".join(iter(lambda: client.recv(4096), b"")).decode()
    return Secret(text) if text else None


def peer_uid(peer: socket.socket) -> int:
    """Return the user id of the process at the other end."""
    _, uid, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return int(uid)


def forbid_dumps() -> None:
    """Forbid core dumps of this process and of its children.

    The limit is inherited. A kernel that pipes cores to a program ignores the limit, but not the flag, which
    also keeps other processes of the user from reading our memory. The flag is reset by exec, so each program
    that holds a secret calls this. macOS has only the limit.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _read_line(peer: socket.socket) -> str:
    data = b""
    while not data.endswith(b"\n") and len(data) <= 2 * _TOKEN_BYTES + 1:
        chunk = peer.recv(256)
        if not chunk:
            break
        data += chunk
    return data.decode("ascii", "replace").strip()
