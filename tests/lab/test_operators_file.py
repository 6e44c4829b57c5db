"""daemon.json and docker.service of somebody else, on a host with a running engine: theirs wins."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from provision import lab as labs
from tests.lab.conftest import STATE
from tests.lab.test_changes import Host

FILE = "/etc/docker/daemon.json"
BROKEN = '{\n  "data-root": "/data/docker"\n  "icc": false\n}\n'
DROP_IN = """\
[Service]
EnvironmentFile=-/etc/sysconfig/docker
ExecStart=
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $OPTIONS
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host, provisioned once."""
    subnet = labs.free_subnet()
    try:
        host = Host(labs.up(f"o{subnet}", 1, "el10", state_dir=STATE, subnet=subnet, progress=print))
        host.run()
        yield host
    finally:
        labs.down(f"o{subnet}", STATE)


@pytest.fixture(autouse=True)
def afterwards(host: Host) -> Iterator[None]:
    yield
    host.sh(
        f"rm -rf {FILE} /etc/systemd/system/docker.service.d /etc/sysconfig/docker && systemctl daemon-reload"
    )
    host.run(disruption="allow")


def put(host: Host, path: str, text: str) -> None:
    host.sh(f'mkdir -p "$(dirname {path})" && cat > {path}', text.encode())


def error_of(host: Host, **asked: Any) -> Any:
    return host.ask("answer", request=host.request(**asked))["error"]


def started_at(host: Host) -> str:
    return host.sh("systemctl show docker -p ActiveEnterTimestampMonotonic -p MainPID")


@pytest.mark.parametrize("mode", ["plan", "apply"])
def test_a_broken_file_under_a_running_engine_is_refused_with_its_place(host: Host, mode: str) -> None:
    put(host, FILE, BROKEN)
    running = started_at(host)
    error = error_of(host, mode=mode, disruption="allow")
    assert error["kind"] == "daemon-config-refused"
    assert "line 3, column 3" in error["message"]
    assert error["state"] == "nothing was changed"
    assert host.sh(f"cat {FILE}") == BROKEN
    assert started_at(host) == running


def test_a_flag_from_an_environment_file_counts(host: Host) -> None:
    put(host, "/etc/systemd/system/docker.service.d/flags.conf", DROP_IN)
    put(host, "/etc/sysconfig/docker", 'OPTIONS="--log-driver=journald --log-level warn"\n')
    host.sh(f"systemctl daemon-reload && rm {FILE} && systemctl restart docker")
    host.run(disruption="allow")
    assert set(json.loads(host.sh(f"cat {FILE}"))) == {"live-restore", "no-new-privileges"}
    host.sh("systemctl restart docker")
    assert host.sh("docker info -f '{{.LoggingDriver}}'") == "journald\n"
    assert host.run()["changes"] == []
    error = error_of(host, desired={"daemon_options": {"log-driver": "local"}})
    assert error["kind"] == "daemon-config-refused"
    assert error["evidence"] == "--log-driver, from OPTIONS of /etc/sysconfig/docker"


def test_what_the_operator_set_survives(host: Host) -> None:
    theirs = {
        "log-driver": "fluentd", "log-opts": {"fluentd-address": "10.0.0.1:24224"},
        "no-new-privileges": False, "live-restore": False,
    }  # fmt: skip
    put(host, FILE, json.dumps(theirs))
    host.sh("systemctl restart docker")
    assert host.run(disruption="allow")["changes"] == []
    assert json.loads(host.sh(f"cat {FILE}")) == theirs


def test_a_swarm_node_with_its_data_elsewhere_gets_no_live_restore(host: Host) -> None:
    put(host, FILE, json.dumps({"data-root": "/srv/docker"}))
    host.sh("systemctl restart docker && docker swarm init --advertise-addr 127.0.0.1 >/dev/null")
    try:
        host.run(disruption="allow")
        assert "live-restore" not in json.loads(host.sh(f"cat {FILE}"))
        host.sh("systemctl stop docker docker.socket")
        planned = host.ask("answer", request=host.request(mode="plan"))
        assert [line["name"] for line in planned["changes"]] == ["service docker"]
        host.sh("systemctl start docker")
    finally:
        host.sh("docker swarm leave --force >/dev/null")
