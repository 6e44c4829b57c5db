"""yum's plans and transactions, judged by recordings of a real yum 3.4.3 (recorded-yum.yml)."""

from pathlib import Path

import pytest
import yaml

from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine, Ran
from provision.host.packages.dnf_errors import classify
from provision.host.packages.solver import parse_transaction
from provision.host.packages.yum import Yum

RECORDED = {
    each["name"]: each for each in yaml.safe_load((Path(__file__).parent / "recorded-yum.yml").read_text())
}
CE_24, CE_26 = "docker-ce 3:24.0.9-1.el7.x86_64", "docker-ce 3:26.1.4-1.el7.x86_64"
CLI_24, CLI_26 = "docker-ce-cli 1:24.0.9-1.el7.x86_64", "docker-ce-cli 1:26.1.4-1.el7.x86_64"
IO_28, IO_33 = "containerd.io 0:1.6.28-1.el7.x86_64", "containerd.io 0:1.6.33-1.el7.x86_64"
SET_24 = ["docker-ce-24.0.9", "docker-ce-cli-24.0.9", "containerd.io-1.6.28"]


class Host(Machine):
    """A host whose yum gives these recorded answers, in order, each with the packages that are there then."""

    def __init__(self, root, installed, *answers):
        super().__init__(str(root))
        self.installed = installed
        self.answers = list(answers)
        self.argv = []

    def run(self, argv, timeout_s=60, outlives=False):
        if argv[0] == "rpm":
            return Ran(0, "".join(f"{line}\n" for line in self.installed), "")
        self.argv = argv
        (name, self.installed) = self.answers.pop(0)
        recorded = RECORDED[name]
        # The order of options does not matter, nor what they set; yum never asks where nothing is to be done.
        idle = {"-y", "--assumeno"} if "Nothing to do" in recorded["out"] else set()
        asked, told = (
            {word for word in words if not word.startswith("--setopt=")} - idle
            for words in (argv[2:], recorded["command"].split())
        )
        assert asked == told
        return Ran(recorded["rc"], recorded["out"], recorded["err"])


@pytest.fixture
def root(tmp_path):
    for folder in ("var/tmp", "etc/yum.repos.d"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def rows(found):
    return [(row.action, row.name, row.evr) for row in found]


def yum(root, installed, *answers, patience_s=None):
    return Yum(Host(root, installed, *answers), "x.repo", "", patience_s)


def test_a_plan_is_a_table_although_yum_ends_with_1(root):
    solver = yum(root, [], ("plan", []))
    assert rows(solver.resolve("install", ["docker-ce"])) == [
        ("install", "docker-ce", "3:26.1.4-1.el7"),
        ("install", "containerd.io", "1.6.33-1.el7"),
        ("install", "docker-ce-cli", "1:26.1.4-1.el7"),
    ]
    argv = solver.machine.argv
    # The saved transaction goes with the workspace, and options of dnf are left out.
    assert argv[:3] == ["env", f"TMPDIR={solver.workspace.path}", "yum"]
    assert not [word for word in argv if "best" in word or "weak" in word]


def test_what_dnf_alone_knows_is_left_out(root):
    solver = yum(root, [], ("plan", []))
    solver.resolve("install", ["docker-ce"], ["--best", "--allowerasing", "--noautoremove"])


def test_a_plan_of_exact_versions(root):
    solver = yum(root, [], ("plan-exact", []))
    specs = ["docker-ce-24.0.9", "docker-ce-cli-24.0.9", "containerd.io"]
    assert {(name, evr) for _, name, evr in rows(solver.resolve("install", specs))} == {
        ("docker-ce", "3:24.0.9-1.el7"), ("docker-ce-cli", "1:24.0.9-1.el7"),
        ("containerd.io", "1.6.33-1.el7"),
    }  # fmt: skip


def test_an_older_version_is_planned_as_a_downgrade(root):
    there = [CE_26, CLI_24, IO_28]
    answers = (("older-refused", there), ("downgrade-plan", there))
    solver = yum(root, there, *answers)
    assert rows(solver.resolve("install", ["docker-ce-24.0.9"])) == [
        ("downgrade", "docker-ce", "3:24.0.9-1.el7")
    ]


def test_a_transaction_is_judged_by_rpm(root):
    solver = yum(root, [], ("install", [CE_24, CLI_24, IO_28]), patience_s=0)
    solver.perform("install", SET_24)
    assert solver.broke_off is False
    # Exit code 0 twice, and one of the three is not there.
    solver = yum(root, [], ("install", [CE_24, IO_28]), ("downgrade", [CE_24, IO_28]), patience_s=0)
    with pytest.raises(HostError):
        solver.perform("install", SET_24)


def test_what_install_does_not_take_back_is_downgraded(root):
    there = [CE_26, CLI_24, IO_28]
    solver = yum(root, there, ("nothing-to-do", there), ("downgrade", [CE_24, CLI_24, IO_28]), patience_s=0)
    solver.perform("install", SET_24)
    assert solver.machine.answers == []


def test_a_scriptlet_that_fails_leaves_its_package_out_and_is_an_error(root):
    for name, specs in (("bad-pre", ["bad-pre"]), ("bad-pre-of-two", ["bad-pre", "docker-compose-plugin"])):
        there = ["docker-compose-plugin 0:2.27.1-1.el7.x86_64"]
        solver = yum(root, [], (name, there), patience_s=0)
        with pytest.raises(HostError) as caught:
            solver.perform("install", specs, ["--enablerepo=small"])
        assert "scriptlet failed" in caught.value.evidence


def test_a_failed_post_scriptlet_is_no_failure_of_the_transaction(root):
    solver = yum(root, [], ("bad-post", ["bad-post 0:1.0-1.el7.noarch"]), patience_s=0)
    solver.perform("install", ["bad-post"], ["--enablerepo=small"])


def test_a_removal_is_judged_by_rpm(root):
    solver = yum(root, [CLI_26], ("remove", []), patience_s=0)
    solver.perform("remove", ["docker-buildx-plugin", "docker-ce-cli"], ["--noautoremove"])
    solver = yum(root, [CLI_26], ("remove", [CLI_26]), patience_s=0)
    with pytest.raises(HostError):
        solver.perform("remove", ["docker-buildx-plugin", "docker-ce-cli"])


def test_a_table_of_a_removal_names_the_dependants():
    found = rows(parse_transaction(RECORDED["remove-dependants"]["out"]))
    assert ("remove", "containerd.io", "1.6.33-1.el7") in found
    assert {action for action, _, _ in found} == {"remove"}
    assert len(found) > 1


def test_an_update_is_read():
    found = rows(parse_transaction(RECORDED["update-by-install"]["out"]))
    assert found == [("upgrade", "docker-ce", "3:26.1.4-1.el7")]


@pytest.mark.parametrize(
    ("name", "kind", "evidence"),
    [
        ("strict", "version-not-found", "No package nosuch available."),
        ("none-exists", "version-not-found", "No package nosuch available."),
        ("downgrade-none", "version-not-found", "No package docker-ce-1.2.3 available."),
        ("unsigned", "package-signature", "Package unsigned-1.0-1.el7.noarch.rpm is not signed"),
        ("foreign", "package-signature", "Public key for foreign-1.0-1.el7.noarch.rpm is not installed"),
        ("foreign-again", "package-signature", "already installed but they are not correct for this package"),
        ("tampered", "package-damaged", "Package does not match intended download"),
        ("dead", "repository-unreachable", "Connection refused"),
        ("notfound", "repository-not-found", "HTTP Error 404 - Not Found"),
        ("needs-missing", "packages", "Error: Package: needs-missing-1.0-1.el7.noarch (small)"),
        ("clash", "package-conflict", "Error: hello-clash conflicts with hello-2.0-1.el7.noarch"),
        ("same-file", "packages", "file /usr/share/small/hello from install of same-file"),
    ],
)
def test_each_recorded_failure_gets_its_kind_and_its_line(name, kind, evidence):
    error = classify(RECORDED[name]["out"] + RECORDED[name]["err"])
    assert (error.kind, evidence in error.evidence) == (kind, True), error.evidence
