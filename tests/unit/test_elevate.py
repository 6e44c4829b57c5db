import subprocess
import sys
from pathlib import Path

import pytest

from provision.model import Secret
from provision.ssh.elevate import NO_SUDO, sudo_true, wrap

ECHO = "import sys; sys.stdout.write('%r' % stdin.read())"


def run(command: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, check=False)


def test_the_program_runs_and_finds_its_payload() -> None:
    elevated = wrap(ECHO, b"\x00\xffpayload\n")
    assert run(elevated.command, elevated.stdin).stdout == repr(b"\x00\xffpayload\n").encode()


@pytest.mark.parametrize("password", ["secret", "import os; os.abort()", "'; rm -rf /", "päss", "1234567"])
def test_a_password_nobody_wanted_is_never_code_nor_output(password: str) -> None:
    elevated = wrap(ECHO, b"p", password=Secret(password))
    done = run(elevated.command, elevated.stdin)
    assert done.stdout == repr(b"p").encode()
    assert password.encode() not in done.stdout + done.stderr
    assert password not in elevated.command


def test_an_end_before_the_marker_runs_nothing() -> None:
    elevated = wrap("print('ran')")
    assert run(elevated.command, b"password\n").returncode == 96


def test_nothing_of_it_shows_in_a_repr() -> None:
    assert "hunter2" not in repr(wrap("x", password=Secret("hunter2")))


def test_the_terminal_parent_passes_the_exit_code(tmp_path) -> None:
    fake = tmp_path / "sudo"
    fake.write_text('#!/bin/sh\nread password\n: >/dev/tty || exit 9\nshift 4\nexec "$@"\n')
    fake.chmod(0o755)
    elevated = wrap("import sys; sys.exit(7)", sudo=True, password=Secret("pw"))
    done = subprocess.run(
        ["sh", "-c", elevated.command], input=elevated.stdin, capture_output=True, check=False,
        env={"PATH": f"{tmp_path}:{sys.prefix}/bin:/usr/bin:/bin"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (7, b"")


def test_a_file_in_the_working_directory_is_not_imported(tmp_path, monkeypatch) -> None:
    (tmp_path / "subprocess.py").write_text("print('hijacked')")
    monkeypatch.chdir(tmp_path)
    elevated = wrap("import subprocess")
    assert run(elevated.command, elevated.stdin).stdout == b""


def test_without_a_password_sudo_is_told_not_to_ask() -> None:
    assert "sudo -k -n " in wrap("x", sudo=True).command
    assert "sudo -k -S -p " in wrap("x", sudo=True, password=Secret("pw")).command


@pytest.mark.parametrize(
    ("version", "code"), [("2, 6, 6", 95), ("3, 5, 10", 95), ("2, 7, 5", 0), ("3, 6, 8", 0)]
)
def test_a_python_that_is_too_old_names_itself_before_it_reads_anything(
    tmp_path: Path, version: str, code: int
) -> None:
    fake = tmp_path / "python3"
    fake.write_text(
        "#!/bin/sh\nshift; program=$1; shift\n"
        f'exec {sys.executable} -c "import sys; sys.version_info = ({version})\n'
        '$program" "$@"\n'
    )
    fake.chmod(0o755)
    elevated = wrap("")
    done = subprocess.run(
        ["sh", "-c", elevated.command], input=elevated.stdin, capture_output=True, check=False,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == code
    assert done.stderr.startswith(b"Python ") == bool(code)


def test_a_host_without_sudo_is_told_from_one_whose_sudo_refuses(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    (tmp_path / "sh").symlink_to("/bin/sh")
    for command in (wrap("", sudo=True).command, sudo_true()):
        done = subprocess.run(["/bin/sh", "-c", command], env={"PATH": str(tmp_path)}, check=False)
        assert done.returncode == NO_SUDO
