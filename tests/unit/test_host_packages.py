"""What counts as satisfied, and how a package is shown and taken back."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from provision.host import packages
from provision.host.ground import rpmdb
from provision.host.ground.change import Change
from provision.host.ground.channels import DOCKER
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine, Ran
from provision.host.packages import transaction
from provision.host.packages.solver import Row
from provision.host.runs.journal import Journal
from tests.unit.played_engine import played_engine

EVR = "3:28.5.2-1.el10.x86_64"


class Installed:
    """What rpm would say."""

    def __init__(self, **held):
        self.packages = dict.fromkeys(DOCKER.packages, EVR) | held
        self.keys = []
        self.channel = DOCKER
        self.stale = self.brought = ()

    version = packages.Installed.version


def wanted(version="latest", upgrade=False, may_remove=("runc",)):
    return {"version": version, "upgrade": upgrade, "may_remove": list(may_remove)}


def test_latest_is_content_with_what_is_installed():
    assert packages.is_satisfied(Installed(**{"docker-ce": "3:20.10.24-3.el8.x86_64"}), wanted())


def test_latest_with_upgrade_asks_the_repository():
    assert not packages.is_satisfied(Installed(), wanted(upgrade=True))


@pytest.mark.parametrize("missing", DOCKER.packages)
def test_a_missing_package_is_never_satisfied(missing):
    installed = Installed()
    del installed.packages[missing]
    assert not packages.is_satisfied(installed, wanted())


@pytest.mark.parametrize(
    ("version", "satisfied"),
    [("28.5.2", True), ("26.1.5", False), ("28.5", True), ("28", True), ("28.50", False), ("2", False)],
)
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
        self.lost = ()

    def resolve(self, verb, specs, options=()):
        self.told.append(("resolve " + verb, specs))
        self.options = options
        return self.rows

    def hold(self, verb, specs, options=()):
        return self.resolve(verb, specs, options)

    def brings(self, row):
        return row.name not in self.lost

    def perform(self, verb, specs, options=()):
        self.told.append((verb, specs))

    release = perform


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


def only(*names):
    """What rpm says where these of ours are installed."""
    installed = Installed()
    installed.packages = dict.fromkeys(names, EVR)
    return installed


def test_a_missing_plugin_is_asked_for_alone_and_not_at_its_best():
    solver = Solver(row("install", "docker-compose-plugin", "0:2.40.3-1.el10"))
    installed = only(*[name for name in DOCKER.packages if name != "docker-compose-plugin"])
    (step,) = packages.plan(Rpm(), solver, installed, wanted())
    assert solver.told == [("resolve install", ["docker-compose-plugin"])]
    assert solver.options == ["--setopt=best=False"]
    assert [line["name"] for line in step.lines()] == ["package docker-compose-plugin"]


def test_a_missing_client_comes_in_the_version_of_the_engine():
    solver = Solver()
    packages.plan(Rpm(), solver, only("docker-ce", *DOCKER.packages[2:]), wanted())
    assert solver.told == [("resolve install", ["docker-ce-cli-28.5.2"])]


@pytest.mark.parametrize(
    ("action", "name"),
    [("upgrade", "docker-ce"), ("downgrade", "docker-ce"), ("remove", "docker-ce"),
     ("upgrade", "container-selinux"), ("downgrade", "container-selinux")],
)  # fmt: skip
def test_a_plugin_that_would_move_the_engine_is_refused_with_the_variable(action, name):
    solver = Solver(row("install", "docker-compose-plugin"), row(action, name))
    installed = only(*[each for each in DOCKER.packages if each != "docker-compose-plugin"])
    machine = Rpm()
    machine.run = lambda argv, timeout_s=60: Ran(0, "20.10.24", "")
    with pytest.raises(HostError, match="docker-compose-plugin cannot be installed without") as caught:
        packages.plan(machine, solver, installed, wanted())
    assert caught.value.kind == "would-move-packages"
    assert caught.value.evidence == f"{name} 20.10.24 to {'removed' if action == 'remove' else '29.0.0'}"
    assert "docker_engine_upgrade: true" in caught.value.hint


def test_a_bare_host_may_get_the_newer_dependencies_that_the_engine_needs():
    solver = Solver(row("install", "docker-ce"), row("upgrade", "selinux-policy"))
    (step,) = packages.plan(Rpm(), solver, only(), wanted())
    assert solver.options == ["--best"]
    assert [line["name"] for line in step.lines()] == ["package docker-ce", "package selinux-policy"]
    assert step.harms() == []


def test_a_dependency_that_moves_is_a_harm_where_containers_of_others_run(engine):
    runs(engine, *POD)
    solver = Solver(
        row("install", "docker-ce"), row("upgrade", "containerd.io"), row("upgrade", "libseccomp")
    )
    (step,) = packages.plan(engine, solver, only("containerd.io"), wanted(upgrade=True))
    assert step.harms() == [(transaction.MOVES, ["libseccomp"])]


def test_a_bare_host_gets_no_older_dependency_unasked():
    solver = Solver(row("install", "docker-ce"), row("downgrade", "libseccomp"))
    with pytest.raises(HostError) as caught:
        packages.plan(Rpm(), solver, only(), wanted())
    assert caught.value.kind == "would-move-packages"


def test_a_containerd_that_was_there_does_not_move_when_the_engine_comes():
    solver = Solver(row("install", "docker-ce"), row("upgrade", "containerd.io"))
    with pytest.raises(HostError) as caught:
        packages.plan(Rpm(), solver, only("containerd.io"), wanted())
    assert caught.value.kind == "would-move-packages"


def test_an_unasked_removal_names_package_version_and_who_needs_it():
    machine = Rpm()
    machine.run = lambda argv, timeout_s=60: Ran(0, "podman\nbuildah\n", "")
    solver = Solver(row("install", "docker-ce"), row("remove", "runc", "1:1.1.12-1"))
    with pytest.raises(HostError, match="remove packages of this host: runc") as caught:
        packages.plan(machine, solver, only(), wanted(may_remove=()))
    assert caught.value.kind == "would-remove-packages"
    assert caught.value.evidence == "runc 1.1.12 (needed by buildah, podman)"
    assert "docker_engine_may_remove: [runc]" in caught.value.hint


def test_a_controller_that_knows_no_removals_allows_none():
    solver = Solver(row("install", "docker-ce"), row("remove", "runc"))
    with pytest.raises(HostError) as caught:
        packages.plan(Rpm(), solver, only(), {"version": "latest", "upgrade": False})
    assert caught.value.kind == "would-remove-packages"


def test_an_allowed_removal_is_a_named_harm_and_only_then_dnf_may_erase():
    solver = Solver(row("install", "docker-ce"), row("remove", "runc"))
    (step,) = packages.plan(Rpm(), solver, only(), wanted())
    assert step.harms() == [(transaction.GOES, ["runc"])]
    solver.release = lambda verb, specs, options=(): solver.told.append(options)
    step.apply()
    solver.rows = [row("install", "docker-ce")]
    (harmless,) = packages.plan(Rpm(), solver, only(), wanted())
    harmless.apply()
    assert harmless.harms() == []
    assert [told for told in solver.told if not isinstance(told, tuple)] == [["--allowerasing"], []]


def test_what_cannot_be_restored_is_said_beforehand_and_never_claimed():
    solver = Solver(row("install", "docker-ce"), row("remove", "runc", "1:1.1.12-1"))
    solver.lost = ("runc",)
    (step,) = packages.plan(Rpm(RUNC), solver, only(), wanted())
    assert step.lines()[1]["after"] == "removed; no repository has it: this cannot be undone"
    assert step.records() == [{"kind": "packages", "before": {"docker-ce": []}}]
    step.undo()
    step.machine.found = (CONTAINERD,)
    with pytest.raises(HostError, match="no repository has runc") as caught:
        step.undo()
    assert caught.value.kind == "not-undoable"


def test_a_runtime_whose_containers_run_does_not_go_even_if_it_may(tmp_path):
    for place, text in (("proc/77", "/usr/bin/conmon\0-c\0x\0-n\0web\0"), ("proc/78", "/usr/bin/bash\0")):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "cmdline").write_text(text)
    machine = Rpm()
    machine.root = str(tmp_path)
    solver = Solver(row("install", "docker-ce"), row("remove", "runc"))
    with pytest.raises(HostError, match="containers run") as caught:
        packages.plan(machine, solver, only(), wanted())
    assert (caught.value.kind, caught.value.evidence) == ("would-remove-packages", "web (pid 77)")


@pytest.fixture
def engine():
    with played_engine() as engine:
        yield engine


def runs(engine, *words):
    process = Path(engine.path("/proc/77"))
    process.mkdir()
    (process / "cmdline").write_text("\0".join(words) + "\0")


POD = ("/usr/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "pod")
OURS = ("/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", "0123456789abcdef")


@pytest.mark.parametrize("runtime", ["docker-engine", "moby-engine", "docker", "containerd", "runc"])
@pytest.mark.parametrize(
    ("words", "answers", "named"),
    [(("sh",), True, "web"), (OURS, False, "0123456789ab"), (POD, True, "k8s.io/pod, web")],
)
def test_a_foreign_engine_is_not_removed_under_its_containers(engine, runtime, words, answers, named):
    engine.add("web")
    engine.answers = answers
    runs(engine, *words)
    solver = Solver(row("install", "docker-ce"), row("remove", runtime))
    with pytest.raises(HostError, match="containers run by packages that would be removed") as caught:
        packages.plan(engine, solver, only(), wanted(may_remove=[runtime]))
    assert caught.value.evidence == named


def test_containers_of_an_engine_that_stays_do_not_keep_podman(engine):
    engine.add("web")
    solver = Solver(row("install", "docker-compose-plugin"), row("remove", "podman"))
    assert packages.plan(engine, solver, only(*DOCKER.packages[:4]), wanted(may_remove=["podman"]))


@pytest.fixture(params=["usr/bin", "usr/local/bin"])
def static(engine, request):
    """A host with an engine from static binaries: rpm knows no owner."""
    folder = Path(engine.path(request.param))
    folder.mkdir(parents=True)
    (folder / "dockerd").touch(mode=0o755)
    engine.run = lambda argv, timeout_s=60: Ran(int(argv[:2] == ["rpm", "-qf"]), "", "")
    return engine


def test_an_engine_that_no_package_owns_is_not_overwritten(static):
    solver = Solver(row("install", "docker-ce"))
    with pytest.raises(HostError, match="/dockerd belongs to no package") as caught:
        packages.plan(static, solver, only("docker-ce-cli"), wanted())
    assert caught.value.kind == "unowned-engine"
    assert solver.told == []


def test_a_dockerd_of_another_package_is_left_to_dnf(static):
    static.run = lambda argv, timeout_s=60: Ran(0, "moby-engine-24\n", "")
    assert packages.plan(static, Solver(row("install", "docker-ce")), only(), wanted())


def test_a_dockerd_beside_an_installed_engine_is_left_alone(static):
    installed = only(*DOCKER.packages[:4])
    assert packages.plan(static, Solver(row("install", "docker-compose-plugin")), installed, wanted())


class Began(Change):
    """The transaction of an earlier run, as its journal keeps it."""

    def records(self):
        """Return what was there before it."""
        return [{"kind": "packages", "before": {"docker-ce": []}}]


@pytest.mark.parametrize(("event", "refused"), [("begin", False), ("done", True)])
def test_a_dockerd_that_a_transaction_of_ours_left_is_ours(static, event, refused):
    record = Journal(static, "dead")
    record.open({"who": "me"}, [Began()])
    record.note("begin", number=0)
    record.note(event, number=0)
    record.note("undo", number=0)
    with pytest.raises(HostError) if refused else nullcontext():
        packages.plan(static, Solver(row("install", "docker-ce")), only(), wanted())


def test_a_shim_may_go_while_the_containers_of_its_runtime_run(tmp_path):
    (tmp_path / "proc/77").mkdir(parents=True)
    (tmp_path / "proc/77/cmdline").write_text("conmon\0")
    machine = Rpm()
    machine.root = str(tmp_path)
    solver = Solver(row("install", "docker-ce"), row("remove", "podman-docker"))
    assert packages.plan(machine, solver, only(), wanted(may_remove=["podman-docker"]))


@pytest.mark.parametrize("kind", ["package-conflict", "packages"])
def test_what_excludes_ours_is_named_by_a_second_look_that_may_erase(kind):
    solver = Solver(row("install", "docker-ce"), row("remove", "podman-docker"))
    solved = solver.resolve

    def strict(verb, specs, options=()):
        if "--allowerasing" not in options:
            raise HostError(kind, "conflicts")
        return solved(verb, specs, options)

    solver.resolve = strict
    with pytest.raises(HostError) as caught:
        packages.plan(Rpm(), solver, only(), wanted())
    assert caught.value.kind == "would-remove-packages"


MODULES = "kernel-modules-extra-6.12.0-55.el10.x86_64"


def test_only_the_running_kernels_modules_are_asked_for_where_missing():
    solver = Solver(row("install", "kernel-modules-extra", "6.12.0-55.el10"))
    (step,) = packages.plan(Rpm(), solver, Installed(), wanted(), [MODULES])
    step.apply()
    assert solver.told == [("resolve install", [MODULES]), ("install", [MODULES])]


def test_modules_that_no_repository_has_any_more_are_an_error_of_their_own():
    solver = Solver()

    def gone(verb, specs, options=()):
        raise HostError("version-not-found", "", "", "No match for argument: " + MODULES)

    solver.resolve = gone
    with pytest.raises(HostError) as caught:
        packages.plan(Rpm(), solver, only(), wanted(), [MODULES])
    assert caught.value.kind == "kernel-modules-missing"
    assert "docker_engine_allow_reboot: true" in caught.value.hint


@pytest.mark.parametrize(
    ("version", "there", "served", "engine"),
    [
        ("latest", "", ["28.5.2", "29.0.0", "28.5.10"], "29.0.0"),
        ("28", "", ["28.5.2", "29.0.0", "28.5.10"], "28.5.10"),
        ("latest", "28.5.2", ["29.0.0"], "28.5.2"),
        ("29", "28.5.2", ["28.5.2", "29.0.0"], "29.0.0"),
        ("27", "", ["28.5.2"], ""),
    ],
)
def test_the_engine_that_would_run_is_the_installed_or_the_wanted_one(version, there, served, engine):
    solver = Solver()
    solver.versions = lambda names: {"docker-ce": set(served)}
    installed = Installed(**{"docker-ce": f"3:{there}-1.el10.x86_64"}) if there else only()
    if there:
        installed.packages["docker-ce-cli"] = f"1:{there}-1.el10.x86_64"
    assert packages.engine(solver, installed, wanted(version), {}) == engine


def test_the_engine_of_a_lock_is_the_locked_one():
    lock = {"docker-ce": ("3:26.1.5-1.el10.x86_64", "")}
    assert packages.engine(Solver(), Installed(), wanted(), lock) == "26.1.5"


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
    monkeypatch.setattr(transaction.api, "version", lambda machine: versions.pop(0))
    monkeypatch.setattr(transaction.health, "bring_up", lambda machine, verb: restarted.append(verb))
    step = planned(row("upgrade", "docker-ce"), found=(OLD,))
    step.records()
    step.undo()
    step.settle()
    assert restarted == ["restart"] * restarts


def test_undoing_a_killed_transaction_drops_the_new_half_and_mends_the_old():
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


def test_a_killed_transaction_is_finished_with_the_new_version_alone():
    machine, solver = Rpm(OLD, NEW, CONTAINERD), Solver()
    before = {"docker-ce": [OLD[1]], "containerd.io": [], "docker-ce-cli": []}
    transaction.Half(machine, solver, before, True).apply()
    assert machine.erased == ["docker-ce-26-1.x86_64"]
    assert solver.told == [("reinstall", ["containerd.io-0:2-1.x86_64", "docker-ce-3:28-1.x86_64"])]


@pytest.mark.parametrize("whole", [True, False])
def test_a_package_with_whole_files_need_not_be_in_a_repository_any_more(whole):
    machine, solver = Rpm(NEW), Solver()

    def gone(verb, specs, options=()):
        raise HostError("packages", "not available")

    solver.perform = gone
    machine.run = lambda argv, timeout_s=60: Ran(
        int("-V" in argv and not whole), "docker-ce 3:28-1.x86_64\n", ""
    )
    with nullcontext() if whole else pytest.raises(HostError):
        transaction.Half(machine, solver, {"docker-ce": [OLD[1]]}, True).apply()


def test_an_undo_is_refused_at_once_if_no_repository_has_the_old_version():
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
    resolve = solver.resolve

    def resolved(verb, specs, options=()):
        return [each for each in resolve(verb, specs) if "libcgroup" in specs or each.name == "docker-ce"]

    solver.resolve = resolved
    packages.plan_absent(Rpm(*found), solver, Installed(), ["docker-ce", "libcgroup"])
    assert [specs for _, specs in solver.told] == [["docker-ce", "libcgroup"], ["docker-ce"]]


def test_an_uninstall_or_undo_that_would_take_somebodys_package_is_refused():
    solver = Solver(row("remove", "docker-ce"), row("remove", "theirs", "0:1-1"))
    machine = Rpm(NEW)
    for planned in (
        lambda: packages.plan_absent(machine, solver, Installed(), ["docker-ce"]),
        lambda: packages.plan_back(machine, solver, Installed(), {"docker-ce": []}, False),
    ):
        with pytest.raises(HostError, match="need what would be removed: theirs") as caught:
            planned()
        assert caught.value.kind == "would-remove-packages"


def test_a_package_of_others_that_would_go_for_what_comes_back_is_a_harm():
    solver = Solver(row("install", "runc"), row("remove", "docker-ce"), row("remove", "theirs"))
    (step,) = packages.plan_back(Rpm(NEW), solver, Installed(), {"runc": [RUNC[1]], "docker-ce": []}, False)
    assert step.harms() == [(transaction.GOES, ["theirs"])]


@pytest.mark.parametrize("comes_up", [True, False])
def test_an_engine_that_ran_runs_after_a_half_transaction_is_ended(monkeypatch, comes_up):
    started = []
    monkeypatch.setattr(transaction.api, "version", lambda machine: "28.5.2")
    monkeypatch.setattr(transaction.api, "answers", lambda machine: comes_up)
    monkeypatch.setattr(transaction.health, "bring_up", lambda machine, verb: started.append(verb))
    transaction.Half(Rpm(NEW), Solver(), {"docker-ce": [OLD[1]]}, True).apply()
    assert started == ([] if comes_up else ["start"])
