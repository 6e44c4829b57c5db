"""A private ssh-agent for the keys of the keyring, which ends with this process."""

import os
import socket
import subprocess
import time
from pathlib import Path

from provision import keypair
from provision.errors import UsageError
from provision.model import Secret

# The agent drops a key after this; a login that takes longer has failed.
KEY_LIFE_S = 600
START_TIMEOUT_S = 5.0
_POLL_S = 0.01
# cat ends with our end of the pipe, also when we are killed; the agent alone would keep running.
_SERVE = 'ssh-agent -D -a "$0" > /dev/null & cat > /dev/null; kill $!; wait'


class Agent:
    """An ssh-agent on the socket ``path``, started with its first key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, key: Secret) -> None:
        """Add one key, over a pipe; raises UsageError when no ssh-agent accepts it."""
        if self._process is None:
            self._start()
        argv = ["ssh-add", "-q", "-t", str(KEY_LIFE_S), "-"]
        given = subprocess.run(
            argv, input=keypair.pem(key).encode(), env=self._environment(), capture_output=True, check=False
        )
        if given.returncode:
            raise _no_agent(given.stderr.decode("utf-8", "replace").strip()[-200:])

    def close(self) -> None:
        """Stop the agent."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", _SERVE, str(self.path)], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=self._environment(), start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + START_TIMEOUT_S
        while not _answers(self.path):
            if time.monotonic() > end:
                raise _no_agent(f"no socket after {START_TIMEOUT_S:.0f} s")
            time.sleep(_POLL_S)

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "SSH_AUTH_SOCK": str(self.path)}


def _answers(path: Path) -> bool:
    # The file exists a moment before the agent listens.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex(str(path)) == 0


def _no_agent(evidence: str) -> UsageError:
    return UsageError(
        "no private ssh-agent could be started for the keys of the keyring",
        "install the complete OpenSSH client: ssh, ssh-agent, ssh-add",
        evidence=evidence,
    )
