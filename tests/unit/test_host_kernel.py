"""The kernel module that the engine needs: judged by files alone, asked for by package, loaded."""

from types import SimpleNamespace

import pytest

from provision.host.engine import kernel
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine, Ran

RELEASE = "6.12.0-55.9.1.el10_0.x86_64"
STOPPED = SimpleNamespace(active=False)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """An EL 10 host as it comes from its image: modules, and not this one."""
    monkeypatch.setattr(kernel, "release", lambda: RELEASE)
    for name in ("modules.dep", "modules.builtin"):
        put(tmp_path, f"lib/modules/{RELEASE}/{name}", "kernel/net/netfilter/xt_nat.ko.xz:\n")
    put(tmp_path, "proc/modules", "nf_nat 65536 1 xt_nat, Live 0x0\n")
    machine = Machine(str(tmp_path))
    machine.run = lambda argv: pytest.fail("a process")
    return machine


def put(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def lacking(machine, unit=STOPPED, **options):
    return kernel.lacking(machine, {"daemon_options": options}, unit)


def test_the_package_is_named_by_the_running_kernel(machine):
    assert lacking(machine) == [f"kernel-modules-extra-{RELEASE}"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("proc/modules", "xt_addrtype 12288 4 - Live 0x0\n"),
        ("proc/net/ip_tables_matches", "conntrack\naddrtype\n"),
        (f"lib/modules/{RELEASE}/modules.dep", "extra/xt_addrtype.ko.xz: kernel/x_tables.ko.xz\n"),
        (f"lib/modules/{RELEASE}/modules.builtin", "kernel/net/netfilter/xt_addrtype.ko\n"),
        ("etc/docker/daemon.json", '{"firewall-backend": "nftables"}'),
        ("etc/docker/daemon.json", '{"iptables": false}'),
    ],
)
def test_a_host_that_has_the_module_or_needs_none_is_left_alone(machine, tmp_path, path, text):
    put(tmp_path, path, text)
    assert lacking(machine) == []


def test_an_option_of_the_inventory_stands_above_the_file(machine, tmp_path):
    assert lacking(machine, **{"firewall-backend": "nftables"}) == []
    put(tmp_path, "etc/docker/daemon.json", '{"firewall-backend": "nftables"}')
    assert lacking(machine, **{"firewall-backend": "iptables"}) != []


def test_a_running_engine_is_proof_enough(machine):
    assert lacking(machine, SimpleNamespace(active=True)) == []


def test_a_container_whose_kernel_is_somebody_elses_is_left_alone(tmp_path):
    assert lacking(Machine(str(tmp_path))) == []
    (tmp_path / "lib/modules").mkdir(parents=True)
    assert lacking(Machine(str(tmp_path))) == []


def test_modules_of_another_kernel_alone_do_not_help(machine, monkeypatch):
    monkeypatch.setattr(kernel, "release", lambda: "6.12.0-1.el10.x86_64")
    assert lacking(machine) == ["kernel-modules-extra-6.12.0-1.el10.x86_64"]


@pytest.mark.parametrize(("flavor", "name"), [("rt", "kernel-rt"), ("64k", "kernel-64k"), ("", "kernel")])
def test_a_kernel_of_another_flavor_has_packages_of_its_own(flavor, name):
    release = f"{RELEASE}+{flavor}" if flavor else RELEASE
    assert kernel.package(release) == f"{name}-modules-extra-{RELEASE}"


def test_a_module_that_cannot_be_loaded_is_told_with_both_ways_out(machine):
    (step,) = kernel.plan(machine, ["kernel-modules-extra"])
    engine = Ran(0, "docker-ce 3:29.0.1-1.el10.x86_64\n", "")
    lost = Ran(1, "", "modprobe: FATAL: Module xt_addrtype not found\n")
    machine.run = lambda argv: engine if argv[0] == "rpm" else lost
    with pytest.raises(HostError) as caught:
        step.apply()
    assert caught.value.kind == "kernel-modules-missing"
    assert caught.value.evidence == "modprobe: FATAL: Module xt_addrtype not found"
    assert "firewall-backend: nftables" in caught.value.hint


@pytest.mark.parametrize(
    ("engine", "offered"), [("29.0.0", True), ("30.1", True), ("28.5.2", False), ("", False)]
)
def test_nftables_is_offered_for_engines_that_have_it(engine, offered):
    for may_reboot in (False, True):
        hint = kernel.missing("", engine, may_reboot).hint
        words = ("firewall-backend: nftables", "net.ipv4.ip_forward=1")
        assert [word in hint for word in words] == [offered, offered]


def test_the_reboot_is_offered_until_it_is_allowed():
    assert "docker_engine_allow_reboot: true" in kernel.missing("").hint
    assert "docker_engine_allow_reboot" not in kernel.missing("", may_reboot=True).hint


@pytest.mark.parametrize(
    ("name", "version", "runs"),
    [
        ("kernel-core", f"0:{RELEASE}", True),
        ("kernel-core", "0:6.12.0-100.el10.x86_64", False),
        ("kernel-modules-extra", f"0:{RELEASE}", False),
        ("kernel-tools", f"0:{RELEASE}", False),
        ("docker-ce", f"3:{RELEASE}", False),
    ],
)
def test_what_belongs_to_the_running_kernel(monkeypatch, name, version, runs):
    monkeypatch.setattr(kernel, "release", lambda: RELEASE)
    assert kernel.is_running(name, version) is runs


def test_the_module_is_loaded_and_unloaded(machine):
    calls = []
    machine.run = lambda argv: calls.append(argv) or Ran(0, "", "")
    (step,) = kernel.plan(machine, ["kernel-modules-extra"])
    step.apply()
    step.undo()
    assert calls == [["modprobe", "xt_addrtype"], ["modprobe", "-r", "xt_addrtype"]]
    assert kernel.plan(machine, []) == []
