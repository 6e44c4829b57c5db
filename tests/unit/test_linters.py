"""The linters of `make lint`, so that CI runs them too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
LINTERS = {
    "ruff": ("ruff check .", "."),
    "format": ("ruff format --check .", "."),
    "mypy": ("mypy", "."),
    "imports": ("lint-imports", "."),
    "vermin": ("vermin --no-tips -t=2.7 -t=3.6- provision/host", "."),
    "ansible": ("ansible-lint --offline --profile production", "playbooks"),
}


@pytest.mark.parametrize("name", LINTERS)
def test_a_linter_finds_nothing(name: str) -> None:
    command, place = LINTERS[name]
    environment = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
        "HOME": os.environ["HOME"],
    }
    done = subprocess.run(
        [str(BIN / command.split()[0]), *command.split()[1:]], cwd=CHECKOUT / place, env=environment,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
