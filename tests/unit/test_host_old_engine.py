"""The engines of distributions, some of them old: which of our defaults they take beside their own flags.

CentOS 7's docker-1.13.1-209.git7d71120.el7.centos: the command line is that of `systemctl status docker` as
users have published it, the environment is that of docker.service.centos in the repository
rdo-common/docker, and the sysconfig file is one of those that users have published.
"""

import json
from pathlib import Path

import pytest

from provision.host.engine import containers, daemon, daemon_keys
from provision.host.engine.dockerd_flags import CommandLine
from provision.host.ground import own_engines
from provision.host.ground.errors import HostError
from tests.unit import test_host_daemon
from tests.unit.test_host_daemon import held, machine

__all__ = ("machine",)
SHOWN = """\
{ path=/usr/bin/dockerd-current ; argv[]=/usr/bin/dockerd-current --add-runtime \
docker-runc=/usr/libexec/docker/docker-runc-current --default-runtime=docker-runc --exec-opt \
native.cgroupdriver=systemd --userland-proxy-path=/usr/libexec/docker/docker-proxy-current \
--init-path=/usr/libexec/docker/docker-init-current --seccomp-profile=/etc/docker/seccomp.json $OPTIONS \
$DOCKER_STORAGE_OPTIONS $DOCKER_NETWORK_OPTIONS $ADD_REGISTRY $BLOCK_REGISTRY $INSECURE_REGISTRY \
$REGISTRIES ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
Environment=GOTRACEBACK=crash DOCKER_HTTP_HOST_COMPAT=1 PATH=/usr/libexec/docker:/usr/bin:/usr/sbin
EnvironmentFile=/run/containers/registries.conf (ignore_errors=yes)
EnvironmentFile=/etc/sysconfig/docker (ignore_errors=yes)
EnvironmentFile=/etc/sysconfig/docker-storage (ignore_errors=yes)
EnvironmentFile=/etc/sysconfig/docker-network (ignore_errors=yes)
"""
SYSCONFIG = """\
# /etc/sysconfig/docker

# Modify these options if you want to change the way the docker daemon runs
OPTIONS='--selinux-enabled --log-driver=journald --signature-verification=false'
if [ -z "${DOCKER_CERT_PATH}" ]; then
    DOCKER_CERT_PATH=/etc/docker
fi

# Do not add registries in this file anymore. Use /etc/containers/registries.conf
# from the atomic-registries package.
#

# docker-latest daemon can be used by starting the docker-latest unitfile.
# To use docker-latest client, uncomment below lines
#DOCKERBINARY=/usr/bin/docker-latest
#DOCKERDBINARY=/usr/bin/dockerd-latest
#DOCKER_CONTAINERD_BINARY=/usr/bin/docker-containerd-latest
#DOCKER_CONTAINERD_SHIM_BINARY=/usr/bin/docker-containerd-shim-latest
"""
STORAGE = 'DOCKER_STORAGE_OPTIONS="--storage-driver overlay2 "\n'
FLAGS = {"default-runtime", "exec-opts", "userland-proxy-path", "init-path", "seccomp-profile",
         "selinux-enabled", "log-driver", "signature-verification"}  # fmt: skip


def put(machine, path, text):
    Path(machine.path(path)).parent.mkdir(parents=True, exist_ok=True)
    test_host_daemon.put(machine, path, text)


def converge(machine, unit, engine, **options):
    changes = daemon.plan(machine, {"daemon_options": options}, unit, engine)
    for change in changes:
        change.apply()
    return changes


@pytest.fixture
def centos(machine):
    put(machine, "/etc/sysconfig/docker", SYSCONFIG)
    put(machine, "/etc/sysconfig/docker-storage", STORAGE)
    put(machine, "/sys/fs/selinux/enforce", "1")
    return machine


def test_the_flags_of_centos_7_are_read_from_its_unit_and_sysconfig(centos):
    assert set(CommandLine(centos, SHOWN).flags) == FLAGS | {"storage-driver"}


def test_what_is_recorded_for_its_package_are_the_same_flags(centos, machine):
    assert set(CommandLine(centos, own_engines.EXTRAS.command).flags) == FLAGS | {"storage-driver"}


def test_before_the_package_is_there_its_own_options_count(machine):
    assert set(CommandLine(machine, own_engines.EXTRAS.command).flags) == FLAGS
    put(machine, "/etc/sysconfig/docker", "OPTIONS='--live-restore'\n")
    assert "log-driver" not in CommandLine(machine, own_engines.EXTRAS.command).flags


def test_an_engine_1_13_gets_the_one_default_that_it_knows_and_has_not(centos):
    converge(centos, SHOWN, "1.13.1")
    assert held(centos) == {"live-restore": True}
    assert converge(centos, SHOWN, "1.13.1") == []


def test_a_wish_against_a_flag_of_its_sysconfig_is_refused_with_the_place(centos):
    with pytest.raises(HostError, match="sets --log-driver") as caught:
        converge(centos, own_engines.EXTRAS.command, "1.13.1", **{"log-driver": "json-file"})
    assert caught.value.evidence == "--log-driver, from OPTIONS of /etc/sysconfig/docker"


def test_without_a_driver_of_its_own_an_old_engine_rotates_by_json_file(machine):
    converge(machine, "{ argv[]=/usr/bin/dockerd -H fd:// ; }", "1.13.1")
    assert held(machine) == {
        "live-restore": True, "log-driver": "json-file", "log-opts": {"max-file": "3", "max-size": "10m"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "driver", "privileges"),
    [
        ("1.13.1", "json-file", False), ("17.03.2", "json-file", False), ("17.06.0", "json-file", True),
        ("18.06.3", "json-file", True), ("18.09.0", "local", True), ("25.0.8", "local", True),
        ("", "local", True),
    ],
)  # fmt: skip
def test_a_default_is_for_engines_that_know_it(engine, driver, privileges):
    keys = daemon_keys.defaults(engine)
    assert (keys["log-driver"], "no-new-privileges" in keys) == (driver, privileges)


@pytest.mark.parametrize(
    ("own", "engine", "keys"),
    [
        (own_engines.AMAZON, "25.0.8", {"live-restore", "log-driver", "log-opts", "no-new-privileges"}),
        (own_engines.OPENEULER, "18.09.0", {"log-driver", "log-opts", "no-new-privileges"}),
        (own_engines.MOBY, "20.10.24", {"no-new-privileges"}),
        (own_engines.EXTRAS, "1.13.1", {"live-restore"}),
    ],
)
def test_our_defaults_give_way_to_the_flags_of_each_own_engine(machine, own, engine, keys):
    converge(machine, own.command, engine)
    assert set(held(machine)) == keys


def test_rotation_that_we_wrote_goes_where_the_other_engine_logs_by_a_flag(machine):
    converge(machine, None, "28.5.2")
    assert "log-opts" in held(machine)
    converge(machine, own_engines.MOBY.command, "26.1.5")
    assert set(held(machine)) == {"no-new-privileges"}


def test_once_the_engine_has_come_its_real_unit_decides(machine, monkeypatch):
    """Its package may start dockerd otherwise than is recorded."""
    unit = {"command": "{ argv[]=/usr/bin/dockerd -H fd:// --live-restore ; }"}
    monkeypatch.setattr(daemon, "Unit", lambda machine: type("Unit", (), unit))
    (change,) = daemon.plan(
        machine, {"daemon_options": {}}, own_engines.AMAZON.command, "25.0.8", comes=True)  # fmt: skip
    change.apply()
    change.apply()
    assert set(held(machine)) == {"log-driver", "log-opts", "no-new-privileges"}
    assert set(json.loads(machine.text(daemon.OURS))["keys"]) == set(held(machine))
    change.undo()
    assert machine.read(daemon.FILE) is None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        # `ps` on CentOS 7 (docker 1.13.1), as users have published it.
        ("/usr/bin/docker-containerd-shim-current 9cb8 /var/run/docker/libcontainerd/9cb8 docker-runc",
         [("moby", "9cb8")]),
        # docker 18.09, whose containerd is 1.2.
        ("containerd-shim -namespace moby -workdir /var/lib/docker/containerd/daemon/io.containerd.runtime"
         ".v1.linux/moby/9cb8 -address /run/containerd/containerd.sock -runtime-root /run/docker/runc",
         [("moby", "9cb8")]),
        ("containerd-shim-runc-v2 -namespace k8s.io -id 9cb8 -address /run/x", [("k8s.io", "9cb8")]),
        ("containerd-shim-runc-v2 -info", []),
    ],
)  # fmt: skip
def test_the_containers_of_old_engines_are_known_by_their_processes(machine, words, found):
    machine.commands = lambda: [(77, words.split())]
    assert containers.shims(machine) == found
