"""The wheel, installed and used far from the checkout."""

import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.lab.conftest import CHECKOUT, NewProject


def installed(tmp_path: Path) -> Path:
    """Build the wheel, install it alone into a new venv that borrows our dependencies; return its bin."""
    wheels, home = tmp_path / "wheels", tmp_path / "venv"
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(wheels),
        str(CHECKOUT),
    ]
    subprocess.run(build, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    site = next((home / "lib").glob("python*")) / "site-packages"
    wheel = next(wheels.glob("*.whl"))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(home / "bin/python"),
        "install",
        "--quiet",
        "--no-deps",
    ]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    # a .pth inside a borrowed directory is not read, so the checkout itself stays invisible
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return home / "bin"


def test_the_installed_command_provisions_and_verifies(tmp_path: Path, new_project: NewProject) -> None:
    project = new_project("el1")
    command = installed(tmp_path)
    (project.path / "fabfile.py").unlink()

    def provision(*args: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(command / "provision"), *args], cwd=project.path, env=project.environment(),
            capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip

    where = "import provision.role as r; print(r.playbooks())"
    shown = subprocess.run(
        [command / "python", "-P", "-c", where], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip().endswith("site-packages/provision/_playbooks")
    assert "plan" in provision("--list").stdout
    done = provision("provision")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verified:" in done.stdout
    assert "Next     provision verify" in done.stdout
