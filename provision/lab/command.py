"""Run the programs that build the lab."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from provision.errors import LabError

TIMEOUT_S = 600
_HINT = "`fab lab.down` removes what was made so far; then run `fab lab.up` again"


def run(
    *argv: str | Path,
    stdin: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """Run a program, wait for it, and return its output.

    Raises LabError, with the last line of its error output, when it fails or takes longer than ``timeout_s``.
    """
    try:
        done = subprocess.run(
            [str(word) for word in argv], input=stdin, cwd=cwd, env=env, timeout=timeout_s,
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{argv[0]} did not end within {timeout_s:.0f} s", _HINT) from error
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        command = f"{Path(argv[0]).name} {' '.join(str(word) for word in argv[1:3])}"
        message = f"{command} failed (exit code {done.returncode})"
        raise LabError(message, _HINT, evidence=lines[-1].strip() if lines else "")
    return done.stdout
