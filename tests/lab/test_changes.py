"""Each Change through the real host code on one host: applied twice, undone twice, killed at every moment."""

import hashlib
import io
import itertools
import json
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provision import lab as labs
from provision.lab import Lab
from tests.lab.conftest import CHECKOUT, STATE

HERE = Path(__file__).parent
SAMPLE = Path("provision/sample") / f"sample-{os.uname().machine}"
# An operator's own settings: what is in it, whose it is, and how it is written stays.
THEIRS = '{ "labels":   ["rack=7"], "log-driver": "syslog" }'
PLANT = f"""\
mkdir -p /etc/docker && printf '%s' '{THEIRS}' > /etc/docker/daemon.json &&
chmod 640 /etc/docker/daemon.json && chgrp daemon /etc/docker/daemon.json
"""


class Host:
    """The stand-in host, driven by the code that travels there, without SSH and controller."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.number = 0
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            code = CHECKOUT / "provision" / "host"
            for path in sorted(code.rglob("*.py")):
                tar.add(path, f"provision_host/{path.relative_to(code)}")
        # A directory, where Python keeps what it has compiled.
        self.sh("mkdir -p /root/code && tar -C /root/code -x", buffer.getvalue())
        self.sh("cat > /root/driver.py", (HERE / "host_driver.py").read_bytes())

    def sh(self, script: str, stdin: bytes = b"") -> str:
        """Run a script that must succeed."""
        done = labs.execute(self.lab.hosts[0], "sh", "-c", script, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def ask(self, action: str, **asked: Any) -> Any:
        """Return the answer of the driver."""
        done = labs.execute(
            self.lab.hosts[0], "python3", "/root/driver.py", action, stdin=json.dumps(asked).encode()
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return json.loads(done.stdout.splitlines()[-1])

    def snapshot(self) -> dict[str, Any]:
        """Return the state of the host; nothing temporary may be left there."""
        found: dict[str, Any] = self.ask("snapshot")
        assert found.pop("left") == []
        return found

    def request(self, **other: Any) -> dict[str, Any]:
        """Return a request; ``other`` replaces its parts, and ``desired`` adds to its desired values."""
        self.number += 1
        desired = {
            "state": "present", "version": "latest", "upgrade": False, "accept_eol": False,
            "channel": "stable", "mirror": self.lab.repo_url,
            "gpg_key": self.lab.gpg_key.read_bytes().decode("latin-1"),
            "gpg_fingerprint": self.lab.gpg_fingerprint, "daemon_options": {},
        } | other.pop("desired", {})  # fmt: skip
        return {
            "run": f"r{self.number:03}", "mode": "apply", "diff": True, "who": "anna@laptop",
            "now": time.time(), "what": "provision", "lock_timeout_s": 30, "desired": desired,
        } | other  # fmt: skip

    def run(self, **other: Any) -> dict[str, Any]:
        """Run, which must succeed."""
        result: dict[str, Any] = self.ask("answer", request=self.request(**other))
        assert result["error"] is None, result["error"]
        return result

    def kill(self, moment: str, name: str, **other: Any) -> None:
        """Start a run that is killed at this moment of the Change ``name``."""
        dead = self.ask("answer", request=self.request(**other), kill=[moment, name])
        assert dead["error"]["kind"] == "killed"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host with an operator's daemon.json, provisioned once."""
    subnet = labs.free_subnet()
    try:
        host = Host(labs.up(f"c{subnet}", 1, "el10", state_dir=STATE, subnet=subnet, progress=print))
        host.sh(PLANT)
        yield host
    finally:
        labs.down(f"c{subnet}", STATE)


def names(result: dict[str, Any]) -> list[str]:
    return [line["name"] for line in result["changes"]]


def test_a_first_run_is_undone_redone_and_undone_and_the_host_is_as_it_was(host: Host) -> None:
    bare = host.snapshot()
    assert host.run(verb="undo")["changes"] == []
    assert len(host.run()["changes"]) == 8
    provisioned = host.snapshot()
    planned = host.run(verb="undo", mode="plan")
    assert host.snapshot() == provisioned
    undone = host.run(verb="undo")
    assert undone["changes"] == planned["changes"]
    assert host.snapshot() == bare
    assert host.run(verb="undo")["changed"]
    assert host.snapshot() == provisioned
    assert host.run()["changes"] == []


def test_uninstall_removes_ours_restores_the_rest_and_leaves_data(host: Host) -> None:
    host.run()
    provisioned = host.snapshot()
    absent = {"desired": {"state": "absent"}}
    host.run(**absent)
    gone = host.snapshot()
    assert gone["files"]["/etc/docker/daemon.json"] == described(THEIRS)
    assert [name for name in gone["packages"] if name.startswith(("docker", "containerd"))] == []
    assert host.sh("ls /var/lib/docker | wc -l") != "0\n"
    assert host.run(**absent)["changes"] == []
    host.run(verb="undo")
    assert host.snapshot() == provisioned


def described(text: str) -> list[Any]:
    return ["0o100640", 0, 1, hashlib.sha256(text.encode()).hexdigest()]


# What makes a host need the Change, what is desired then, and the moments at which the run is killed.
CASES: dict[str, tuple[str, dict[str, Any], list[list[str]]]] = {
    "file": (
        "true",
        {"daemon_options": {"init": True}},
        [["before", "file /etc/docker/daemon.json"], ["write", "/etc/docker/daemon.json"],
         ["between", "file /etc/docker/daemon.json"], ["between", "restart docker"]],
    ),
    "repository": (
        "rm /etc/yum.repos.d/docker-ce.repo /etc/pki/rpm-gpg/RPM-GPG-KEY-docker; rpm -e gpg-pubkey",
        {},
        [["write", "/etc/yum.repos.d/docker-ce.repo"], ["between", "repository docker-ce (centos/10)"],
         ["after", "repository docker-ce (centos/10)"]],
    ),
    "packages": (
        "rpm -e docker-buildx-plugin",
        {},
        [["before", "packages"], ["between", "packages"], ["after", "packages"]],
    ),
    "service": (
        "systemctl disable --now docker.service docker.socket 2>&1",
        {},
        [["before", "service docker"], ["between", "service docker"], ["after", "service docker"]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_change_may_be_made_twice_and_undone_twice(host: Host, case: str) -> None:
    prepare, desired, _ = CASES[case]
    host.run()
    host.sh(prepare)
    found = host.ask("battery", request=host.request(desired=desired))
    assert found["error"] is None
    start, once, twice, undone, again = found["seen"]
    assert once != start
    assert twice == once
    assert undone == start
    assert again == start


@pytest.mark.parametrize("case", CASES)
def test_a_killed_change_is_undone_or_finished_and_then_undone(host: Host, case: str) -> None:
    prepare, desired, moments = CASES[case]
    host.run()
    host.sh(prepare)
    start = host.snapshot()
    # Both ends for each kind of Change, in turns.
    for ends, moment in zip(itertools.cycle(("undo", "finish")), moments, strict=False):
        host.kill(*moment, desired=desired)
        if ends == "undo":
            undone = host.run(verb="undo")
            assert [told["how"] for told in undone["earlier"]] == ["undone"]
        else:
            finished = host.run(desired=desired)
            assert [told["how"] for told in finished["earlier"]] == ["completed"]
            assert finished["changes"][0]["after"] == "finished"
            assert host.run(desired=desired)["changes"] == []
            host.run(verb="undo")
        assert host.snapshot() == start


OLDER = {"version": "26.1.5"}
VERIFY = "rpm -V --nodeps docker-ce docker-ce-cli containerd.io"


def test_a_half_transaction_is_undone_or_finished_with_whole_packages(host: Host) -> None:
    host.run()
    start = host.snapshot()
    host.kill("half", "docker-ce-cli-26.1.5", desired=OLDER)
    assert host.sh("rpm -q docker-ce-cli").count("docker-ce-cli-") == 2
    host.run(verb="undo")
    assert host.snapshot() == start
    host.kill("half", "docker-ce-cli-26.1.5", desired=OLDER)
    host.run(desired=OLDER)
    older = host.snapshot()
    host.sh(VERIFY)
    assert sorted(name.split("-1.")[0] for name in older["packages"] if name.startswith("docker-ce")) == [
        "docker-ce-26.1.5", "docker-ce-cli-26.1.5",
    ]  # fmt: skip
    host.run(verb="undo")
    assert host.snapshot() == start


def test_a_dnf_that_outlives_its_run_is_waited_for(host: Host) -> None:
    host.run()
    start = host.snapshot()
    host.kill("orphan", "0.3", desired=OLDER)
    refused = host.ask("answer", request=host.request(desired=OLDER, lock_timeout_s=0))
    assert refused["error"]["kind"] == "package-lock-held"
    assert "dnf" in refused["error"]["evidence"]
    host.sh("while pgrep -f '[d]nf.*docker-ce-(3:)?26'; do sleep 0.1; done; rpm -q docker-ce-26.1.5")
    finished = host.run(desired=OLDER)
    assert [told["how"] for told in finished["earlier"]] == ["completed"]
    host.sh(VERIFY)
    host.run(verb="undo")
    assert host.snapshot() == start


def test_a_run_that_is_told_to_end_is_undone(host: Host) -> None:
    host.run()
    start = host.snapshot()
    asked = host.request(desired={"daemon_options": {"init": True}})
    result = host.ask("answer", request=asked, kill=["term", "restart docker"])
    assert result["error"]["kind"] == "terminated"
    assert result["error"]["state"] == "undone: the host is as it was"
    assert host.snapshot() == start


def test_a_purge_stops_the_containers_and_deletes_their_data_for_good(host: Host) -> None:
    host.run()
    host.sh("cat > /root/sample && chmod 755 /root/sample", (CHECKOUT / SAMPLE).read_bytes())
    host.sh(
        "tar -C /root -c sample | docker import - purge:1 && "
        "docker run -d --name purged purge:1 /sample sleep 600"
    )
    purge = {"desired": {"state": "absent"}, "purge_data": True, "disruption": "allow"}
    planned = host.run(mode="plan", **purge)
    assert [line["after"] for line in planned["changes"] if line["name"].startswith("data")] == [
        "removed for good: this cannot be undone"
    ] * 2
    assert names(host.run(**purge))[0] == "containers"
    assert host.sh("ls /var/lib/docker /var/lib/containerd | grep -v : | grep -c . || true") == "0\n"
    assert (
        host.sh("grep -c /var/lib/docker/ /proc/self/mounts; pgrep containerd-shim | wc -l || true")
        == "0\n0\n"
    )
    undone = host.run(verb="undo", mode="plan")
    assert ["data /var/lib/docker", "stays removed: this cannot be undone"] in [
        [line["name"], line["after"]] for line in undone["changes"]
    ]
