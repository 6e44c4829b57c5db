"""What counts as satisfied, and how a package is shown and taken back."""

from contextlib import nullcontext

import pytest

from provision.host import packages, rpmdb, transaction
from provision.host.dnf import Row
from provision.host.errors import HostError
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
    assert rpmdb.short(evr) == version


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
    """A dnf that only notes what it is told, and resolves to ``rows``."""

    def __init__(self, *rows):
        self.rows = list(rows)
        self.told = []
        self.broke_off = False

    def resolve(self, verb, specs, options=()):
        self.told.append(("resolve " + verb, specs))
        return self.rows

    def perform(self, verb, specs, options=()):
        self.told.append((verb, specs))


class Rpm(Machine):
    """A host with these packages; one may be there in two versions."""

    def __init__(self, *found):
        Machine.__init__(self, "/nowhere")
        self.found = found
        self.erased = []

    def run(self, argv, timeout_s=60, outlives=False):
        if "-e" in argv:
            self.erased.append(argv[-1])
        return Ran(0, "".join(f"{name} {version}\n" for name, version in self.found), "")


def row(action, name, evr="3:29.0.0-1"):
    return Row(action, name, "x86_64", evr)


def planned(*rows, found=()):
    solver = Solver(*rows)
    (step,) = packages.plan(Rpm(*found), solver, Installed(), wanted(upgrade=True))
    solver.told.clear()
    return step


def test_ours_are_installed_by_exact_version_and_the_rest_is_left_to_dnf():
    step = planned(row("install", "libcgroup"), row("install", "docker-ce"))
    step.apply()
    assert step.solver.told == [("install", ["docker-ce-3:29.0.0-1.x86_64"])]


OLD = ("docker-ce", "3:26-1.x86_64")
NEW = ("docker-ce", "3:28-1.x86_64")
RUNC = ("runc", "1:1.1-1.x86_64")
CONTAINERD = ("containerd.io", "0:2-1.x86_64")
BASH = ("bash", "0:5-1.x86_64")


def test_undo_removes_what_came_and_brings_back_what_went_and_nothing_else():
    step = planned(
        row("upgrade", "docker-ce"), row("remove", "runc"), row("install", "containerd.io"), found=(OLD, RUNC)
    )
    step.records()
    step.machine.found = (NEW, CONTAINERD, BASH)
    step.undo()
    assert step.solver.told == [
        ("install", ["docker-ce-3:26-1.x86_64", "runc-1:1.1-1.x86_64"]),
        ("remove", ["containerd.io"]),
    ]


def test_undo_does_nothing_when_nothing_came():
    step = planned(row("upgrade", "docker-ce"), found=(OLD,))
    step.records()
    step.undo()
    assert step.solver.told == []


@pytest.mark.parametrize(
    ("before", "after", "restarts"),
    [("26", "26", 0), ("26", None, 1), ("26", "28", 1), (None, None, 0), (None, "28", 0)],
)
def test_what_ran_before_runs_again_when_packages_are_undone(monkeypatch, before, after, restarts):
    versions, restarted = [before, after], []
    monkeypatch.setattr(transaction.engine, "version", lambda machine: versions.pop(0))
    monkeypatch.setattr(transaction.health, "bring_up", lambda machine, verb: restarted.append(verb))
    step = planned(row("upgrade", "docker-ce"), found=(OLD,))
    step.records()
    step.undo()
    step.settle()
    assert restarted == ["restart"] * restarts


def test_the_undo_of_a_transaction_that_was_killed_drops_the_new_half_and_makes_the_old_whole():
    step = planned(row("upgrade", "docker-ce"), row("install", "containerd.io"), found=(OLD,))
    step.records()
    step.machine.found = (OLD, NEW)
    step.solver.broke_off = True
    step.undo()
    assert step.machine.erased == ["docker-ce-28-1.x86_64"]
    assert step.solver.told == [("reinstall", ["docker-ce-3:26-1.x86_64"])]


def test_half_files_of_a_transaction_that_was_killed_go_with_its_undo(tmp_path):
    (tmp_path / "usr/bin").mkdir(parents=True)
    step = planned(row("install", "docker-ce"))
    step.machine.root = str(tmp_path)
    step.records()
    for name in ("dockerd;6b05a2b8", "theirs;x", "dockerd"):
        (tmp_path / "usr/bin" / name).touch()
    step.undo()
    assert len(list((tmp_path / "usr/bin").iterdir())) == 3
    step.solver.broke_off = True
    step.undo()
    assert sorted(path.name for path in (tmp_path / "usr/bin").iterdir()) == ["dockerd", "theirs;x"]


def test_a_transaction_that_was_killed_is_finished_with_the_new_version_alone():
    machine, solver = Rpm(OLD, NEW, CONTAINERD), Solver()
    before = {"docker-ce": [OLD[1]], "containerd.io": [], "docker-ce-cli": []}
    transaction.finish(machine, solver, before, True)
    assert machine.erased == ["docker-ce-26-1.x86_64"]
    assert solver.told == [("reinstall", ["containerd.io-0:2-1.x86_64", "docker-ce-3:28-1.x86_64"])]


@pytest.mark.parametrize("whole", [True, False])
def test_what_no_repository_has_any_more_need_not_be_installed_again_if_its_files_are_whole(whole):
    machine, solver = Rpm(NEW), Solver()

    def gone(verb, specs, options=()):
        raise HostError("packages", "not available")

    solver.perform = gone
    machine.run = lambda argv, timeout_s=60: Ran(
        int("-V" in argv and not whole), "docker-ce 3:28-1.x86_64\n", ""
    )
    with nullcontext() if whole else pytest.raises(HostError):
        transaction.finish(machine, solver, {"docker-ce": [OLD[1]]}, True)


def test_the_way_back_is_refused_before_anything_is_changed_when_no_repository_has_the_old_version():
    solver = Solver()

    def missing(verb, specs, options=()):
        raise HostError("version-not-found", "")

    solver.resolve = missing
    with pytest.raises(HostError):
        packages.plan_back(Rpm(NEW), solver, Installed(), {"docker-ce": [OLD[1]]}, False)


def test_our_packages_are_shown_first_and_removals_are_named():
    lines = planned(row("remove", "runc", "1:1.1-1"), row("upgrade", "docker-ce")).lines()
    assert [(line["name"], line["before"], line["after"]) for line in lines] == [
        ("package docker-ce", "28.5.2", "29.0.0"),
        ("package runc", "1.1", "removed"),
    ]


@pytest.mark.parametrize(
    ("name", "restarts"), [("docker-ce", True), ("containerd.io", True), ("libcgroup", False)]
)
def test_only_the_engines_own_packages_restart_it(name, restarts):
    assert packages.restart_engine([planned(row("upgrade", name))]) is restarts


def test_absent_removes_what_we_installed_and_leaves_what_was_there_before():
    solver = Solver(row("remove", "docker-ce"))
    packages.plan_absent(Rpm(NEW, CONTAINERD, BASH), solver, Installed(), ["docker-ce", "libcgroup"])
    assert solver.told == [("resolve remove", ["docker-ce"])]
    assert packages.plan_absent(Rpm(NEW), solver, Installed(), []) == []


def test_a_dependency_that_somebodys_package_needs_by_now_stays():
    solver = Solver(row("remove", "docker-ce"), row("remove", "libcgroup"), row("remove", "theirs"))
    found = (NEW, ("libcgroup", "0:1-1.x86_64"), ("theirs", "0:1-1.x86_64"))
    packages.plan_absent(Rpm(*found), solver, Installed(), ["docker-ce", "libcgroup"])
    assert [specs for _, specs in solver.told] == [["docker-ce", "libcgroup"], ["docker-ce"]]
