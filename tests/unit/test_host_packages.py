"""What counts as satisfied, and how a package is shown and taken back."""

import pytest

from provision.host import packages
from provision.host.dnf import Row
from provision.host.machine import Machine, Ran

EVR = "3:28.5.2-1.el10.x86_64"


class Installed:
    """What rpm would say."""

    def __init__(self, **held):
        self.packages = dict.fromkeys(packages.PACKAGES, EVR) | held
        self.keys = []

    version = packages.Installed.version


def wanted(version="latest", upgrade=False):
    return {"version": version, "upgrade": upgrade}


def test_latest_is_content_with_what_is_installed():
    assert packages.is_satisfied(Installed(**{"docker-ce": "3:20.10.24-3.el8.x86_64"}), wanted())


def test_latest_with_upgrade_asks_the_repository():
    assert not packages.is_satisfied(Installed(), wanted(upgrade=True))


@pytest.mark.parametrize("missing", packages.PACKAGES)
def test_a_missing_package_is_never_satisfied(missing):
    installed = Installed()
    del installed.packages[missing]
    assert not packages.is_satisfied(installed, wanted())


@pytest.mark.parametrize(("version", "satisfied"), [("28.5.2", True), ("26.1.5", False), ("28.5", False)])
def test_a_version_is_compared_with_engine_and_client(version, satisfied):
    assert packages.is_satisfied(Installed(), wanted(version)) is satisfied
    mixed = Installed(**{"docker-ce-cli": "1:26.1.5-1.el10.x86_64"})
    assert not packages.is_satisfied(mixed, wanted(version))


@pytest.mark.parametrize(
    ("evr", "version"),
    [(EVR, "28.5.2"), ("2.1.9-1.el10", "2.1.9"), ("0:a1aef1b5-6b0501bb.(none)", "a1aef1b5"), ("", "")],
)
def test_the_version_is_what_a_person_says(evr, version):
    assert packages.short(evr) == version


def test_rpm_is_asked_once_for_packages_and_keys(tmp_path):
    calls = []
    machine = Machine(str(tmp_path))
    # Recorded on a stand-in host, rpm 4.20.
    said = "docker-ce 3:28.5.2-1.el10.x86_64\npackage containerd.io is not installed\n" \
        "gpg-pubkey 0:a1aef1b5-6b0501bb.(none)\n"  # fmt: skip
    machine.run = lambda argv: calls.append(argv) or Ran(1, said, "")
    installed = packages.Installed(machine)
    assert installed.packages == {"docker-ce": EVR}
    assert installed.keys == ["a1aef1b5"]
    assert len(calls) == 1


class Solver:
    """A dnf that only notes what it is told."""

    def __init__(self):
        self.told = []

    def perform(self, verb, specs, options=()):
        self.told.append((verb, specs))


def transaction(rows, before, after):
    """Give a Transaction on a host that has ``before``, and ``after`` once it is applied."""
    machine = Machine("/nowhere")
    answers = [before, after]
    machine.run = lambda argv: Ran(0, "".join(f"{name} {evr}\n" for name, evr in answers.pop(0).items()), "")
    return packages.Transaction(machine, Solver(), "install", rows, Installed())


def test_ours_are_installed_by_exact_version_and_the_rest_is_left_to_dnf():
    rows = [Row("install", "libcgroup", "x86_64", "0.41-19"), Row("install", "docker-ce", "x86_64", "3:1-1")]
    step = transaction(rows, {}, {})
    step.apply()
    assert step.solver.told == [("install", ["docker-ce-3:1-1.x86_64"])]


def test_undo_removes_what_came_and_brings_back_what_went():
    before = {"docker-ce": "3:26-1.x86_64", "runc": "1:1.1-1.x86_64", "bash": "0:5-1.x86_64"}
    after = {"docker-ce": "3:28-1.x86_64", "containerd.io": "0:2-1.x86_64", "bash": "0:5-1.x86_64"}
    step = transaction([], before, after)
    step.apply()
    step.solver.told.clear()
    step.undo()
    assert step.solver.told == [
        ("install", ["docker-ce-3:26-1.x86_64", "runc-1:1.1-1.x86_64"]),
        ("remove", ["containerd.io"]),
    ]


def test_undo_does_nothing_when_nothing_came():
    same = {"bash": "0:5-1.x86_64"}
    step = transaction([], same, same)
    step.apply()
    step.solver.told.clear()
    step.undo()
    assert step.solver.told == []


def test_our_packages_are_shown_first_and_removals_are_named():
    rows = [Row("remove", "runc", "x86_64", "1:1.1-1"), Row("upgrade", "docker-ce", "x86_64", "3:29.0.0-1")]
    lines = transaction(rows, {}, {}).lines()
    assert [(line["name"], line["before"], line["after"]) for line in lines] == [
        ("package docker-ce", "28.5.2", "29.0.0"),
        ("package runc", "1.1", "removed"),
    ]


@pytest.mark.parametrize(
    ("name", "restarts"), [("docker-ce", True), ("containerd.io", True), ("libcgroup", False)]
)
def test_only_the_engines_own_packages_restart_it(name, restarts):
    step = transaction([Row("upgrade", name, "x86_64", "9-1")], {}, {})
    assert step.restarts_engine() is restarts
