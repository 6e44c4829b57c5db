"""The distribution's own engine on a host dressed as one that has it, and the way to Docker's and back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provision import lab as labs
from provision.lab.profiles import PROFILES
from tests.lab import mirrors, own_rpms
from tests.lab.conftest import CHECKOUT, STATE, Project, make_keyring, project_in
from tests.lab.mirrors import Mirror
from tests.lab.test_changes import SAMPLE, Host

PROFILE = "el9"
DRESS = """\
NAME="{name}"
ID="{id}"
ID_LIKE="rhel fedora"
VERSION_ID="{version}"
VARIANT="provision stand-in"
VARIANT_ID=stand-in
"""
OPENCLOUD = DRESS.format(name="OpenCloudOS", id="opencloudos", version="9.2")
AMAZON = DRESS.format(name="Amazon Linux", id="amzn", version="2023")
PREPARE = """\
cat > /root/key && rpm --import /root/key && rm /root/key
printf '[os]\\nname=os\\nbaseurl={0}\\ngpgcheck=1\\n' > /etc/yum.repos.d/os.repo
"""
OWN = ["package moby", "package containerd", "package moby-client", "package moby-engine"]
DOCKERS = {"docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"}
DISTRO = {"channel": "distro"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A bare host whose own repository has an engine."""
    subnet, folder = labs.free_subnet(), tmp_path_factory.mktemp("own")
    name = f"o{subnet}"
    try:
        made = Host(labs.up(name, 1, PROFILE, state_dir=STATE, subnet=subnet, progress=print))
        place = own_rpms.repository(folder, PROFILES[PROFILE].suite)
        with Mirror(made.lab.gateway, place, mirrors.nothing) as mirror:
            made.sh(PREPARE.format(mirror.url), (place / own_rpms.KEY).read_bytes())
            made.sh("cat > /usr/lib/os-release", OPENCLOUD.encode())
            yield made
    finally:
        labs.down(name, STATE)


@pytest.fixture
def project(host: Host, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with that host, which wants the distribution's engine."""
    keyring = make_keyring(host.lab, tmp_path_factory.mktemp("keyring"))
    made = project_in(tmp_path, host.lab, keyring, docker_engine_channel="distro")
    made.add("el1", host.lab.hosts[0])
    return made


def removed(result: dict[str, Any]) -> dict[str, str]:
    """Return the packages that go, with their versions."""
    lines = [line for line in result["changes"] if (line["kind"], line["sign"]) == ("package", "-")]
    return {line["subject"]: line["before"] for line in lines}


def engine_of(host: Host) -> list[str]:
    """Return the running version, and the two states of the unit."""
    version = "docker version --format '{{.Server.Version}}'"
    said = host.sh(f"{version}; systemctl is-enabled docker; systemctl is-active docker").split()
    # Debian's versions have more behind a plus.
    return [word.partition("+")[0] for word in said]


def test_the_own_engine_is_installed_as_planned_and_proven(host: Host, project: Project) -> None:
    bare = host.snapshot()
    project.fab("plan").expect(0, "moby 26.1.5")
    assert host.snapshot() == bare
    planned = project.host_report("el1")["changes"]
    project.fab("provision").expect(0, "CHANGED")
    report = project.host_report("el1")
    assert report["changes"] == planned
    assert [line["name"] for line in planned] == [*OWN, "file /etc/docker/daemon.json", "service docker"]
    skipped = {check["name"]: check["detail"] for check in report["checks"] if check["verdict"] == "skipped"}
    lacks = "the distribution's engine (moby-engine) has no compose"
    assert skipped["The client's compose plugin answers."] == lacks
    # Of our defaults those that its options leave to us.
    assert host.sh("cat /etc/docker/daemon.json").split() == ["{", '"no-new-privileges":', "true", "}"]
    assert "docker" not in host.sh("ls /etc/yum.repos.d /etc/pki/rpm-gpg")
    assert host.run(desired=DISTRO)["changes"] == []


def test_one_engine_takes_the_place_of_the_other_and_what_ran_runs_again(host: Host) -> None:
    host.run(desired=DISTRO)
    host.sh("cat > /root/sample && chmod 755 /root/sample", (CHECKOUT / SAMPLE).read_bytes())
    host.sh("tar -C /root -c sample | docker import - kept:1")
    host.sh("docker run -d --stop-timeout 1 --restart always --name web kept:1 /sample sleep 6000")
    refused = host.ask("answer", request=host.request())["error"]
    assert (refused["kind"], refused["evidence"]) == ("disruption-refused", "containers restart: web")
    there = exchanged(host)
    assert removed(there) == {
        "moby": "26.1.5", "moby-engine": "26.1.5", "moby-client": "26.1.5", "containerd": "1.7.24",
    }  # fmt: skip
    assert engine_of(host) == ["28.5.2", "enabled", "active"]
    dockers = host.snapshot()
    back = exchanged(host, desired=DISTRO)
    assert (removed(back).keys(), removed(back)["docker-ce"]) == (DOCKERS, "28.5.2")
    restart = next(line for line in back["changes"] if line["kind"] == "restart")
    assert (restart["disruptive"], restart["after"].rpartition(": ")[2]) == (
        True, "another engine takes the place of docker-ce",
    )  # fmt: skip
    assert engine_of(host) == ["26.1.5", "enabled", "active"]
    assert "docker-ce" not in host.sh("ls /etc/yum.repos.d")
    assert host.run(desired=DISTRO)["changes"] == []
    # Docker's packages come from its repository as it was before that run.
    assert exchanged(host, verb="undo", desired=DISTRO)
    assert host.snapshot() == dockers
    host.run(desired={"state": "absent"}, disruption="allow")
    assert [
        name for name in host.snapshot()["packages"] if name.startswith(("docker", "moby", "contain"))
    ] == []
    assert host.sh("ls /etc/yum.repos.d") == "os.repo\n"


def exchanged(host: Host, **asked: Any) -> dict[str, Any]:
    """Run with consent; return the result, which is what the plan has shown."""
    planned = host.run(mode="plan", **asked)
    done = host.run(disruption="allow", **asked)
    assert done["changes"] == planned["changes"]
    assert done["containers"]["restarted"] == ["web"]
    return done


def test_a_host_without_a_package_of_dockers_says_which_channel_it_has(host: Host) -> None:
    host.sh("cat > /usr/lib/os-release", AMAZON.encode())
    error = host.ask("answer", request=host.request(mode="plan"))["error"]
    assert (error["kind"], error["refused"]) == ("unsupported-os", True)
    assert "docker_engine_channel: distro" in error["hint"]
    lacking = host.ask("answer", request=host.request(mode="plan", desired=DISTRO))["error"]
    assert lacking["kind"] == "engine-not-served"
