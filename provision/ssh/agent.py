"""A private ssh-agent for the keys of the keyring: it lives as long as we do, and serves nobody else."""

import os
import socket
import subprocess
import time
from pathlib import Path

from provision import keypair
from provision.errors import UsageError
from provision.model import Secret

# A login that takes longer has failed; the agent forgets a key after this.
KEY_LIFE_S = 600
START_TIMEOUT_S = 5.0
_POLL_S = 0.01
# cat ends with the pipe that we hold, also when we are killed; the agent by itself would live on.
_SERVE = 'ssh-agent -D -a "$0" > /dev/null & cat > /dev/null; kill $!; wait'


class Agent:
    """An ssh-agent behind the socket ``path``, started with its first key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, key: Secret) -> None:
        """Hand it one key, over a pipe; raises UsageError when there is no ssh-agent that takes it."""
        if self._process is None:
            self._start()
        argv = ["ssh-add", "-q", "-t", str(KEY_LIFE_S), "-"]
        given = subprocess.run(
            argv, input=keypair.pem(key).encode(), env=self._environment(), capture_output=True, check=False
        )
        if given.returncode:
            raise _no_agent(given.stderr.decode("utf-8", "replace").strip()[-200:])

    def close(self) -> None:
        """End it."""
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
    # The file is there a moment before anybody listens.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex(str(path)) == 0


def _no_agent(evidence: str) -> UsageError:
    return UsageError(
        "no private ssh-agent could be started for the keys of the keyring",
        "install the OpenSSH client whole: ssh, ssh-agent, ssh-add",
        evidence=evidence,
    )
