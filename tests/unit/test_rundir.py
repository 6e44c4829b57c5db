import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from provision.errors import ControllerDiskFull, StateUnusable
from provision.ssh.rundir import open_run_dir


@pytest.fixture(autouse=True)
def runtime(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path_factory.mktemp("run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    return place


def test_it_is_private_and_gone_at_the_end() -> None:
    with open_run_dir() as path:
        assert path.stat().st_mode & 0o777 == 0o700
    assert not path.exists()


def test_a_disk_that_fills_up_meanwhile_is_told_with_the_place(runtime: Path) -> None:
    with pytest.raises(ControllerDiskFull, match=str(runtime)) as caught, open_run_dir() as path:
        raise OSError(errno.ENOSPC, "No space left on device", str(path / "pins"))
    assert caught.value.failure.evidence == f"No space left on device: {path / 'pins'}"
    assert not path.exists()


def test_a_place_that_takes_no_directory_is_told_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(**_: object) -> str:
        raise OSError(errno.EROFS, "Read-only file system", "/tmp")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(StateUnusable), open_run_dir():
        pass


def test_it_is_gone_after_an_error() -> None:
    with pytest.raises(RuntimeError), open_run_dir() as path:
        raise RuntimeError
    assert not path.exists()


def test_what_a_killed_run_left_is_swept_by_the_next(runtime: Path) -> None:
    program = (
        "import os,signal; from provision.ssh.rundir import open_run_dir as o\n"
        "with o(): os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", program], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(runtime.iterdir())) == 1
    with open_run_dir() as path:
        assert list(runtime.iterdir()) == [path]


def test_what_was_left_before_it_had_its_name_is_swept_when_it_is_old(runtime: Path) -> None:
    fresh, old = (runtime / f".provision-{os.getuid()}-{word}" for word in ("fresh", "old"))
    for left in (fresh, old):
        left.mkdir()
        (left / "lock").touch()
    os.utime(old, (0, 0))
    with open_run_dir():
        assert (fresh.exists(), old.exists()) == (True, False)


def test_a_directory_written_to_during_its_removal_is_swept_when_old(runtime: Path) -> None:
    left = runtime / f"provision-{os.getuid()}-half"
    left.mkdir()
    with open_run_dir():
        assert left.exists()
    os.utime(left, (0, 0))
    with open_run_dir():
        assert not left.exists()


def test_a_run_elsewhere_sweeps_what_was_left_in_the_other_place(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provision.ssh.rundir._FALLBACK", runtime)
    left = runtime / f"provision-{os.getuid()}-left"
    left.mkdir()
    (left / "lock").touch()
    (runtime / "user").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / "user"))
    with open_run_dir() as path:
        assert path.parent == runtime / "user"
        assert not left.exists()


def test_a_living_run_is_left_alone() -> None:
    with open_run_dir() as first, open_run_dir() as second:
        assert first.exists()
        assert first != second


def test_a_trap_in_a_directory_of_our_name_stops_no_run(runtime: Path) -> None:
    trap = runtime / f"provision-{os.getuid()}-trap"
    trap.mkdir()
    os.mkfifo(trap / "lock")
    with open_run_dir() as path:
        assert path.exists()


@pytest.mark.parametrize("name", ["a b", "a%h", "a\nb", "long" * 20])
def test_a_place_that_ssh_cannot_take_is_passed_over(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (runtime / name).mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / name))
    with open_run_dir() as path:
        assert path.parent == Path("/tmp")
