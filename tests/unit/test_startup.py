"""The programs that are started with less garbage collection are started as `python -m` starts them."""

import subprocess
from pathlib import Path

import pytest

from provision import startup


@pytest.mark.parametrize("module", [startup.INVENTORY, startup.PLAYBOOK, startup.PYTEST])
def test_a_program_runs_and_imports_nothing_from_its_directory(module: str, tmp_path: Path) -> None:
    for name in ("ansible", "pytest", "gc", "yaml"):
        (tmp_path / f"{name}.py").write_text('raise SystemExit("imported from the working directory")')
    argv = [*startup.argv_of(module), "--version"]
    ran = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "core" in ran.stdout or "pytest" in ran.stdout


def test_the_exit_code_is_that_of_the_program(tmp_path: Path) -> None:
    argv = [*startup.argv_of(startup.PYTEST), "--no-such-option"]
    assert subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False).returncode == 4


def test_garbage_is_collected_less_often(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import gc\ndef test(): assert gc.get_threshold()[0] == 50_000\n")
    argv = [*startup.argv_of(startup.PYTEST), "-q", "-p", "no:cacheprovider", "test_it.py"]
    assert subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False).returncode == 0
