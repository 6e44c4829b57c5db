"""What is swept after a killed run: ours, and only that."""

import os

import pytest

from provision.host import recover
from provision.host.engine import purge
from provision.host.ground.change import Together
from provision.host.ground.errors import HostError
from provision.host.ground.files import FileChange
from provision.host.ground.machine import Machine, Ran
from provision.host.runs import history, journal


@pytest.fixture
def machine(tmp_path):
    for folder in ("etc/docker", "run", "var/tmp", "usr/bin"):
        (tmp_path / folder).mkdir(parents=True)
    return Machine(str(tmp_path))


def killed_run(machine):
    step = Together("file", "", "", "", [FileChange(machine, "/etc/docker/daemon.json", b"{}")])
    record = journal.Journal(machine, "dead")
    record.open({"who": "me"}, [step])
    record.note("begin", number=0, name="file")
    return history.unended(machine)


def test_half_files_are_swept_and_others_of_a_like_name_stay(machine, tmp_path):
    dead = killed_run(machine)
    ours = (
        "etc/docker/.provision-ab12_3cd",
        "var/lib/provision/dead/.provision-abcdefgh",
        "usr/bin/docker;6921a3f0",
    )
    theirs = (
        "etc/docker/.provision-notes.txt",
        "etc/.provision-ab12_3cd",
        "usr/bin/a;b",
        "etc/docker/x;6921a3f0",
    )
    for name in ours + theirs:
        (tmp_path / name).touch()
    recover.clear(machine, dead, 0)
    assert [name for name in ours + theirs if (tmp_path / name).exists()] == list(theirs)


def test_what_rpm_left_before_the_run_is_not_ours_to_remove(machine, tmp_path):
    (tmp_path / "usr/bin/docker;6921a3f0").touch()
    (dead,) = killed_run(machine)
    dead.at += 100
    recover.clear(machine, [dead], 0)
    assert (tmp_path / "usr/bin/docker;6921a3f0").exists()


@pytest.mark.parametrize("written", [None, "", '{"event": "plan", "chan'])
def test_a_run_that_was_killed_before_it_had_a_plan_leaves_nothing(machine, tmp_path, written):
    folder = tmp_path / "var/lib/provision/unborn"
    folder.mkdir(parents=True)
    (folder / "etc%docker%daemon.json").touch()
    if written is not None:
        (folder / "journal").write_text(written)
    assert history.unended(machine) == []
    recover.clear(machine, [], 0)
    assert not folder.exists()


@pytest.fixture
def data(machine, tmp_path):
    machine.run = lambda argv, timeout_s=60: Ran(1, "", "")
    for folder in ("var/lib/docker/volumes/v/_data", "proc/self"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "var/lib/docker/volumes/v/_data/file").touch()
    (tmp_path / "var/lib/docker/link").symlink_to(tmp_path / "usr/bin")
    return tmp_path / "var/lib/docker"


def mounted(machine, *places):
    with open(machine.path("/proc/self/mounts"), "w") as stream:
        stream.write("".join(f"/dev/x {machine.path(place)} ext4 rw 0 0\n" for place in places))


def test_a_purge_removes_all_and_follows_no_link(machine, data, tmp_path):
    mounted(machine)
    (step,) = purge.plan(machine, None, False, [purge.ROOT])
    step.apply()
    assert not data.exists()
    assert (tmp_path / "usr/bin").exists()
    step.apply()
    with pytest.raises(HostError, match="is lost"):
        step.undo()


def test_a_purge_empties_a_directory_that_is_a_mount_of_its_own(machine, data):
    mounted(machine, "/var/lib/docker")
    (step,) = purge.plan(machine, None, False, [purge.ROOT])
    step.apply()
    assert os.listdir(data) == []
    assert purge.plan(machine, None, False, [purge.ROOT]) == []


def test_a_purge_looks_into_no_mount_that_is_in_use(machine, data):
    mounted(machine, "/var/lib/docker/volumes/v/_data")
    (step,) = purge.plan(machine, None, False, [purge.ROOT])
    with pytest.raises(HostError) as caught:
        step.apply()
    assert caught.value.evidence.endswith("/var/lib/docker/volumes/v/_data")
    assert (data / "volumes/v/_data/file").exists()
    step.undo()


def test_a_purge_waits_for_no_container_that_lost_its_engine(machine, data):
    mounted(machine)
    (data.parents[2] / "proc/4711").mkdir(parents=True)
    words = ("/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", "abc")
    (data.parents[2] / "proc/4711/cmdline").write_text("\0".join(words) + "\0")
    (step,) = purge.plan(machine, None, False, [purge.ROOT])
    with pytest.raises(HostError, match="still run"):
        step.apply()
    assert (data / "volumes/v/_data/file").exists()
