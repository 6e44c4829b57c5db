"""The distribution's own engine: what is asked for and refused, and how one engine replaces the other."""

from pathlib import Path

import pytest

from provision import desired
from provision.errors import InventoryError
from provision.host import main
from provision.host.ground import channels, own_engines, systems
from provision.host.ground.errors import HostError
from provision.host.packages import exchange, locked, solver, sources
from provision.host.packages.repository import KEY_FILE
from provision.workflows import lockfile
from tests.unit.test_host_main import FINGERPRINT, PlayedHost, engine, known_key, names, request, root
from tests.unit.test_systems import facts_of

__all__ = ("engine", "known_key", "root")
AMAZON = 'NAME="Amazon Linux"\nID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\n'
# Recorded on Amazon Linux 2023: what `dnf install docker` brings.
OWN = """\
Installing:
 docker      x86_64  25.0.8-1.amzn2023.0.1   amazonlinux   46 M
 containerd  x86_64  1.7.25-1.amzn2023.0.1   amazonlinux   26 M
Installing dependencies:
 runc        x86_64  1.2.4-1.amzn2023.0.1    amazonlinux  3.7 M
 pigz        x86_64  2.5-1.amzn2023.0.3      amazonlinux   83 k
"""
GONE = """\
Removing dependent packages:
 containerd.io  x86_64  2.1.9-1.el9     @docker-ce-stable  1 M
 docker-ce      x86_64  3:28.5.2-1.el9  @docker-ce-stable  1 M
 docker-ce-cli  x86_64  1:28.5.2-1.el9  @docker-ce-stable  1 M
"""
DOCKERS = {
    "docker-ce": "3:28.5.2-1.el9.x86_64", "docker-ce-cli": "1:28.5.2-1.el9.x86_64",
    "containerd.io": "0:2.1.9-1.el9.x86_64", "docker-compose-plugin": "0:2.40.3-1.el9.x86_64",
}  # fmt: skip
SECTION = "# Managed by provision; changes here are overwritten.\n[docker-ce-stable]\nbaseurl=http://then\n"


class Amazon(PlayedHost):
    """An Amazon Linux 2023 whose dnf does what its table says; ``served`` is what it could install again."""

    def __init__(self, place):
        super().__init__(place)
        Path(self.path("/etc/os-release")).write_text(AMAZON)
        self.transaction = OWN
        self.served = set(DOCKERS)
        self.taken = []
        Path(self.path("/var/lib/rpm")).mkdir(parents=True)

    def _rpm(self, argv):
        return "/var/lib/rpm\n" if "--eval" in argv else "" if "--justdb" in argv else super()._rpm(argv)

    def _dnf(self, argv):
        verb = next(word for word in argv if word in ("install", "remove", "reinstall", "list"))
        named = [name for name, evr in self.installed.items() if {name, f"{name}-{evr}"} & set(argv)]
        for place in [word.partition("reposdir=")[2] for word in argv if "reposdir=" in word]:
            self.taken.append((verb, sorted(path.name for path in Path(place).iterdir())))
        if "--downloadonly" in argv:
            return ""
        if "--assumeno" not in argv:
            rows = solver.parse_transaction(self.transaction) if verb == "install" else ()
            self.installed.update({row.name: f"{row.evr}.x86_64" for row in rows if row.action == "install"})
            for name in [row.name for row in rows if row.action == "remove"] + named * (verb == "remove"):
                self.installed.pop(name, None)
            return ""
        if verb == "install":
            return self.transaction
        known = named if verb == "remove" else [name for name in named if name in self.served]
        head = {"remove": "Removing:\n", "reinstall": "Reinstalling:\n"}[verb]
        return head + "".join(f" {name} x86_64 {self.installed[name][:-7]} repo 1 M\n" for name in known)


@pytest.fixture
def host(root):
    for place in (
        "run/systemd/system",
        "usr/bin",
        "etc/pki/rpm-gpg",
        "etc/yum.repos.d",
        "var/run",
        "var/tmp",
    ):
        (root / place).mkdir(parents=True, exist_ok=True)
    (root / "usr/bin/dnf").touch(mode=0o755)
    return Amazon(root)


def asked(mode, run="r1", **wanted):
    return request(mode, run, **{"channel": "distro"} | wanted)


def test_the_own_engine_comes_without_dockers_repository_and_key(host, engine):
    planned = main.respond(host, asked("plan"))
    applied = main.answer(host, asked("apply"))
    assert (applied["error"], applied["changes"]) == (None, planned["changes"])
    assert names(planned) == [
        "package docker", "package containerd", "package pigz", "package runc",
        "file /etc/docker/daemon.json", "service docker",
    ]  # fmt: skip
    assert applied["installed"] is True
    asks = [call for call in host.calls if call.startswith("dnf") and " install " in call]
    assert asks
    assert all(" install docker containerd" in call for call in asks if "--assumeno" in call)
    # Neither its file in the private copy nor on the host, and no key of Docker's.
    assert {name for _, files in host.taken for name in files} == set()
    assert not Path(host.path(sources.REPO_FILE)).exists()
    assert not Path(host.path(KEY_FILE)).exists()
    assert host.keys == set()


def test_a_plan_leaves_out_the_keys_that_the_package_will_have_as_flags(host, engine):
    Path(host.path("/etc/os-release")).write_text("ID=opencloudos\nVERSION_ID=9.2\n")
    host.transaction = "Installing:\n moby x86_64 20.10.24-5 os 1 M\n containerd x86_64 1.6-1 os 1 M\n"
    (line,) = [each for each in main.respond(host, asked("plan"))["changes"] if each["kind"] == "file"]
    added = [word for word in line["diff"].splitlines() if word.startswith('+  "')]
    assert added == ['+  "no-new-privileges": true']


def test_a_second_run_of_the_own_engine_costs_two_commands(host, engine):
    main.answer(host, asked("apply"))
    host.calls.clear()
    assert main.answer(host, asked("apply", "r2"))["changes"] == []
    assert [call.split()[0] for call in host.calls] == ["systemctl", "rpm"]


def dockers(host):
    """Let Docker's own engine run on the host, by our file and key."""
    host.installed.update(DOCKERS)
    host.active = host.enabled = True
    host.keys.add(FINGERPRINT[-8:].lower())
    Path(host.path(sources.REPO_FILE)).write_text(SECTION)
    host.transaction = OWN + GONE


def test_the_own_engine_takes_the_place_of_dockers_by_name_and_version(host, engine):
    dockers(host)
    planned = main.respond(host, asked("plan"))
    assert planned["error"] is None
    gone = {line["subject"]: line["before"] for line in planned["changes"] if line["sign"] == "-"}
    assert gone == {
        "containerd.io": "2.1.9", "docker-ce": "28.5.2", "docker-ce-cli": "28.5.2",
        "docker-compose-plugin": "2.40.3",
    }  # fmt: skip
    assert {"package docker", "package containerd"} <= set(names(planned))
    applied = main.answer(host, asked("apply"))
    assert (applied["error"], applied["changes"]) == (None, planned["changes"])
    assert set(host.installed) == {"docker", "containerd", "runc", "pigz"}
    # Docker's repository is read where it is asked what an undo could bring back, and nowhere else.
    read = {(verb, bool(files)) for verb, files in host.taken}
    assert ("reinstall", True) in read
    assert ("install", True) not in read
    assert main.answer(host, asked("apply", "r2"))["changes"] == []


def test_what_no_repository_can_bring_back_is_said_in_a_change_of_channel(host, engine):
    dockers(host)
    host.served.remove("containerd.io")
    lines = main.respond(host, asked("plan"))["changes"]
    after = {line["subject"]: line["after"] for line in lines if line["sign"] == "-"}
    assert after["containerd.io"] == "removed; no repository has it: this cannot be undone"
    assert after["docker-ce"] == "removed"


def test_an_engine_that_our_runs_brought_gives_way_and_anothers_does_not():
    channel, there = (
        channels.DOCKER._replace(former=("docker", "containerd")),
        {"docker": "25", "containerd": "1"},
    )
    assert exchange.stale(channel, there, ["docker", "containerd", "runc"]) == ["docker", "containerd"]
    assert exchange.stale(channel, there, []) == []
    own = channels.of(facts_of(AMAZON), {"channel": "distro"})
    assert exchange.stale(own, DOCKERS, []) == list(DOCKERS)
    assert exchange.stale(own, {"containerd.io": "2.1.9"}, []) == []
    # A plugin alone is no engine, and stays unless we have brought it.
    plugin = {"docker-compose-plugin": "2.40.3"}
    assert exchange.stale(own, plugin, []) == []
    assert exchange.stale(own, plugin, ["docker-compose-plugin"]) == ["docker-compose-plugin"]


class Held:
    """What rpm says where Docker's engine is installed, and another one is asked for."""

    stale = ("docker-ce",)
    brought = ()


def test_yum_does_not_put_one_engine_in_the_place_of_another(host):
    with pytest.raises(HostError, match="yum does not put one engine in the place") as caught:
        exchange.refuse_stuck(host, type("Yum", (), {"program": "yum"}), Held)
    assert caught.value.kind == "exchange-refused"
    assert "yum remove docker-ce (" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "wanted", "kind", "words"),
    [
        ('NAME="Rocky Linux"\nID="rocky"\nVERSION_ID="9.6"\n', {}, "no-own-engine", "openEuler 22.03"),
        (AMAZON, {"channel": "stable"}, "unsupported-os", "docker_engine_channel: distro"),
        (AMAZON, {"hold": True}, "channel-unable", "dnf versionlock add docker containerd"),
        ("ID=openEuler\nVERSION_ID=22.03\n", {"containerd_version": "1.6"}, "channel-unable", "stable"),
        ("ID=debian\nVERSION_ID=12\n", {}, "unsupported-os", "RHEL 7, 8"),
    ],
)
def test_what_the_channel_cannot_do_is_refused_before_anything(host, text, wanted, kind, words):
    Path(host.path("/etc/os-release")).write_text(text)
    error = main.respond(host, asked("plan", **wanted))["error"]
    assert (error["kind"], error["refused"]) == (kind, True)
    assert words in error["hint"]
    assert host.taken == []


@pytest.mark.parametrize("verb", ["converge", "collect"])
def test_a_bundle_has_dockers_packages_alone(host, verb):
    made = asked("plan") | {"verb": verb, "bundle": {"members": []} if verb == "converge" else None}
    error = main.respond(host, made)["error"]
    assert error["kind"] == "channel-unable"
    assert "a bundle" in error["message"]


def test_a_repository_without_the_own_engine_is_named(host):
    host.transaction = "Error: Unable to find a match: docker containerd\n"
    host._dnf = lambda argv: host.transaction
    ran = host.run
    host.run = lambda argv, *words, **named: ran(argv, *words, **named)._replace(rc=int(argv[0] == "dnf"))
    error = main.respond(host, asked("plan"))["error"]
    assert error["kind"] == "engine-not-served"
    assert error["message"] == "no enabled repository of this host has docker containerd"


def test_every_engine_of_a_row_is_known_to_who_stops_or_keeps_containers():
    for system in systems.SYSTEMS:
        assert set(system.own.packages[:1]) <= channels.ENGINES
    assert own_engines.CONTAINERD not in channels.ENGINES


def test_a_lock_has_an_entry_of_its_own_for_the_own_engine():
    found = facts_of(AMAZON)
    own = channels.of(found, {"channel": "distro"})
    names = [locked.system(found, channel) for channel in (channels.DOCKER, own)]
    assert names == ["amzn/2023 x86_64", "amzn/2023 x86_64 distro"]
    assert all(lockfile._SYSTEM.fullmatch(name) for name in names)


def test_a_channel_that_there_is_not_is_refused_before_any_host():
    with pytest.raises(InventoryError, match="docker_engine_channel must be one of: stable, test, distro"):
        desired.checked("web1", {"docker_engine_channel": "edge"})


def test_containers_that_nothing_could_stop_keep_the_former_engine(host):
    (Path(host.path("/proc/77"))).mkdir(parents=True)
    shim = ("containerd-shim-runc-v2", "-namespace", "moby", "-id", "0123456789abcdef")
    Path(host.path("/proc/77/cmdline")).write_text("\0".join(shim) + "\0")
    dockers(host)
    host.active = False
    assert main.respond(host, asked("plan"))["error"]["kind"] == "containers-without-engine"


def test_containers_stop_only_once_the_new_engine_is_downloaded(host, engine, monkeypatch):
    dockers(host)
    said = []
    monkeypatch.setattr(
        "provision.host.engine.kept.clear", lambda machine, watch: said.append("containers stop")
    )
    run = host.run

    def noted(argv, *words, **named):
        said.extend(
            word for word in ("--downloadonly", "remove") if word in argv and "--assumeno" not in argv
        )
        return run(argv, *words, **named)

    host.run = noted
    assert main.answer(host, asked("apply"))["error"] is None
    assert said == ["--downloadonly", "containers stop", "remove"]
