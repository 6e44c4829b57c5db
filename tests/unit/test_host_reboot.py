"""The reboot into a newer kernel, on the host: when it is planned, what it stops, and never a second one."""

import pytest

from provision.host import main
from provision.host.engine import kernel, reboot
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine, Ran
from provision.host.packages import kernels, others, transaction
from provision.host.packages.solver import Row
from tests.unit.test_host_main import engine, host, known_key, names, request, root

__all__ = ("engine", "host", "known_key", "root")

OLD, NEW = "6.12.0-55.el10.x86_64", "6.12.0-100.el10.x86_64"
MISSING = HostError("kernel-modules-missing", "no module")
PARTS = ("kernel", "kernel-core", "kernel-modules", "kernel-modules-extra")
ROWS = [Row("install", name, "x86_64", "6.12.0-100.el10") for name in PARTS]


class Solver:
    """A dnf that resolves to ``rows``."""

    def __init__(self, *rows):
        self.rows = list(rows)
        self.asked = []
        self.error = None

    def resolve(self, verb, specs, options=()):
        self.asked.append((specs, list(options)))
        if self.error:
            raise self.error
        return self.rows

    hold = resolve

    def release(self, verb, specs, options=()):
        self.asked.append(("release", specs, list(options)))


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A host that runs OLD, whose module is not there."""
    monkeypatch.setattr(kernel, "release", lambda: OLD)
    monkeypatch.setattr(kernels, "stopped", lambda machine: [])
    machine = Machine(str(tmp_path))
    has_kernel(tmp_path, OLD, module=False)
    put(tmp_path, "proc/sys/kernel/random/boot_id", "first boot\n")
    machine.calls = []
    machine.run = lambda argv: machine.calls.append(argv) or Ran(0, "", "")
    return machine


def put(root, path, text=""):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def has_kernel(root, release, *, module):
    put(root, f"lib/modules/{release}/modules.dep", "net/xt_addrtype.ko.xz:\n" if module else "")


def boots_next(machine, root, release):
    put(root, "usr/sbin/grubby")
    (root / "usr/sbin/grubby").chmod(0o755)
    machine.run = lambda argv: machine.calls.append(argv) or Ran(0, f"/boot/vmlinuz-{release}\n", "")


def plan(machine, solver, rebooted=None):
    return kernels.plan(machine, solver, None, MISSING, rebooted)


def test_the_newest_kernel_comes_beside_the_running_one_then_the_reboot(machine):
    solver = Solver(*ROWS)
    step, last = plan(machine, solver)
    assert [(line["name"], line["after"], line["sign"]) for line in step.lines()] == [
        (f"package {name}", "6.12.0-100.el10", "+") for name in PARTS
    ]
    (line,) = last.lines()
    assert (line["name"], line["disruptive"], line["sign"]) == (f"reboot into kernel {NEW}", True, "~")
    words = [f"kernel-{NEW}", f"kernel-modules-extra-{NEW}"]
    assert [asked for asked, _ in solver.asked] == [["kernel-modules-extra"], words]
    step.make()
    # Else dnf would remove the oldest kernel, and `latest` could be another one by now.
    assert solver.asked[-1] == ("release", words, ["--best", "--setopt=installonly_limit=0"])


def test_an_uninstall_keeps_the_kernel_and_takes_the_additional_modules(machine):
    step, _ = plan(machine, Solver(*ROWS))
    assert [row.name for row in step.rows if row.action == "install"] == ["kernel-modules-extra"]


@pytest.mark.parametrize("evr", ["6.12.0-55.el10", "6.12.0-54.9.el10"])
def test_a_kernel_that_is_no_newer_is_no_reason_to_reboot(machine, evr):
    with pytest.raises(HostError) as caught:
        plan(machine, Solver(Row("install", "kernel-modules-extra", "x86_64", evr)))
    assert caught.value is MISSING


def test_no_kernel_with_additional_modules_is_the_error_from_before(machine):
    solver = Solver()
    solver.error = HostError("version-not-found", "the repository does not have this version")
    with pytest.raises(HostError) as caught:
        plan(machine, solver)
    assert caught.value is MISSING


def test_a_transaction_that_takes_other_packages_away_is_refused(machine):
    with pytest.raises(HostError) as caught:
        plan(machine, Solver(*ROWS, Row("remove", "kmod-raid", "x86_64", "1-1")))
    assert caught.value.kind == others.MOVES


@pytest.mark.parametrize("has_grubby", [True, False])
def test_an_installed_kernel_that_boots_next_leaves_the_reboot_alone(machine, tmp_path, has_grubby):
    has_kernel(tmp_path, NEW, module=True)
    if has_grubby:
        boots_next(machine, tmp_path, NEW)
    solver = Solver()
    (last,) = plan(machine, solver)
    assert (last.order, solver.asked) == ({"into": NEW, "boot": "first boot", "stops": []}, [])


def test_an_installed_kernel_that_does_not_boot_next_is_not_counted_on(machine, tmp_path):
    has_kernel(tmp_path, NEW, module=True)
    boots_next(machine, tmp_path, OLD)
    _, last = plan(machine, Solver(*ROWS))
    with pytest.raises(HostError) as caught:
        last.apply()
    assert caught.value.kind == "boot-default"
    assert NEW in caught.value.hint
    # The same where all of it is installed.
    with pytest.raises(HostError) as caught:
        plan(machine, Solver())
    assert (caught.value.kind, caught.value.evidence) == ("boot-default", f"wanted {NEW}, next is {OLD}")


def test_after_a_reboot_of_this_run_there_is_no_other(machine):
    with pytest.raises(HostError) as caught:
        plan(machine, Solver(*ROWS), {"into": NEW, "boot": "first boot", "stops": []})
    assert caught.value.kind == "reboot-without-effect"
    assert caught.value.evidence == f"wanted {NEW}, runs {OLD}"


def test_a_kernel_of_another_flavor_gets_the_packages_of_its_own(machine, monkeypatch):
    monkeypatch.setattr(kernel, "release", lambda: OLD + "+rt")
    solver = Solver(Row("install", "kernel-rt-modules-extra", "x86_64", "6.12.0-100.el10"))
    _, last = plan(machine, solver)
    assert last.release == NEW + "+rt"
    assert solver.asked[-1][0] == [f"kernel-rt-{NEW}", f"kernel-rt-modules-extra-{NEW}"]


def test_the_reboot_begins_once_and_stops_only_what_was_agreed_to(machine):
    order = {"into": NEW, "boot": "first boot", "stops": ["db"]}
    with pytest.raises(HostError) as caught:
        reboot.begin(machine, order, ["db", "web"], False)
    assert (caught.value.kind, caught.value.evidence, machine.calls) == ("plan-changed", "web", [])
    reboot.begin(machine, order, ["db"], False)
    reboot.begin(machine, order, ["web"], True)
    assert [call[-2:] for call in machine.calls] == [["systemctl", "reboot"]] * 2
    machine.calls.clear()
    reboot.begin(machine, dict(order, boot="another boot"), [], True)
    assert machine.calls == []


def test_a_request_that_names_no_reboot_is_refused(machine):
    with pytest.raises(HostError) as caught:
        reboot.begin(machine, {}, [], True)
    assert (caught.value.kind, machine.calls) == ("bad-variable", [])


def test_a_reboot_that_systemd_does_not_accept_is_an_error(machine):
    machine.run = lambda argv: Ran(1, "", "Failed to start transient timer unit\n")
    with pytest.raises(HostError) as caught:
        reboot.begin(machine, {"into": NEW, "boot": "first boot", "stops": []}, [], False)
    assert caught.value.kind == "not-rebooted"


def test_an_undo_never_removes_the_running_kernel(monkeypatch):
    monkeypatch.setattr(kernel, "release", lambda: NEW)
    goal = {"kernel-core": ["0:" + OLD], "kernel": [], "kernel-modules-extra": []}
    found = {("kernel-core", "0:" + OLD), *((name, "0:" + NEW) for name in goal)}
    missing, surplus, double, there = transaction.compare(found, goal)
    assert (missing, double, there) == ([], [], [])
    assert surplus == [("kernel-modules-extra", "0:" + NEW)]


def test_half_a_kernel_is_removed_and_the_running_one_is_not_reinstalled(monkeypatch, machine):
    found = {("kernel-core", "0:" + OLD), ("kernel-core", "0:" + NEW)}
    monkeypatch.setattr(transaction.rpmdb, "everything", lambda machine: found)
    half = transaction.Half(machine, None, {"kernel-core": ["0:" + OLD], "kernel-modules-extra": []}, True)
    assert half.goal == {"kernel-core": ["0:" + OLD], "kernel-modules-extra": []}
    assert transaction.compare(found, half.goal) == ([], [], [("kernel-core", "0:" + NEW)], [])


@pytest.fixture
def old_kernel(host, root, monkeypatch):
    """The played host, with a kernel without the module; no repository has its additional modules."""
    monkeypatch.setattr(kernel, "release", lambda: OLD)
    has_kernel(root, OLD, module=False)
    put(root, "proc/sys/kernel/random/boot_id", "first boot\n")
    played = host._dnf
    table = "Installing:\n" + "".join(f" {row.name} x86_64 {row.evr} base 1 M\n" for row in ROWS)

    def dnf(argv):
        if f"kernel-modules-extra-{OLD}" in argv:
            return f"No match for argument: kernel-modules-extra-{OLD}\n"
        if "list" in argv:
            return "docker-ce.x86_64 3:28.5.2-1.el10 docker\n"
        return table if "--assumeno" in argv and "kernel-modules-extra" in " ".join(argv) else played(argv)

    run = host.run
    host._dnf = dnf
    host.run = lambda argv, *how, **named: run(argv, *how, **named)._replace(
        rc=int(argv[0] == "dnf" and f"kernel-modules-extra-{OLD}" in argv)
    )
    return host


def asked(mode, run="r1", **other):
    return request(mode, run, allow_reboot=True) | other


def test_without_the_variable_the_host_is_refused_and_told_of_it(old_kernel):
    for mode in ("plan", "apply"):
        result = main.answer(old_kernel, request(mode))
        assert result["error"]["kind"] == "kernel-modules-missing"
        assert "docker_engine_allow_reboot: true" in result["error"]["hint"]
        assert "nftables" not in result["error"]["hint"]
        assert (result["reboot"], result["changed"]) == (None, False)


def test_a_run_stops_at_the_reboot_and_the_next_request_does_the_rest(old_kernel, engine, root):
    planned = main.respond(old_kernel, asked("plan"))
    assert planned["reboot"] is None
    first = main.answer(old_kernel, asked("apply"))
    assert first["error"] is None
    assert first["reboot"] == {"into": NEW, "boot": "first boot", "stops": []}
    assert names(first)[-1] == f"reboot into kernel {NEW}"
    assert (old_kernel.installed, old_kernel.active) == ({}, False)
    has_kernel(root, OLD, module=True)
    last = main.answer(old_kernel, asked("apply", "r1-2", reboot=first["reboot"]))
    assert (last["error"], last["reboot"]) == (None, None)
    assert first["changes"] + last["changes"] == planned["changes"]
    assert [each["run"] for each in last["earlier"]] == ["r1"]
    assert main.answer(old_kernel, asked("apply", "r2"))["changes"] == []


def test_a_host_is_rebooted_once_in_a_run(old_kernel):
    first = main.answer(old_kernel, asked("apply"))
    again = main.answer(old_kernel, asked("apply", "r1-2", reboot=first["reboot"]))
    assert (again["error"]["kind"], again["reboot"]) == ("reboot-without-effect", None)


def test_containers_of_others_are_asked_about(old_kernel, monkeypatch):
    monkeypatch.setattr(kernels, "stopped", lambda machine: ["db"])
    refused = main.answer(old_kernel, asked("apply"))
    assert refused["error"]["kind"] == "disruption-refused"
    assert [harm["names"] for harm in refused["consent"]["harms"]] == [["db"]]
    agreed = asked("apply", "r2", consent=refused["consent"])
    assert main.answer(old_kernel, agreed)["reboot"]["stops"] == ["db"]


def test_the_request_for_the_reboot_changes_nothing_else(old_kernel):
    first = main.answer(old_kernel, asked("apply"))
    old_kernel.calls.clear()
    result = main.answer(old_kernel, asked("apply", verb="reboot", reboot=first["reboot"]))
    assert (result["error"], result["changes"]) == (None, [])
    assert [call for call in old_kernel.calls if call.startswith("systemd-run")] == [
        "systemd-run --on-active=2 --timer-property=AccuracySec=100ms systemctl reboot"
    ]
