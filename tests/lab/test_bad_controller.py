"""A controller with something wrong, and Ctrl-C at every stage, once and twice."""

import functools
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pexpect
import pytest

from provision import lab as labs
from provision.lab import Lab, processes
from tests.lab.conftest import BIN, MASTER, NewProject, Person, Project, TinyDisk
from tests.lab.test_errors import error_of, wait_until
from tests.lab.test_road import in_host

twice_too = pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
# Gives no end, and is deaf to Ctrl-C itself.
SLOW_INVENTORY = '#!/bin/sh\ntrap "" INT\ntouch "$(dirname "$0")/begun"\nsleep 60\n'
HOLD_LOCK = """\
touch /run/provision.lock
setsid flock -o /run/provision.lock sleep 600 > /dev/null 2>&1 < /dev/null &
echo $! > /run/holder
"""
FREE_LOCK = "kill -- -$(cat /run/holder)"
HOST_CODE = "pgrep -f '[_]_provision__'"
SAMPLE = (
    "docker ps -aq --filter name=provision-check; docker image ls -q provision-check;"
    " ls -d /run/provision-check-* 2>/dev/null; true"
)
FORGET_SAMPLE = (
    "kill -- -$(cat /run/provision-check-*/janitor);"
    " docker ps -aq --filter name=provision-check | xargs -r docker rm -fv;"
    " docker image ls -q provision-check | xargs -r docker image rm -f; rm -rf /run/provision-check-*"
)


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A short path for run directories, so that those of other people are not seen."""
    place = Path(tempfile.mkdtemp(prefix="bad-"))
    yield place
    shutil.rmtree(place, ignore_errors=True)


def fill(place: Path) -> None:
    """Leave no room in ``place``."""
    with (place / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))


def test_a_run_directory_that_executes_nothing_is_told_before_any_login(
    lab: Lab, new_project: NewProject, runtime: Path, tiny_disk: TinyDisk
) -> None:
    project = new_project("el4", "el5")
    place = tiny_disk(runtime / "noexec", "1m")
    subprocess.run(["mount", "-o", "remount,noexec", place], check=True)
    since = in_host(lab, "el4", "sleep 1.1; date +%s").strip()
    done = project.fab("hosts.ping", "all", XDG_RUNTIME_DIR=str(place))
    said = " ".join(done.err.split())
    done.expect(1)
    assert f"cannot run in {place}" in said
    assert "set XDG_RUNTIME_DIR to a directory of yours on a file system without noexec" in said
    assert said.count("cannot run in") == 1
    for name in ("el4", "el5"):
        assert not logins(lab, name, since)
    project.fab("hosts.ping", "all").expect(0)
    assert logins(lab, "el4", since)  # else the look shows nothing


def test_a_python_whose_path_has_a_space_logs_in(lab: Lab, new_project: NewProject, tmp_path: Path) -> None:
    project = new_project("el4")
    venv = tmp_path / "My Projects" / ("long" * 50) / "venv"  # a first line of the kernel's would be too long
    venv.parent.mkdir(parents=True)
    venv.symlink_to(BIN.parent)
    argv = [venv / "bin/python", BIN / "fab", "hosts.ping", "el4"]
    done = subprocess.run(
        argv, cwd=project.path, env=project.environment(), stdin=subprocess.DEVNULL, text=True,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def logins(lab: Lab, name: str, since: str) -> str:
    """Return what sshd has logged on a host since a time of its own clock, in seconds."""
    return in_host(lab, name, f"journalctl -q -t sshd -t sshd-session --since @{since} --output cat")


def test_a_state_directory_without_room_stops_a_run_before_it_starts(
    new_project: NewProject, tiny_disk: TinyDisk
) -> None:
    project = new_project("el4")
    fill(tiny_disk(project.path / ".provision", "64k"))
    done = project.fab("plan")
    done.expect(1)
    assert "no room" in done.err
    assert "df -h" in done.err
    assert done.out == ""


def test_a_report_that_cannot_be_written_does_not_hide_the_result(
    new_project: NewProject, tiny_disk: TinyDisk, runtime: Path
) -> None:
    project = new_project("el4")
    state = tiny_disk(project.path / ".provision", "2m")
    process = project.start("plan", XDG_RUNTIME_DIR=str(runtime))
    wait_until(lambda: glob.glob(f"{runtime}/*/shards.yml"))
    fill(state)
    out, err = process.communicate(timeout=120)
    project.expect_clean(out + err)
    assert process.returncode == 2, out + err
    assert "Plan   1 to change" in out
    assert "cannot be written" in err
    assert "No space left on device" in err


@pytest.mark.parametrize("wrong", ["a-file-in-its-place", "read-only"])
def test_an_unwritable_state_directory_stops_a_run_before_it_starts(
    new_project: NewProject, tiny_disk: TinyDisk, wrong: str
) -> None:
    project = new_project("el4")
    place = project.path / ".provision"
    if wrong == "read-only":
        tiny_disk(place, "2m")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    else:
        place.write_text("in the way")
    done = project.fab("provision")
    done.expect(1)
    assert str(place) in "".join(done.err.split())
    assert "Next" in done.err


def test_a_full_run_directory_is_told_in_words(
    new_project: NewProject, tiny_disk: TinyDisk, runtime: Path
) -> None:
    project = new_project("el4")
    tiny_disk(runtime, "8k")
    done = project.fab("plan", XDG_RUNTIME_DIR=str(runtime))
    done.expect(32)
    assert error_of(project, "el4")["kind"] == "controller-disk-full"
    assert "No space left on device" in done.out
    assert f"df -h {runtime}" in done.out
    assert list(runtime.iterdir()) == []


@pytest.fixture
def typist(person: Person, runtime: Path) -> Person:
    """Return a function that starts a command of a project on a plain terminal, where Ctrl-C can be typed."""
    return functools.partial(person, TERM="dumb", XDG_RUNTIME_DIR=str(runtime))


def unlock(child: "pexpect.spawn[str]") -> None:
    child.expect("Master password of .*: ")
    child.sendline(MASTER)


def interrupt(
    child: "pexpect.spawn[str]", times: int, project: Project, runtime: Path, within_s: float
) -> str:
    """Type Ctrl-C so many times; return the output until the end, which must come ``within_s``."""
    started = time.monotonic()
    for _ in range(times):
        child.sendintr()
        time.sleep(0.3)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130, child.before
    assert time.monotonic() - started < within_s
    project.expect_clean(str(child.before))
    check_nothing_is_left(project, runtime)
    return str(child.before)


def check_nothing_is_left(project: Project, runtime: Path) -> None:
    """Check that there is no process of the run, and no run directory."""
    assert list(runtime.iterdir()) == []
    assert processes_in(str(project.path), str(runtime)) == []


def processes_in(*places: str) -> list[str]:
    """Return the commands of the processes that work in, or name, these directories."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = [os.readlink(process / "cwd"), (process / "cmdline").read_text().replace("\0", " ")]
            if int(process.name) != os.getpid() and any(place in " ".join(words) for place in places):
                found.append(words[1])
    return found


def check_report(project: Project, name: str) -> None:
    assert project.report()["exit_code"] == 130
    assert error_of(project, name)["kind"] == "interrupted"


def slow_inventory(project: Project) -> str:
    script = project.path / "slow.sh"
    script.write_text(SLOW_INVENTORY)
    script.chmod(0o755)
    return str(script)


@twice_too
def test_ctrl_c_while_the_inventory_is_read_ends_it(
    new_project: NewProject, typist: Person, runtime: Path, times: int
) -> None:
    project = new_project("el4")
    child = typist(project, "plan", "--inventory", slow_inventory(project))
    wait_until((project.path / "begun").exists)
    assert "interrupted" in interrupt(child, times, project, runtime, 5)
    assert not (project.path / ".provision").exists()


def test_sigterm_while_the_inventory_is_read_leaves_no_process(
    new_project: NewProject, runtime: Path
) -> None:
    project = new_project("el4")
    process = project.start("plan", "--inventory", slow_inventory(project))
    wait_until((project.path / "begun").exists)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 143, out + err
    check_nothing_is_left(project, runtime)


@twice_too
def test_ctrl_c_at_the_prompt_for_the_master_password_ends_it(
    new_project: NewProject, typist: Person, runtime: Path, times: int
) -> None:
    project = new_project("el4")
    child = typist(project, "plan")
    child.expect("Master password of .*: ")
    assert "interrupted" in interrupt(child, times, project, runtime, 5)
    assert not (project.path / ".provision").exists()


@twice_too
def test_ctrl_c_while_a_host_key_is_fetched_ends_it(
    lab: Lab, new_project: NewProject, typist: Person, runtime: Path, times: int
) -> None:
    project = new_project("el4")
    project.hosts["el4"]["host_key"] = "SHA256:" + "A" * 43
    project.write()
    (project.path / "inventory/known_hosts").unlink()
    labs.pause(lab.host("el4"))
    try:
        child = typist(project, "plan")
        unlock(child)
        wait_until(lambda: is_reached(child.pid, lab.host("el4").address))
        assert "interrupted" in interrupt(child, times, project, runtime, 15)
    finally:
        labs.resume(lab.host("el4"))
    assert not (project.path / ".provision").exists()
    assert not (project.path / "inventory/known_hosts").exists()


def is_reached(pid: int, address: str) -> bool:
    """Return whether the process has a connection to ``address``, or waits for one."""
    seen = subprocess.run(["ss", "-tnpH", "dst", address], capture_output=True, text=True, check=True).stdout
    return f"pid={pid}," in seen


@twice_too
def test_ctrl_c_while_connecting_ends_it_and_reports(
    lab: Lab, new_project: NewProject, typist: Person, runtime: Path, times: int
) -> None:
    project = new_project("el4")
    labs.pause(lab.host("el4"))
    try:
        child = typist(project, "plan")
        unlock(child)
        wait_until(lambda: any(" -M " in command for command in processes_in(str(runtime))))
        interrupt(child, times, project, runtime, 10)
    finally:
        labs.resume(lab.host("el4"))
    check_report(project, "el4")


@twice_too
def test_ctrl_c_while_converging_ends_it_and_reports(
    lab: Lab, new_project: NewProject, typist: Person, runtime: Path, times: int
) -> None:
    project = new_project("el6")
    in_host(lab, "el6", HOLD_LOCK)
    try:
        child = typist(project, "provision")
        unlock(child)
        wait_until(lambda: in_host(lab, "el6", HOST_CODE) != "")
        interrupt(child, times, project, runtime, 15)
    finally:
        in_host(lab, "el6", FREE_LOCK)
    wait_until(lambda: in_host(lab, "el6", HOST_CODE) == "")
    check_report(project, "el6")


def test_a_killed_worker_of_ansible_costs_only_its_own_hosts(
    lab: Lab, new_project: NewProject, runtime: Path
) -> None:
    project = new_project("el4", "el6")
    project.hosts["el4"]["docker_engine_version"] = "0.1"  # so that it stays bare for other tests
    project.write()
    in_host(lab, "el6", HOLD_LOCK)
    try:
        run = project.start("provision", "--no-verify", XDG_RUNTIME_DIR=str(runtime))
        wait_until(lambda: in_host(lab, "el6", HOST_CODE) != "")
        (client,) = [
            pid
            for pid, words in processes.command_lines()
            if str(runtime) in " ".join(words) and "el6" in words and "-M" not in words
        ]
        os.kill(processes.parent(client), signal.SIGKILL)
        out, err = run.communicate(timeout=60)
    finally:
        in_host(lab, "el6", FREE_LOCK)
    project.expect_clean(out + err)
    assert run.returncode == 2 + 32, out + err
    assert error_of(project, "el6")["kind"] == "not-proven"
    assert error_of(project, "el4")["kind"] == "version-not-found"
    assert processes_in(str(runtime)) == []
    wait_until(lambda: in_host(lab, "el6", HOST_CODE) == "")
    project.fab("provision", "--no-verify", "--limit", "el6").expect(0)


@twice_too
def test_ctrl_c_while_verifying_reports_and_once_leaves_no_container(
    lab: Lab, new_project: NewProject, typist: Person, runtime: Path, times: int
) -> None:
    project = new_project("el6")
    if in_host(lab, "el6", "command -v docker") == "":
        project.fab("provision").expect(0)
    child = typist(project, "verify")
    unlock(child)
    wait_until(lambda: in_host(lab, "el6", SAMPLE) != "")
    interrupt(child, times, project, runtime, 30)
    check_report(project, "el6")
    if times == 1:
        assert in_host(lab, "el6", SAMPLE) == ""
    else:  # the host would do it by itself, after three minutes
        in_host(lab, "el6", FORGET_SAMPLE)
