"""The program inside the sample container, with its source, its sums and its build script."""

from pathlib import Path

MACHINES = ("x86_64", "aarch64")


def program(machine: str) -> bytes:
    """Return the static program for ``machine``, one of MACHINES as ``uname -m`` prints it."""
    return (Path(__file__).parent / f"sample-{machine}").read_bytes()
