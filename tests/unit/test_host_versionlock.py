"""Entries of versionlock: exact, beside those of others, passed by our own runs, and taken away again."""

import pytest

from provision.host import main
from provision.host.ground.machine import Machine
from provision.host.packages import versionlock
from tests.unit.test_host_main import PACKAGES, engine, host, known_key, names, request, root

__all__ = ("engine", "host", "known_key", "root")

LIST = {"dnf": "/etc/dnf/plugins/versionlock.list", "yum": "/etc/yum/pluginconf.d/versionlock.list"}
HELD = {"docker-ce": "3:28.5.2-1.el10.x86_64", "containerd.io": "0:2.1.9-1.el10.x86_64"}
# As `dnf versionlock add` and `yum versionlock add` write them (dnf-plugins-core 4, yum-utils 1.1.31).
ENTRIES = {
    "dnf": ["containerd.io-0:2.1.9-1.el10.*", "docker-ce-3:28.5.2-1.el10.*"],
    "yum": ["0:containerd.io-2.1.9-1.el10.*", "3:docker-ce-28.5.2-1.el10.*"],
}
THEIRS = b"# Added lock on Mon Nov 30\nbash-0:5.2-1.el10.*\n\xff no line end"


def plant(root, program, content=None, conf="[main]\nenabled = 1\n"):
    """Put the plugin's settings, and its list, on the host."""
    place = root / LIST[program].lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.with_suffix(".conf").write_text(conf)
    if content is not None:
        place.write_bytes(content)
    return place


def apply(machine, program, held):
    for step in versionlock.plan(machine, program, held):
        step.apply()


@pytest.mark.parametrize("program", ["dnf", "yum"])
def test_held_packages_get_exact_entries_and_lose_them(tmp_path, program):
    machine, place = Machine(str(tmp_path)), plant(tmp_path, program, b"# a comment\n")
    apply(machine, program, HELD)
    lines = place.read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ENTRIES[program]
    assert versionlock.plan(machine, program, HELD) == []
    (step,) = versionlock.plan(machine, program, HELD | {"docker-ce": "3:29.0.0-1.el10.x86_64"})
    assert b"29.0.0" in step.content
    assert b"28.5.2" not in step.content
    apply(machine, program, {})
    assert place.read_bytes() == b"# a comment\n"
    assert versionlock.plan(machine, program, {}) == []


def test_the_entries_of_others_stay_byte_for_byte(tmp_path):
    machine, place = Machine(str(tmp_path)), plant(tmp_path, "dnf", THEIRS)
    apply(machine, "dnf", HELD)
    assert place.read_bytes().startswith(THEIRS + b"\n# Held by provision")
    place.write_bytes(place.read_bytes() + b"vim-2:9-1.*\n")
    apply(machine, "dnf", {})
    assert place.read_bytes() == THEIRS + b"\nvim-2:9-1.*\n"


def test_an_undo_restores_our_entries_and_keeps_what_others_have_now(tmp_path):
    machine, place = Machine(str(tmp_path)), plant(tmp_path, "dnf", b"")
    apply(machine, "dnf", HELD)
    before = place.read_bytes()
    apply(machine, "dnf", {})
    place.write_bytes(b"bash-0:5.2-1.el10.*\n")
    (step,) = versionlock.plan_back(machine, LIST["dnf"], before)
    step.apply()
    assert place.read_bytes() == b"bash-0:5.2-1.el10.*\n" + before
    (step,) = versionlock.plan_back(machine, LIST["dnf"], b"old-1:1-1.*\n")
    step.apply()
    assert place.read_bytes() == b"bash-0:5.2-1.el10.*\n"


@pytest.mark.parametrize("conf", ["[main]\nenabled = 0\n", "[main]\n", "", "[other]\nenabled=1\n"])
def test_a_plugin_that_is_off_or_missing_is_left_alone(tmp_path, conf):
    machine, place = Machine(str(tmp_path)), plant(tmp_path, "dnf", conf=conf)
    assert versionlock.plan(machine, "dnf", HELD) == []
    place.with_suffix(".conf").unlink()
    assert versionlock.plan(machine, "dnf", HELD) == []
    assert versionlock.options(machine, "dnf", str(tmp_path)) == []


def test_the_list_may_be_elsewhere(tmp_path):
    plant(tmp_path, "dnf", conf="[main]\nenabled=yes\nlocklist = /etc/locks\n")
    apply(Machine(str(tmp_path)), "dnf", HELD)
    assert (tmp_path / "etc/locks").read_text().splitlines()[1:-1] == ENTRIES["dnf"]


def test_dnf_reads_a_copy_in_which_only_our_entries_are_missing(tmp_path):
    machine, place = Machine(str(tmp_path)), plant(tmp_path, "dnf", b"bash-0:5.2-1.el10.*\n")
    place.with_name("copr.conf").write_text("[main]\nenabled=0\n")
    place.with_name("a.d").mkdir()
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    assert versionlock.options(machine, "dnf", str(workspace)) == []
    apply(machine, "dnf", HELD)
    wanted = [f"--setopt=pluginconfpath={workspace}/pluginconf"]
    assert versionlock.options(machine, "dnf", str(workspace)) == wanted
    assert versionlock.options(machine, "dnf", str(workspace)) == wanted
    copy = workspace / "pluginconf"
    assert (copy / "copr.conf").read_text() == "[main]\nenabled=0\n"
    assert f"locklist = {copy}/theirs.list\n" in (copy / "versionlock.conf").read_text()
    assert (copy / "theirs.list").read_bytes() == b"bash-0:5.2-1.el10.*\n"


def test_yum_runs_without_the_plugin_so_a_list_of_others_is_left_alone(tmp_path):
    machine, place = Machine(str(tmp_path)), plant(tmp_path, "yum", b"")
    apply(machine, "yum", HELD)
    assert versionlock.options(machine, "yum", "") == ["--disableplugin=versionlock"]
    place.write_bytes(place.read_bytes() + b"0:bash-5.2-1.*\n")
    apply(machine, "yum", HELD)
    assert place.read_bytes() == b"0:bash-5.2-1.*\n"
    assert versionlock.options(machine, "yum", "") == []


def test_a_run_holds_upgrades_lets_go_and_undoes_it(host, root, engine):
    place = plant(root, "dnf", b"bash-0:5.2-1.el10.*\n")
    planned = main.respond(host, request("plan", hold=True))
    held = main.answer(host, request("apply", hold=True))
    assert (held["error"], held["changes"]) == (None, planned["changes"])
    assert "file " + LIST["dnf"] in names(held)
    assert [f"{name}-3:28.5.2-1.el10.*" in place.read_text() for name in PACKAGES.split()] == [True] * 5
    assert main.answer(host, request("apply", "r2", hold=True))["changes"] == []
    host.calls.clear()
    host.transaction = host.transaction.replace("28.5.2", "29.0.0").replace("Installing", "Upgrading")
    moved = main.answer(host, request("apply", "r3", hold=True, upgrade=True))
    assert moved["error"] is None
    assert place.read_text().count("3:29.0.0-1.el10.*") == 5
    dnf = [call for call in host.calls if call.startswith("dnf --setopt")]
    assert dnf
    assert [call for call in dnf if "--setopt=pluginconfpath=" not in call] == []
    let_go = main.answer(host, request("apply", "r4"))
    assert "file " + LIST["dnf"] in names(let_go)
    assert place.read_bytes() == b"bash-0:5.2-1.el10.*\n"
    place.write_bytes(b"vim-2:9-1.*\n")
    back = main.answer(host, request("apply", "r5") | {"verb": "undo"})
    assert back["error"] is None
    assert place.read_text().startswith("vim-2:9-1.*\n# Held by provision")
    gone = main.answer(host, request("apply", "r6", state="absent"))
    assert gone["error"] is None
    assert place.read_bytes() == b"vim-2:9-1.*\n"
