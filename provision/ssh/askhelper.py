"""Install the askpass helper in a run directory, and prove before any login that it can run.

OpenSSH sends an *empty* password when its helper fails or cannot be started (readpass.c: ``xstrdup("")``),
and the host counts that as a failed login. So the helper is started once before the first login; and when it
later has no answer to a prompt, it kills the ssh that asked.
"""

import errno
import os
import shlex
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

from provision.errors import HelperUnusable
from provision.ssh.askpass import PROBED

PROBE_TIMEOUT_S = 20.0
# The first line is short and without spaces, wherever Python is: the kernel reads only 256 bytes of it. ssh
# is the parent of this shell, and may ignore SIGTERM, so it is killed. SSH_ASKPASS_PROMPT=none is a notice
# (touch the security key), not a question, and the probe has no broker.
_LAUNCHER = """\
#!/bin/sh
{python} -IS {helper} "$@" && exit 0
[ "$SSH_ASKPASS_PROMPT" = none ] || [ -z "$PROVISION_BROKER" ] || kill -KILL "$PPID"
exit 1
"""


def install(run_dir: Path) -> None:
    """Write the helper ``askpass`` into ``run_dir``; raises OSError."""
    code = resources.files("provision.ssh").joinpath("askpass.py").read_text()
    _write(run_dir / "askpass.py", code, 0o600)
    words = {"python": shlex.quote(sys.executable), "helper": shlex.quote(str(run_dir / "askpass.py"))}
    _write(run_dir / "askpass", _LAUNCHER.format(**words), 0o700)


def prove(run_dir: Path) -> None:
    """Start the helper of ``run_dir`` as ssh would, without a secret; raises HelperUnusable."""
    try:
        done = _probe(run_dir, time.monotonic() + PROBE_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unusable(run_dir, f"{type(error).__name__}: {error}") from error
    if done.stdout != f"{PROBED}\n":
        raise _unusable(run_dir, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])


def _probe(run_dir: Path, end: float) -> subprocess.CompletedProcess[str]:
    """Start it, again while it is busy: a process that is just starting may hold it open for writing."""
    while True:
        try:
            return subprocess.run(
                [run_dir / "askpass", "probe"], env={}, stdin=subprocess.DEVNULL, capture_output=True,
                text=True, timeout=PROBE_TIMEOUT_S, check=False,
                start_new_session=True,  # Ctrl-C must not reach it
            )  # fmt: skip
        except OSError as error:
            if error.errno != errno.ETXTBSY or time.monotonic() > end:
                raise
        time.sleep(0.02)


def _unusable(run_dir: Path, evidence: str) -> HelperUnusable:
    return HelperUnusable(
        f"the helper that hands passwords to ssh cannot run in {run_dir.parent}",
        "set XDG_RUNTIME_DIR to a directory of yours on a file system without noexec "
        f"(findmnt -T {run_dir.parent} shows this one), and try again",
        evidence=evidence,
        meaning=f"the file system forbids programs (noexec), or {sys.executable} does not start",
        state="no host was contacted, and no password was sent",
    )


def _write(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
