"""Each check says what is wrong, on answers that differ from a healthy host's in one point.

The healthy answers are those of a stand-in host (engine 28.5.2); the signature line has the
form that `rpm -qi docker-ce` gives for Docker's own packages, with Docker's key
(docs.docker.com/engine/install/centos: 060A 61C5 1B55 8A7F 742B 77AA C52F EB6B 621E 9F35).
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from provision.checks import reporter
from provision.checks import test_configuration as configuration
from provision.checks import test_engine as engine
from provision.checks import test_packages as packages
from provision.checks import test_service as service
from provision.checks.container import why_no_restart
from provision.checks.facts import BUNDLED, PROBE, Facts
from provision.checks.questions import Answer
from provision.checks.wording import Advice, wanted
from provision.model import Verdict

INFO: dict[str, Any] = {
    "ServerVersion": "28.5.2",
    "ContainersRunning": 0,
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
    "MemoryLimit": True,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "LoggingDriver": "local",
    "LiveRestoreEnabled": True,
    "CgroupDriver": "systemd",
    "CgroupVersion": "2",
    "RegistryConfig": {"Mirrors": ["https://mirror.example/"]},
    "Labels": ["zone=a"],
    "DockerRootDir": "/var/lib/docker",
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns", "name=no-new-privileges"],
    "Swarm": {"LocalNodeState": "inactive"},
    "ClientInfo": {
        "Plugins": [{"Name": "buildx", "Version": "0.29.1"}, {"Name": "compose", "Version": "2.40.3"}]
    },
}
DAEMON = {
    "log-driver": "local",
    "live-restore": True,
    "registry-mirrors": ["https://mirror.example"],
    "labels": ["zone=a"],
}
# The least that is a key: a packet of type 6 with a body of version 4.
BODY = b"\x04 stands for Docker's key"
KEY_FILE = base64.b64encode(bytes([0x98, len(BODY)]) + BODY).decode()
KEY_ID = hashlib.sha1(bytes([0x99, 0, len(BODY)]) + BODY, usedforsecurity=False).hexdigest()[-16:]
OTHER_KEY = base64.b64encode(bytes([0x98, len(BODY)]) + BODY[:-1] + b".").decode()
SIGNED = "Name        : {}\nSignature   : RSA/SHA512, Tue Nov  5 10:01:02 2024, Key ID " + KEY_ID + "\n"
UNIT = "Id={}\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n"
LISTENER = 'LISTEN 0 4096 {} 0.0.0.0:* users:(("dockerd",pid=7,fd=3))\n'
REPOSITORY = """[docker-ce-stable]
baseurl=https://download.docker.com/linux/centos/9/x86_64/stable
enabled=1
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/docker.gpg
"""

HEALTHY: dict[str, str | Answer] = {
    "machine": "x86_64\n",
    "owners": "dockerd docker-ce 28.5.2\ndocker docker-ce-cli 28.5.2\ncontainerd containerd.io 2.1.9\n",
    "signatures": "".join(SIGNED.format(name) for name in ("containerd.io", "docker-ce", "docker-ce-cli")),
    "keys": f"{KEY_ID[-8:]}\n",
    "key_files": f"/etc/pki/rpm-gpg/docker.gpg {KEY_FILE}\n",
    "repositories": REPOSITORY,
    "package_manager": "[main]\ngpgcheck=1\n",
    "upgrade": Answer(3, ""),
    "units": "\n".join(
        UNIT.format(name) for name in ("docker.service", "docker.socket", "containerd.service")
    ),
    "socket": "socket|660|root|docker\n",
    "arguments": "/usr/bin/dockerd\n-H\nfd://\n",
    "listeners": 'LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=91,fd=6))\n',
    "daemon_json": json.dumps(DAEMON),
    "validate": "configuration OK\n",
    "cgroup": "cgroup2fs\n",
    "selinux": Answer(1, "cat: /sys/fs/selinux/enforce: No such file or directory"),
    "forwarding": "1\n",
    "info": "WARNING: a line of the client before\n" + json.dumps(INFO),
    "client": "Docker version 28.5.2, build ecc6942\n",
}


def facts_of(decided: Mapping[str, Any] | None = None, **other: str | Answer) -> Facts:
    answers = HEALTHY | other
    assert answers.keys() == PROBE.keys()
    texts = {name: a if isinstance(a, Answer) else Answer(0, a) for name, a in answers.items()}
    return Facts(texts, decided or {})


def options(**named: Any) -> dict[str, Any]:
    """What an inventory decides by ``docker_engine_daemon_options``, with ``_`` for ``-`` in their names."""
    return {"docker_engine_daemon_options": {name.replace("_", "-"): named[name] for name in named}}


def info(**other: Any) -> str:
    return json.dumps(INFO | other)


class FilesOfHost:
    """testinfra's ``host.file`` for a host that has only the named files."""

    def __init__(self, *paths: str) -> None:
        self._paths = paths

    def file(self, path: str) -> SimpleNamespace:
        return SimpleNamespace(is_file=path in self._paths)


def call(check: Callable[..., None], facts: Facts, *words: Any, **others: Any) -> None:
    """Call ``check`` with the fixtures that it asks for by name."""
    values: Mapping[str, Any] = {
        "facts": facts,
        "engine": facts.info,
        "host": FilesOfHost("/etc/pki/rpm-gpg/docker.gpg"),
        "plugin": "buildx",
        "name": "docker.service",
        **others,
    }
    names = check.__code__.co_varnames[: check.__code__.co_argcount]
    check(**{name: values[name] for name in names})


@contextmanager
def no_skip() -> Iterator[None]:
    """Fail where a check is skipped: a test that is skipped with it would prove nothing."""
    try:
        yield
    except pytest.skip.Exception as skipped:
        pytest.fail(f"skipped: {skipped.msg}")


CHECKS = [
    function
    for module in (packages, service, engine, configuration)
    for name, function in vars(module).items()
    if name.startswith("test_")
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_healthy_host_fails_no_check(check: Callable[..., None]) -> None:
    selinux = "selinux" in check.__name__
    with pytest.raises(pytest.skip.Exception) if selinux else no_skip():
        call(check, facts_of())


# Recorded on a stand-in host (dnf 4.23), where a second repository has the packages.
UPGRADE = """\
Dependencies resolved.
================================================================================
 Package                Arch    Version             Repository           Size
================================================================================
Upgrading:
 containerd.io          x86_64  2.1.9-1.el10        mine                 31 M
 docker-ce              x86_64  3:28.5.2-1.el10     mine                 22 M

Transaction Summary
================================================================================
Upgrade  2 Packages
Operation aborted.
"""


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Answer(3, ""), "want exclude= in the repository's file, which holds the packages, is none"),
        (Answer(1, UPGRADE), "would bring containerd.io 2.1.9-1.el10, docker-ce 3:28.5.2-1.el10"),
        (Answer(1, "Error: Failed to download metadata for repo 'x'"), "cannot tell: Error: Failed"),
        (Answer(0, "Nothing to do.\n"), ""),
    ],
)
def test_a_set_that_is_to_be_held_is_judged_by_what_an_upgrade_would_do(answer: Answer, found: str) -> None:
    asked = pytest.raises((AssertionError, pytest.skip.Exception), match=found) if found else nullcontext()
    with asked:
        call(packages.test_set_is_held, facts_of({"docker_engine_hold": True}, upgrade=answer))
    call(packages.test_set_is_held, facts_of({}, upgrade=answer))


RED: list[tuple[Callable[..., None], dict[str, str | Answer], str]] = [
    (
        packages.test_programs_belong_to_packages,
        {"owners": "docker docker-ce-cli 28.5.2\n"},
        "want dockerd docker containerd, is docker",
    ),
    (
        packages.test_packages_are_signed_by_a_trusted_key,
        {"key_files": f"/etc/pki/rpm-gpg/docker.gpg {OTHER_KEY}\n"},
        f"want containerd.io signed by the key in the repository's file, is {KEY_ID}",
    ),
    (
        packages.test_packages_are_signed_by_a_trusted_key,
        {"key_files": f"/etc/pki/rpm-gpg/docker.gpg {OTHER_KEY}\n/etc/pki/rpm-gpg/epel.gpg {KEY_FILE}\n"},
        "want containerd.io signed by the key in the repository's file",
    ),
    (
        packages.test_packages_are_signed_by_a_trusted_key,
        {"owners": "dockerd moby-engine 28.5.2\n", "keys": "deadbeef\n"},
        "want moby-engine signed by one of rpm's keys, is not signed",
    ),
    (
        packages.test_packages_are_signed_by_a_trusted_key,
        {"signatures": "Name : docker-ce\nSignature : (none)\n"},
        "is not signed",
    ),
    (
        packages.test_packages_are_signed_by_a_trusted_key,
        {
            "owners": "dockerd moby-engine 28.5.2\n",
            "signatures": SIGNED.format("moby-engine"),
            "keys": "package gpg-pubkey is not installed\n",
        },
        f"want moby-engine signed by one of rpm's keys, is {KEY_ID}",
    ),
    (
        packages.test_client_plugin_answers,
        {"info": info(ClientInfo={"Plugins": None})},
        "want buildx among the client's plugins, is none",
    ),
    (
        packages.test_repository_is_enabled,
        {"repositories": REPOSITORY.replace("enabled=1", "enabled=0")},
        "want an enabled repository of docker-ce, is none",
    ),
    (
        packages.test_repository_is_enabled,
        {"repositories": ""},
        "want an enabled repository of docker-ce, is none",
    ),
    (
        packages.test_repository_checks_signatures,
        {"repositories": REPOSITORY.replace("gpgcheck=1", "gpgcheck=0")},
        "want gpgcheck=1 in [docker-ce-stable], is 0",
    ),
    (
        packages.test_repository_checks_signatures,
        {"repositories": REPOSITORY.replace("gpgcheck=1\n", ""), "package_manager": "[main]\n"},
        "is 0",
    ),
    (
        packages.test_repository_key_is_a_file_of_the_host,
        {"repositories": REPOSITORY.replace("file:///", "https://x/")},
        "is https://x/etc",
    ),
    (
        packages.test_repository_key_is_a_file_of_the_host,
        {"repositories": REPOSITORY.replace("docker.gpg", "other.gpg")},
        "want the key /etc/pki/rpm-gpg/other.gpg, is no such file",
    ),
    (
        service.test_service_runs,
        {"units": UNIT.format("docker.service").replace("active", "failed")},
        "want active, is failed",
    ),
    (service.test_service_runs, {"units": ""}, "want active, is not there"),
    (
        service.test_engine_starts_at_boot,
        {"units": UNIT.format("docker.service").replace("enabled", "disabled")},
        "want docker.service enabled, is disabled",
    ),
    (
        service.test_nothing_of_the_engine_has_failed,
        {"units": UNIT.format("docker.socket").replace("active", "failed")},
        "is docker.socket",
    ),
    (
        service.test_socket_mode,
        {"socket": "socket|666|root|docker"},
        "want a socket of mode 660, is a socket of mode 666",
    ),
    (
        service.test_socket_mode,
        {"socket": Answer(1, "stat: cannot stat")},
        "want /var/run/docker.sock, is stat: cannot stat",
    ),
    (service.test_socket_owner, {"socket": "socket|660|root|users"}, "want root:docker, is root:users"),
    (
        service.test_engine_does_not_listen_on_tcp,
        {"listeners": LISTENER.format("0.0.0.0:2375")},
        "is 0.0.0.0:2375",
    ),
    (
        service.test_engine_does_not_listen_on_tcp,
        {"listeners": LISTENER.format("0.0.0.0:2377")},
        "is 0.0.0.0:2377",
    ),
    (
        service.test_no_tcp_socket_is_configured,
        {"arguments": "/usr/bin/dockerd\n-H\ntcp://0.0.0.0:2375\n"},
        "is tcp://0.0.0.0:2375",
    ),
    (
        service.test_no_tcp_socket_is_configured,
        {"daemon_json": '{"hosts": ["fd://", "tcp://10.0.0.1"]}'},
        "is tcp://10.0.0.1",
    ),
    (
        engine.test_engine_answers,
        {"info": Answer(1, "docker.service is inactive\n")},
        "want an answer, is docker.service is inactive",
    ),
    (engine.test_engine_answers, {"info": Answer(124, "{}")}, "want an answer, is no answer in 20 s"),
    (
        engine.test_engine_answers,
        {"info": Answer(1, '{"ServerErrors": ["Cannot connect"]}')},
        "want an answer, is Cannot connect",
    ),
    (
        engine.test_client_and_engine_agree,
        {"client": "Docker version 26.1.5, build x"},
        "want client 28.5.2, is 26.1.5",
    ),
    (
        engine.test_running_engine_is_the_installed_one,
        {"info": info(ServerVersion="26.1.5")},
        "want 28.5.2, is 26.1.5",
    ),
    (
        engine.test_running_engine_is_the_installed_one,
        {"info": info(ServerVersion="28.5.21")},
        "want 28.5.2, is 28.5.21",
    ),
    (engine.test_storage_driver, {"info": info(Driver="vfs")}, "want overlay2 or overlayfs, is vfs"),
    (
        engine.test_backing_file_system,
        {"info": info(DriverStatus=[["Supports d_type", "false"]])},
        "want d_type true, is false",
    ),
    (engine.test_cgroup_version, {"cgroup": "tmpfs\n"}, "want cgroup v1, is v2"),
    (engine.test_cgroup_driver, {"info": info(CgroupDriver="cgroupfs")}, "want systemd, is cgroupfs"),
    (engine.test_limits_are_possible, {"info": info(PidsLimit=False)}, "is missing: PidsLimit"),
    (
        engine.test_seccomp_is_on,
        {"info": info(SecurityOptions=["name=seccomp,profile=unconfined"])},
        "want builtin, is unconfined",
    ),
    (engine.test_seccomp_is_on, {"info": info(SecurityOptions=None)}, "want builtin, is off"),
    (
        engine.test_selinux_is_on,
        {"selinux": "1", "daemon_json": '{"selinux-enabled": true}'},
        "want selinux-enabled on (daemon.json), is off",
    ),
    (
        engine.test_no_new_privileges,
        {"info": info(SecurityOptions=["name=cgroupns"]), "arguments": "dockerd\n--no-new-privileges\n"},
        "want no-new-privileges on (the flag --no-new-privileges), is off",
    ),
    (engine.test_forwarding_is_on, {"forwarding": "0\n"}, "want net.ipv4.ip_forward 1, is 0"),
    (configuration.test_file_is_valid, {"daemon_json": "{"}, "want a JSON object in /etc/docker/daemon.json"),
    (configuration.test_file_is_valid, {"daemon_json": "[]"}, "want a JSON object"),
    (
        configuration.test_engine_accepts_the_file,
        {"validate": Answer(1, "unable to configure the Docker daemon with file\n")},
        "is unable to configure",
    ),
    (
        configuration.test_file_is_what_the_engine_runs_with,
        {"info": info(LoggingDriver="json-file", LiveRestoreEnabled=False)},
        "live-restore: want on, is off; log-driver: want local, is json-file",
    ),
    (
        configuration.test_file_is_what_the_engine_runs_with,
        {"info": info(RegistryConfig={"Mirrors": None})},
        "want https://mirror.example, is zone=a",
    ),
    (
        configuration.test_file_is_what_the_engine_runs_with,
        {"info": info(Labels=[])},
        "want zone=a, is https://mirror.example",
    ),
    (
        configuration.test_logs_are_rotated,
        {"info": info(LoggingDriver="json-file")},
        "want log-driver local (daemon.json), is json-file",
    ),
    (
        configuration.test_live_restore_is_on,
        {"info": info(LiveRestoreEnabled=False)},
        "want live-restore on (daemon.json), is off",
    ),
]


@pytest.mark.parametrize(("check", "other", "words"), RED)
def test_a_sick_host_fails_the_check_with_want_and_is(
    check: Callable[..., None], other: dict[str, str | Answer], words: str
) -> None:
    with no_skip(), pytest.raises(AssertionError) as failed:
        call(check, facts_of(**other))
    assert words in str(failed.value)
    assert "want " in str(failed.value)


NO_LIVE_RESTORE = {"info": info(LiveRestoreEnabled=False)}
NO_NEW = {"info": info(SecurityOptions=["name=cgroupns"])}
JSON_FILE = {"info": info(LoggingDriver="json-file")}
NO_FILE = {"daemon_json": Answer(1, "cat: no such file")}
Case = tuple[Callable[..., None], dict[str, Any], dict[str, str | Answer], str]

DRIFTED: list[Case] = [
    (
        configuration.test_live_restore_is_on,
        options(live_restore=True),
        NO_LIVE_RESTORE | NO_FILE,
        "want live-restore on (docker_engine_daemon_options), is off",
    ),
    (
        configuration.test_live_restore_is_on,
        options(live_restore=True),
        NO_LIVE_RESTORE | {"daemon_json": '{"live-restore": false}'},
        "want live-restore on (docker_engine_daemon_options), is off",
    ),
    (
        engine.test_no_new_privileges,
        options(no_new_privileges=True),
        NO_NEW,
        "want no-new-privileges on (docker_engine_daemon_options), is off",
    ),
    (
        engine.test_selinux_is_on,
        options(selinux_enabled=True),
        {"selinux": "1"},
        "want selinux-enabled on (docker_engine_daemon_options), is off",
    ),
    (
        configuration.test_logs_are_rotated,
        options(log_driver="local"),
        JSON_FILE | NO_FILE,
        "want log-driver local (docker_engine_daemon_options), is json-file",
    ),
    (
        configuration.test_logs_are_rotated,
        options(log_driver="journald"),
        {},
        "want log-driver journald (docker_engine_daemon_options), is local",
    ),
    (
        configuration.test_logs_are_rotated,
        options(log_opts={"max-size": "10m"}),
        JSON_FILE | NO_FILE,
        "want log-opts max-size 10m (docker_engine_daemon_options), is json-file without a max-size",
    ),
]


@pytest.mark.parametrize(("check", "decided", "other", "words"), DRIFTED)
def test_what_the_inventory_wants_and_the_host_lacks_is_a_failure(
    check: Callable[..., None], decided: dict[str, Any], other: dict[str, str | Answer], words: str
) -> None:
    with no_skip(), pytest.raises(AssertionError) as failed:
        call(check, facts_of(decided, **other))
    assert words in str(failed.value)


RECOMMENDED = "docker_engine_daemon_options sets what is recommended"
BY_CHOICE = "by choice (docker_engine_daemon_options)"
ADVICE: list[Case] = [
    (
        configuration.test_live_restore_is_on,
        {},
        NO_LIVE_RESTORE | NO_FILE,
        f"live-restore is off; containers stop with the engine; {RECOMMENDED}",
    ),
    *(
        (
            configuration.test_live_restore_is_on,
            options(live_restore=value),
            NO_LIVE_RESTORE | NO_FILE,
            f"live-restore is off {BY_CHOICE}; containers stop with the engine",
        )
        for value in (None, False)
    ),
    (
        configuration.test_live_restore_is_on,
        {},
        NO_LIVE_RESTORE | {"daemon_json": '{"live-restore": false}'},
        "live-restore is off: daemon.json says so; containers stop with the engine",
    ),
    (
        engine.test_no_new_privileges,
        {},
        NO_NEW | {"arguments": "dockerd\n--no-new-privileges=false\n"},
        "no-new-privileges is off: the flag --no-new-privileges=false says so; programs",
    ),
    (engine.test_selinux_is_on, {}, {"selinux": "1"}, "selinux-enabled is off; SELinux does not"),
    (
        configuration.test_logs_are_rotated,
        {},
        JSON_FILE | NO_FILE,
        f"container logs are not rotated; they can fill the disk; {RECOMMENDED}",
    ),
    *(
        (
            configuration.test_logs_are_rotated,
            decided,
            JSON_FILE | NO_FILE,
            f"container logs are not rotated {BY_CHOICE}; they can fill the disk",
        )
        for decided in (
            options(log_driver=None),
            options(log_opts=None),
            options(log_opts={"max-size": None}),
        )
    ),
    (
        configuration.test_logs_are_rotated,
        options(log_driver="json-file"),
        JSON_FILE | {"daemon_json": '{"log-driver": "json-file"}'},
        "container logs are not rotated: daemon.json says so; they can fill the disk",
    ),
]


@pytest.mark.parametrize(("check", "decided", "other", "words"), ADVICE)
def test_what_nobody_asked_for_is_an_advice_that_names_who_decided_it(
    check: Callable[..., None], decided: dict[str, Any], other: dict[str, str | Answer], words: str
) -> None:
    with pytest.raises(Advice) as advised:
        call(check, facts_of(decided, **other))
    assert words in str(advised.value.msg)
    assert ("by choice" in words) == ("by choice" in str(advised.value.msg))


def test_a_host_that_runs_as_the_inventory_wants_fails_no_check() -> None:
    wants = options(
        live_restore=True, no_new_privileges=True, log_driver="local", log_opts={"max-size": "9m"}
    )
    for check in (
        configuration.test_live_restore_is_on,
        configuration.test_logs_are_rotated,
        engine.test_no_new_privileges,
    ):
        with no_skip():
            call(check, facts_of(wants))


def test_a_size_that_is_given_as_a_flag_rotates_the_log() -> None:
    arguments = "dockerd\n--log-opt\nmax-size=10m\n"
    call(
        configuration.test_logs_are_rotated,
        facts_of(info=info(LoggingDriver="json-file"), daemon_json="{}", arguments=arguments),
    )


def test_the_reporter_knows_an_advice_from_a_skip() -> None:
    skipped = pytest.TestReport("n", ("f", 1, "n"), {}, "skipped", None, "call")
    passed = pytest.TestReport("n", ("f", 1, "n"), {}, "passed", None, "call")
    failed = pytest.TestReport("n", ("f", 1, "n"), {}, "failed", None, "call")
    assert reporter.verdict(skipped, Advice("why")) is Verdict.ADVICE
    assert reporter.verdict(skipped, pytest.skip.Exception("why")) is Verdict.SKIPPED
    assert reporter.verdict(passed, None) is Verdict.PASSED
    assert reporter.verdict(failed, AssertionError("want")) is Verdict.FAILED
    assert reporter.detail(Advice("why")) == "why"


def test_every_check_has_been_seen_red() -> None:
    alone = {packages.test_set_is_held.__name__}  # UPGRADE
    assert {check.__name__ for check in CHECKS} - alone == {check.__name__ for check, *_ in RED}


def test_json_file_with_a_size_is_a_rotated_log() -> None:
    daemon = json.dumps({"log-opts": {"max-size": "10m"}})
    call(
        configuration.test_logs_are_rotated,
        facts_of(info=info(LoggingDriver="json-file"), daemon_json=daemon),
    )


def test_the_engine_of_a_distribution_needs_no_repository_of_docker() -> None:
    with pytest.raises(pytest.skip.Exception, match="the distribution's own package docker"):
        call(packages.test_repository_is_enabled, facts_of(owners="dockerd docker 25.0.8\n"))


def test_a_repository_that_a_bundle_left_disabled_is_still_judged() -> None:
    text = f"{BUNDLED}\n" + REPOSITORY.replace("enabled=1", "enabled=0")
    with pytest.raises(pytest.skip.Exception, match="came from a bundle"):
        call(packages.test_repository_is_enabled, facts_of(repositories=text))
    call(packages.test_repository_checks_signatures, facts_of(repositories=text))
    unsigned = text.replace("gpgcheck=1", "gpgcheck=0")
    with pytest.raises(AssertionError, match="want gpgcheck=1"):
        call(packages.test_repository_checks_signatures, facts_of(repositories=unsigned))


def test_an_engine_that_does_not_tell_of_no_new_privileges_is_no_failure() -> None:
    old = info(ServerVersion="20.10.24", SecurityOptions=[])
    with pytest.raises(pytest.skip.Exception, match=r"engine 20\.10\.24 does not tell"):
        call(engine.test_no_new_privileges, facts_of(info=old, daemon_json='{"no-new-privileges": true}'))


def test_a_key_matches_by_its_fingerprint_as_rpm_6_shows_it() -> None:
    own = {"owners": "dockerd moby-engine 28.5.2\n", "signatures": SIGNED.format("moby-engine")}
    facts = facts_of(**own, keys=f"060a61c51b558a7f742b77aa{KEY_ID}\n")
    call(packages.test_packages_are_signed_by_a_trusted_key, facts)


def test_the_ports_of_a_swarm_are_not_the_open_api() -> None:
    swarm = info(Swarm={"LocalNodeState": "active"})
    call(
        service.test_engine_does_not_listen_on_tcp, facts_of(info=swarm, listeners=LISTENER.format("*:2377"))
    )


@pytest.mark.parametrize(
    "junk", ["", "\x1b[31m", "{" * 50, "a=b\n=\n\n", "[x\n", "\0" * 9, '{"ServerVersion": 1}']
)
@pytest.mark.parametrize("name", PROBE)
def test_no_answer_of_a_host_breaks_the_reading(name: str, junk: str) -> None:
    facts = facts_of(**{name: junk})
    for read in (
        "info",
        "owners",
        "signing_keys",
        "trusted_keys",
        "units",
        "docker_repositories",
        "main",
        "daemon",
    ):
        getattr(facts, read)
    assert facts.silence
    assert facts.is_swarm in (True, False)


REASONS: list[tuple[dict[str, str | Answer], str]] = [
    ({}, ""),
    ({"info": info(ContainersRunning=3)}, "would disturb the 3 containers"),
    ({"info": info(ContainersRunning=3, LiveRestoreEnabled=False)}, "would disturb the 3 containers"),
    ({"info": info(LiveRestoreEnabled=False)}, ""),
    ({"info": info(Swarm={"LocalNodeState": "active"})}, "Swarm"),
    ({"daemon_json": "{"}, "refuses its configuration"),
    ({"validate": Answer(1, "invalid")}, "refuses its configuration"),
    ({"validate": Answer(125, "unknown flag: --validate")}, ""),
]


@pytest.mark.parametrize(("other", "reason"), REASONS)
def test_the_engine_is_restarted_only_where_that_harms_nobody(
    other: dict[str, str | Answer], reason: str
) -> None:
    found = why_no_restart(facts_of(**other))
    assert reason in found
    assert bool(reason) == bool(found)


@pytest.mark.parametrize(
    ("want", "found", "words"),
    [
        (True, False, "want on, is off"),
        ("a", None, "want a, is none"),
        (("a", "b"), [], "want a b, is none"),
        (2, 0, "want 2, is 0"),
    ],
)
def test_values_are_worded_for_a_person(want: object, found: object, words: str) -> None:
    assert wanted(want, found) == words


def test_the_distributions_own_package_needs_a_key_of_rpms_ring_alone() -> None:
    own = {"owners": "dockerd moby-engine 28.5.2\n", "signatures": SIGNED.format("moby-engine")}
    facts = facts_of(**own, repositories="", key_files="")
    with no_skip():
        call(packages.test_packages_are_signed_by_a_trusted_key, facts)


FINGERPRINT = "060a61c51b558a7f742b77aa" + KEY_ID


def named_key(fingerprint: str) -> dict[str, str]:
    return {"docker_engine_gpg_fingerprint": fingerprint}


@pytest.mark.parametrize("key_files", ["", HEALTHY["key_files"]])
def test_packages_are_signed_by_the_key_that_the_inventory_names(key_files: str) -> None:
    spaced = FINGERPRINT[:4].upper() + " " + FINGERPRINT[4:].upper()
    with no_skip():
        call(
            packages.test_packages_are_signed_by_a_trusted_key,
            facts_of(named_key(spaced), key_files=key_files),
        )


@pytest.mark.parametrize("key_files", ["", HEALTHY["key_files"]])
def test_a_trusted_key_that_the_inventory_does_not_name_is_a_failure(key_files: str) -> None:
    with no_skip(), pytest.raises(AssertionError) as failed:
        call(
            packages.test_packages_are_signed_by_a_trusted_key,
            facts_of(named_key("AB" * 20), key_files=key_files),
        )
    wants = f"the key {'ab' * 20} (docker_engine_gpg_fingerprint)"
    assert f"want containerd.io signed by {wants}, is {KEY_ID}" in str(failed.value)


def test_a_subkey_of_the_named_key_passes_and_another_key_does_not() -> None:
    primary, other = BODY + b"!", BODY + b"?"
    packets = {name: bytes([first, len(body)]) + body for name, first, body in (
        ("primary", 0x98, primary), ("subkey", 0xB8, BODY), ("other", 0x98, other), ("beside", 0x98, BODY)
    )}  # fmt: skip
    named = hashlib.sha1(b"\x99\0" + bytes([len(primary)]) + primary, usedforsecurity=False).hexdigest()

    def judge(*names: str) -> None:
        content = base64.b64encode(b"".join(packets[name] for name in names)).decode()
        files = f"/etc/pki/rpm-gpg/docker.gpg {content}\n"
        call(packages.test_packages_are_signed_by_a_trusted_key, facts_of(named_key(named), key_files=files))

    with no_skip():
        judge("other", "primary", "subkey")
    with no_skip(), pytest.raises(AssertionError, match=r"want containerd\.io signed by the key"):
        judge("primary", "beside")


@pytest.mark.parametrize(
    "key_files", ["", "/etc/pki/rpm-gpg/docker.gpg \n", "/etc/pki/rpm-gpg/docker.gpg ?\n"]
)
def test_without_a_key_file_nothing_is_known_of_the_signatures(key_files: str) -> None:
    with pytest.raises(pytest.skip.Exception, match="names a key file"):
        call(packages.test_packages_are_signed_by_a_trusted_key, facts_of(key_files=key_files))
