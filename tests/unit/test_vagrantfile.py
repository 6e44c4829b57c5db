"""The Vagrantfile, judged by Debian's vagrant with its libvirt provider. No guest is started here."""

import os
import shutil
import subprocess
from pathlib import Path

VAGRANTFILE = Path(__file__).resolve().parents[2] / "Vagrantfile"
SYSTEMS = ("stream9", "stream10", "rocky9", "alma8", "alma9", "centos7")


def vagrant(place, *args, **environment):
    shutil.copy(VAGRANTFILE, place)
    own = {"VAGRANT_HOME": str(place / "home"), "VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1"}
    return subprocess.run(
        ["vagrant", *args], cwd=place, env=os.environ | own | environment, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip


def test_it_is_valid_for_every_system(tmp_path):
    done = vagrant(tmp_path, "validate", PROVISION_BOXES=",".join(SYSTEMS), PROVISION_MEMORY="2048")
    assert (done.returncode, done.stderr) == (0, "")


def test_systems_and_their_number_come_from_the_environment(tmp_path):
    done = vagrant(tmp_path, "status", PROVISION_BOXES="rocky9,centos7", PROVISION_COUNT="2")
    guests = [line.split()[0] for line in done.stdout.splitlines() if "not created" in line]
    assert guests == ["rocky9-1", "rocky9-2", "centos7-1", "centos7-2"]


def test_a_system_that_is_not_known_is_refused_with_those_that_are(tmp_path):
    done = vagrant(tmp_path, "validate", PROVISION_BOXES="stream9,arch")
    assert done.returncode != 0
    assert f"unknown arch; known are {', '.join(SYSTEMS)}" in done.stderr
