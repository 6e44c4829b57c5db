"""The host code on the oldest Python that it is written for: 2.7, as EL 7 has it."""

import subprocess
from pathlib import Path

from provision import lab as labs
from provision.lab import Lab
from provision.lab.fetch import fetch, unpack
from tests.lab.conftest import NewProject
from tests.lab.test_road import in_host

PACKAGES = ("python2.7-minimal", "libpython2.7-minimal", "libpython2.7-stdlib")
# The first name that is looked for on a host; EL 8 has it too.
PUT = """\
tar -C / --keep-directory-symlink -x && mkdir -p /usr/libexec &&
ln -s /usr/bin/python2.7 /usr/libexec/platform-python
"""


def test_a_host_is_provisioned_by_python_2_7(lab: Lab, new_project: NewProject, tmp_path: Path) -> None:
    host = lab.host("el9")
    unpack(fetch("bullseye", PACKAGES), tmp_path / "py27")
    tar = subprocess.run(
        ["tar", "-C", tmp_path / "py27", "-c", "usr"], capture_output=True, check=True
    ).stdout
    assert labs.execute(host, "sh", "-c", PUT, stdin=tar).returncode == 0
    try:
        assert "2.7.18" in in_host(lab, "el9", "/usr/libexec/platform-python --version 2>&1")
        project = new_project("el9")
        done = project.fab("provision")
        done.expect(0)
        in_host(lab, "el9", "systemctl disable docker; rm /etc/docker/daemon.json")
        project.fab("plan", "--diff").expect(0)
        project.fab("provision").expect(0)
        assert "1 up to date" in project.fab("plan").out
    finally:
        in_host(lab, "el9", "rm -rf /usr/libexec/platform-python /usr/bin/python2.7 /usr/lib/python2.7")
