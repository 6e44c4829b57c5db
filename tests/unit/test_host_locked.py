"""The lock file on the host: which packages it asks for, what it refuses, and what a plan puts into it."""

import json

import pytest

from provision.host import packages
from provision.host.ground.channels import DOCKER
from provision.host.ground.errors import HostError
from provision.host.ground.facts import Facts
from provision.host.ground.machine import Machine, Ran
from provision.host.packages import checksums, locked
from tests.unit.test_host_packages import Installed, Rpm, Solver, only, row, wanted

FACTS = Facts({"ID": "centos", "VERSION_ID": "9"}, "x86_64", "CentOS Stream 9 (x86_64)")
EVR = "3:28.5.2-1.el10.x86_64"
SUM = "5" * 64
LOCK = dict.fromkeys(DOCKER.packages, (EVR, SUM)) | {"libcgroup": ("0:3.1-1.el9.x86_64", "7" * 64)}
ROWS = [[f"{name}-{version}", text] for name, (version, text) in LOCK.items()]


def desired(rows=ROWS, system="centos/9 x86_64", **other):
    return wanted() | {"lock": {"systems": {system: rows}}} | other


@pytest.fixture
def served(monkeypatch):
    """What the repositories have, by name and version; a test changes it."""
    found = {(name, version): text for name, (version, text) in LOCK.items()}
    monkeypatch.setattr(checksums, "of", lambda solver, names: {
        pair: text for pair, text in found.items() if pair[0] in names})  # fmt: skip
    return found


def asked(installed, *found, rows=()):
    """Return what dnf is asked to install by the lock."""
    solver = Solver(*rows)
    steps = packages.plan(Rpm(*found), solver, installed, wanted(), (), LOCK)
    return steps, next((specs for verb, specs in solver.told if verb == "resolve install"), [])


def test_the_lock_of_this_system_and_architecture_counts():
    assert locked.honoured(FACTS, desired(), DOCKER) == LOCK
    assert locked.honoured(FACTS, desired(containerd_version="28.5"), DOCKER) == LOCK
    assert locked.honoured(FACTS, wanted(), DOCKER) == {}
    assert locked.honoured(FACTS, wanted() | {"lock": {"make": True}}, DOCKER) == {}


@pytest.mark.parametrize(
    ("given", "evidence"),
    [(desired(system="centos/9 aarch64"), "centos/9 aarch64"), (desired(ROWS[1:]), "docker-ce"),
     (desired([*ROWS, ["--installroot=/x", SUM]]), "--installroot=/x"),
     (desired(version="29"), "locked 28.5.2, wanted 29"),
     (desired(containerd_version="2.1"), "locked 28.5.2, wanted 2.1")],
)  # fmt: skip
def test_a_lock_that_does_not_fit_is_refused(given, evidence):
    with pytest.raises(HostError) as caught:
        locked.honoured(FACTS, given, DOCKER)
    assert (caught.value.kind, caught.value.refused) == ("lock-incomplete", True)
    assert evidence in caught.value.evidence
    assert "`fab plan --lock`" in caught.value.hint


def test_what_is_as_locked_asks_nobody(monkeypatch):
    monkeypatch.setattr(checksums, "of", lambda *_: pytest.fail("the repository is asked"))
    assert asked(Installed()) == ([], [])


def test_a_bare_host_gets_the_locked_packages_and_no_other(served):
    rows = [row("install", name, "3:28.5.2-1.el10") for name in DOCKER.packages]
    rows += [row("install", "libcgroup", "3.1-1.el9")]
    ((step,), specs) = asked(only(), rows=rows)
    assert sorted(specs) == sorted(f"{name}-{version}" for name, (version, _) in LOCK.items())
    step.apply()
    assert "libcgroup-3.1-1.el9.x86_64" in step.solver.told[-1][1]
    with pytest.raises(HostError) as caught:
        asked(only(), rows=[*rows, row("install", "iptables", "1.8-1")])
    assert (caught.value.kind, caught.value.evidence) == ("lock-incomplete", "iptables")


def test_a_dependency_that_is_there_stays_at_its_version(served):
    _, specs = asked(only(), ("libcgroup", "0:2.0-1.el9.x86_64"))
    assert not [spec for spec in specs if spec.startswith("libcgroup")]


def test_an_engine_of_another_version_moves_to_the_locked_one(served):
    newer = Installed(**{"docker-ce": "3:29.0.0-1.el10.x86_64"})
    ((step,), specs) = asked(newer, rows=[row("downgrade", "docker-ce", "3:28.5.2-1.el10")])
    assert f"docker-ce-{EVR}" in specs
    assert [line["after"] for line in step.lines()] == ["28.5.2"]


@pytest.mark.parametrize(
    "there", [{("docker-ce", "3:29.0.0-1.el10.x86_64"): "9" * 64}, {("docker-ce", EVR): "9" * 64}]
)
def test_what_the_repositories_lack_is_refused_with_both_lists(served, there):
    del served["docker-ce", EVR]
    served.update(there)
    with pytest.raises(HostError) as caught:
        asked(only())
    ((name, version),) = there
    assert (caught.value.kind, caught.value.refused) == ("lock-not-served", True)
    assert caught.value.evidence == (
        f"locked: docker-ce-{EVR} (sha256 {'5' * 12}); "
        f"in the repositories: {name}-{version} (sha256 {'9' * 12})"
    )


def test_a_plan_finds_what_will_be_there_with_its_checksums(served):
    served["libcgroup", "0:9-1.el9.i686"] = "1" * 64
    rows = [row("upgrade", "docker-ce", "3:29.0.0-1.el10"), row("install", "kernel-modules-extra", "6.12-1")]
    rows += [row("remove", "runc", "1-1")]
    served["docker-ce", "3:29.0.0-1.el10.x86_64"] = "8" * 64
    there = [(name, EVR) for name in DOCKER.packages] + [
        ("libcgroup", "0:2.0-1.el9.x86_64"),
        ("bash", "0:5-1.x86_64"),
    ]
    machine = Rpm(*there)
    found = locked.entry(machine, Solver(), FACTS, rows, DOCKER, ["libcgroup", "gone"])
    assert found["system"] == "centos/9 x86_64"
    assert ["docker-ce-3:29.0.0-1.el10.x86_64", "8" * 64] in found["packages"]
    # The repository no longer has the installed one.
    assert ["libcgroup-0:3.1-1.el9.x86_64", "7" * 64] in found["packages"]
    assert len(found["packages"]) == len(DOCKER.packages) + 1


def test_an_installed_engine_that_no_repository_has_cannot_be_locked(served):
    del served["docker-ce", EVR]
    machine = Rpm(*[(name, EVR) for name in DOCKER.packages])
    with pytest.raises(HostError) as caught:
        locked.entry(machine, Solver(), FACTS, [], DOCKER, [])
    assert (caught.value.kind, caught.value.evidence) == ("lock-not-served", f"docker-ce-{EVR}")


class Asked:
    """A package manager whose program has this first line, and whose interpreter answers ``ran``."""

    program = "dnf"

    def __init__(self, tmp_path, first, ran):
        self.machine = Machine(str(tmp_path))
        self.machine.run = lambda argv, timeout_s=60, stdin=None: self.calls.append((argv, stdin)) or ran
        self.calls = []
        (tmp_path / "usr/bin").mkdir(parents=True)
        (tmp_path / "usr/bin/dnf").write_bytes(first + b"\n")

    def options(self):
        return ["--setopt=reposdir=/w/reposdir", "--setopt=retries=1"]

    def place(self):
        return "/w"


def test_checksums_come_from_the_interpreter_of_the_package_manager(tmp_path):
    rows = [["docker-ce", EVR, ["sha256", SUM]], ["docker-ce", "3:1-1.x86_64", ["sha1", "aa"]]]
    solver = Asked(
        tmp_path, b"#!/usr/libexec/platform-python -s", Ran(0, "words\n" + json.dumps(rows) + "\n", "")
    )
    assert checksums.of(solver, ["docker-ce"]) == {("docker-ce", EVR): SUM}
    ((argv, stdin),) = solver.calls
    assert argv[:2] == ["/usr/libexec/platform-python", "-c"]
    settings = [["reposdir", "/w/reposdir"], ["retries", "1"], ["persistdir", "/w/persist"]]
    assert json.loads(stdin) == [settings, ["docker-ce"]]


@pytest.mark.parametrize(
    ("first", "ran", "kind"),
    [(b"\x7fELF\x00", Ran(0, "[]", ""), "no-checksums"),
     (b"#!/usr/bin/python3", Ran(1, "", "Error: Failed to download metadata for repo 'x'"),
      "repository-unreachable")],
)  # fmt: skip
def test_a_manager_that_cannot_tell_checksums_says_why(tmp_path, first, ran, kind):
    with pytest.raises(HostError) as caught:
        checksums.of(Asked(tmp_path, first, ran), ["docker-ce"])
    assert caught.value.kind == kind


def test_the_program_is_for_both_pythons():
    compile(checksums.PROGRAM, "program", "exec")
