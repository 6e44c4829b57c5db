"""The checks judge a distribution's own engine by what it has: no check fails, and what it lacks is said.

Amazon Linux 2023: packages and command line as users have published them. openEuler: the files of the
package, from its spec in openeuler-mirror/docker. CentOS 7: programs and flags as users have published them.
What each engine tells of itself are the fields of its version in moby's docs/api: v1.44, v1.39 and v1.26.
"""

import json
from contextlib import suppress
from typing import Any

import pytest

from provision.checks import test_engine as engine
from provision.checks import test_packages as packages
from provision.checks import test_service as service
from provision.checks.container import NEVER_PULL_SINCE
from provision.checks.facts import Facts
from provision.checks.questions import Answer
from tests.unit.test_verify_checks import CHECKS, INFO, UNIT, call, facts_of

SIGNED = "Name        : {}\nSignature   : RSA/SHA256, Mon Jan  6 10:01:02 2025, Key ID {}\n"
# What the engine does not tell before 20.10, 19.03 and 19.03.
LATER = ("CgroupVersion", "PidsLimit", "ClientInfo")
OLD = {name: value for name, value in INFO.items() if name not in LATER}


def own(packages: str, version: str, told: dict[str, Any], key: str, **other: str | Answer) -> Facts:
    """Return the facts of a host whose engine is of these packages: `dockerd docker containerd`."""
    names = dict(zip(("dockerd", "docker", "containerd"), packages.split(), strict=True))
    return facts_of(
        {},
        **{
            "owners": "".join(f"{program} {name} {version}\n" for program, name in names.items()),
            "signatures": "".join(SIGNED.format(name, key) for name in sorted(set(names.values()))),
            "keys": f"{key[-8:]}\n",
            "repositories": "[own]\nbaseurl=https://own.example\n",
            "info": json.dumps(told | {"ServerVersion": version}),
            "client": f"Docker version {version}, build x\n",
            "daemon_json": "{}",
        }
        | other,
    )


def units(*names: str) -> str:
    absent = "Id={}\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n"
    every = ("docker.service", "docker.socket", "containerd.service")
    return "\n".join((UNIT if name in names else absent).format(name) for name in every)


AMAZON = own(
    "docker docker containerd", "25.0.8",
    INFO | {"ClientInfo": {"Plugins": [{"Name": "buildx", "Version": "v0.0.0+unknown"}]}},
    "e951904ad832c631",
)  # fmt: skip
EULER = own(
    "docker-engine docker-engine docker-engine", "18.09.0", OLD, "d557065eb25e7f66",
    units=units("docker.service"), cgroup="tmpfs\n", validate=Answer(125, "unknown flag: --validate"),
)  # fmt: skip
CENTOS = own(
    "docker docker-common docker", "1.13.1",
    OLD | {
        "LoggingDriver": "journald",
        "SecurityOptions": ["name=seccomp,profile=/etc/docker/seccomp.json", "name=selinux"],
    },
    "24c6a8a7f4a80eb5",
    units=units("docker.service"), cgroup="tmpfs\n", selinux="1\n",
    validate=Answer(127, "timeout: failed to run command 'dockerd': No such file or directory"),
    arguments="/usr/bin/dockerd-current\n--selinux-enabled\n--log-driver=journald\n",
)  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("facts", [AMAZON, EULER, CENTOS], ids=["amazon", "openeuler", "centos7"])
def test_no_check_fails_for_what_the_engine_of_a_distribution_lacks(facts: Facts, check: Any) -> None:
    for plugin, name in (("compose", "docker.service"), ("buildx", "containerd.service")):
        with suppress(pytest.skip.Exception):
            call(check, facts, plugin=plugin, name=name)


@pytest.mark.parametrize(
    ("facts", "check", "given", "reason"),
    [
        (AMAZON, packages.test_client_plugin_answers, "compose", r"engine \(docker\) has no compose"),
        (EULER, packages.test_client_plugin_answers, "buildx", r"engine \(docker-engine\) has no buildx"),
        (EULER, service.test_service_runs, "containerd.service", "runs without containerd.service"),
        (EULER, engine.test_cgroup_version, "", "engine 18.09.0 does not tell"),
        (CENTOS, engine.test_no_new_privileges, "", "engine 1.13.1 has no such default"),
        (CENTOS, engine.test_seccomp_is_on, "", "a profile of its own: /etc/docker/seccomp.json"),
        (CENTOS, packages.test_repository_is_enabled, "", "distribution's own package docker"),
    ],
)
def test_what_it_lacks_is_skipped_with_the_reason(facts: Facts, check: Any, given: str, reason: str) -> None:
    with pytest.raises(pytest.skip.Exception, match=reason):
        call(check, facts, plugin=given, name=given)


def test_what_it_has_is_still_judged() -> None:
    call(packages.test_client_plugin_answers, AMAZON, plugin="buildx")
    call(service.test_service_runs, AMAZON, name="containerd.service")
    call(engine.test_limits_are_possible, EULER)
    stopped = own("docker docker containerd", "25.0.8", INFO, "e951904ad832c631", units=UNIT.format("x"))
    with pytest.raises(AssertionError, match="want active, is not there"):
        call(service.test_service_runs, stopped, name="docker.service")
    off = own("docker docker docker", "25.0.8", INFO | {"SecurityOptions": []}, "e951904ad832c631")
    with pytest.raises(AssertionError, match="want builtin, is off"):
        call(engine.test_seccomp_is_on, off)


def test_dockers_own_engine_is_excused_from_nothing() -> None:
    lacking = facts_of(info=json.dumps(INFO | {"ClientInfo": {"Plugins": []}}), units=units("docker.service"))
    with pytest.raises(AssertionError, match="want compose among"):
        call(packages.test_client_plugin_answers, lacking, plugin="compose")
    with pytest.raises(AssertionError, match="want active, is inactive"):
        call(service.test_service_runs, lacking, name="containerd.service")


def test_an_old_client_is_not_told_to_pull_nothing() -> None:
    assert AMAZON.client_numbers >= NEVER_PULL_SINCE
    assert EULER.client_numbers < NEVER_PULL_SINCE
    assert CENTOS.client_numbers < NEVER_PULL_SINCE
    assert facts_of(client=Answer(127, "docker: not found")).client_numbers < NEVER_PULL_SINCE
