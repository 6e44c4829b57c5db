"""Another package manager: it is named by its command, and waited for."""

import errno
import os
import subprocess
import sys

import pytest

from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine
from provision.host.runs import rpmlock

HOLD = """\
import fcntl, sys, time
lock = open(sys.argv[1], "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


ALIVE = "import time; print('alive', flush=True); time.sleep(60)"


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "var/lib/rpm").mkdir(parents=True)
    os.symlink("/proc", tmp_path / "proc")
    return Machine(str(tmp_path))


def hold(machine, seconds):
    command = [sys.executable, "-c", HOLD, machine.path(rpmlock.FILE), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    return process


@pytest.mark.parametrize("there", [True, False])
def test_a_free_database_is_not_waited_for(machine, there):
    if there:
        open(machine.path(rpmlock.FILE), "w").close()
    rpmlock.wait(machine, 0)


def test_the_holder_is_named_when_the_time_is_over(machine):
    with hold(machine, 60) as holder:
        try:
            with pytest.raises(HostError) as caught:
                rpmlock.wait(machine, 0)
        finally:
            holder.kill()
    assert caught.value.kind == "package-lock-held"
    assert caught.value.evidence.startswith(f"pid {holder.pid}: {sys.executable}")


def test_a_holder_that_ends_in_time_is_waited_for(machine):
    with hold(machine, 0.5) as holder:
        rpmlock.wait(machine, 30)
        assert holder.wait() == 0


def test_a_dnf_that_outlived_its_run_is_found_by_its_directory(machine, tmp_path):
    folder = tmp_path / "var/tmp/provision-abcdefgh"
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", ALIVE, f"--setopt=cachedir={folder}/cachedir"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as orphan:
        assert orphan.stdout.readline() == b"alive\n"  # until then it has this process's words
        try:
            with pytest.raises(HostError) as caught:
                rpmlock.wait_for_orphans(machine, 0)
        finally:
            orphan.kill()
    assert caught.value.evidence.startswith(f"pid {orphan.pid}: {sys.executable}")
    rpmlock.wait_for_orphans(machine, 0)


@pytest.mark.parametrize("gone", [errno.ENOENT, errno.ESRCH])
def test_a_process_that_ends_before_its_file_is_read_has_none(monkeypatch, gone):
    machine = Machine()
    monkeypatch.setattr("builtins.open", lambda *_: (_ for _ in ()).throw(OSError(gone, "gone")))
    assert machine.read("/proc/self/stat") is None
    assert list(machine.commands()) == []
