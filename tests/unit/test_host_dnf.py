"""dnf's words, read: recorded outputs, each with its source.

LEARNDOCKER is from a public README of that title (CentOS 8.2, dnf 4.2, 2020-10-30); columns are
narrowed. WRAPPED is from docker/for-linux issue 189 (Fedora 27). STAND_IN is from a stand-in host
of the lab (dnf 4.23). The error lines name theirs.
"""

import os

import pytest

from provision.host.ground import scratch
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine, Ran
from provision.host.packages.dnf import YES, Dnf
from provision.host.packages.dnf_errors import classify
from provision.host.packages.solver import Row, parse_transaction
from provision.host.runs import rpmlock

LEARNDOCKER = """\
Last metadata expiration check: 0:03:51 ago on Fri 30 Oct 2020 09:37:06 PM EDT.
Dependencies resolved.
=========================================================================================
 Package         Architecture  Version                                    Repository         Size
=========================================================================================
Installing:
 containerd.io   x86_64        1.3.7-3.1.el8                              docker-ce-stable   29 M
     replacing  runc.x86_64 1.0.0-60.rc8.module_el8.1.0+237+63e26edc
 docker-ce       x86_64        3:19.03.13-3.el8                           docker-ce-stable   24 M
 docker-ce-cli   x86_64        1:19.03.13-3.el8                           docker-ce-stable   38 M
Installing dependencies:
 libcgroup       x86_64        0.41-19.el8                                BaseOS             70 k
Removing dependent packages:
 buildah         x86_64        1.9.0-5.module_el8.1.0+237+63e26edc        @AppStream         24 M
 podman          x86_64        1.6.4-10.module_el8.2.0+305+5e198a41       @AppStream         55 M

Transaction Summary
=========================================================================================
Install  4 Packages
Remove   3 Packages

Total download size: 92 M
Is this ok [y/N]: y
"""

WRAPPED = """\
Installing dependencies:
 policycoreutils            x86_64 2.7-1.fc27              fedora         705 k
 policycoreutils-python-utils
                            x86_64 2.7-1.fc27              fedora         223 k
 python3-IPy                noarch 0.81-20.fc27            fedora          42 k

Transaction Summary
"""

STAND_IN = """\
Dependencies resolved.
================================================================================
 Package           Arch       Version                Repository            Size
================================================================================
Downgrading:
 docker-ce         x86_64     3:26.1.5-1.el10        docker-ce-stable      33 M
 docker-ce-cli     x86_64     1:26.1.5-1.el10        docker-ce-stable      10 M

Transaction Summary
================================================================================
Downgrade  2 Packages

Total download size: 43 M
Operation aborted.
"""


def test_a_transaction_that_takes_podman_away_is_read_in_full():
    rows = parse_transaction(LEARNDOCKER)
    assert [(row.action, row.name) for row in rows] == [
        ("install", "containerd.io"), ("remove", "runc"), ("install", "docker-ce"),
        ("install", "docker-ce-cli"), ("install", "libcgroup"), ("remove", "buildah"), ("remove", "podman"),
    ]  # fmt: skip
    assert rows[2] == Row("install", "docker-ce", "x86_64", "3:19.03.13-3.el8")


def test_a_name_too_long_for_its_column_is_joined_with_its_row():
    assert [row.name for row in parse_transaction(WRAPPED)] == [
        "policycoreutils", "policycoreutils-python-utils", "python3-IPy",
    ]  # fmt: skip
    assert parse_transaction(WRAPPED)[1].evr == "2.7-1.fc27"


def test_a_downgrade_is_called_one():
    assert parse_transaction(STAND_IN)[0] == Row("downgrade", "docker-ce", "x86_64", "3:26.1.5-1.el10")


@pytest.mark.parametrize("text", ["", "Nothing to do.\nComplete!\n", "Error: broken\n"])
def test_what_is_no_transaction_gives_no_rows(text):
    assert parse_transaction(text) == []


# kind, then the line in pieces.
RECORDED = [
    # A stand-in host, dnf 4.23.
    ("repository-not-found", "  - Status code: 404 for http://198.18.9.1:8080/nope/linux/centos/10/x86_64/",
     "stable/repodata/repomd.xml (IP: 198.18.9.1)"),
    ("version-not-found", "No match for argument: docker-ce-99.1"),
    ("version-not-found", "Error: No matching Packages to list"),
    ("repository-tls", "  - Curl error (60): SSL peer certificate or SSH remote key was not OK for https://",
     "198.18.50.1:34483/linux/centos/10/x86_64/stable/repodata/repomd.xml [server verification failed: ",
     "certificate signer not trusted. (CAfile: /etc/ssl/certs/ca-certificates.crt CRLfile: none)]"),
    ("repository-broken", "Error: Failed to download metadata for repo 'docker-ce-stable': ",
     "repomd.xml parser error: Element <repomd> was not found - Bad repomd file"),
    ("repository-slow", "  - Curl error (28): Timeout was reached for http://198.18.50.1:39225/linux/centos/10/",
     "x86_64/stable/repodata/repomd.xml ",
     "[Operation too slow. Less than 1000 bytes/sec transferred the last 15 seconds]"),
    ("package-damaged", "[MIRROR] docker-buildx-plugin-0.29.1-1.el10.x86_64.rpm: Downloading ",
     "successful, but checksum doesn't match. Calculated: 8fb9(sha256) Expected: 34e3(sha256)"),
    ("package-lock-held", "RPM: error: can't create transaction lock on /var/lib/rpm/.rpm.lock ",
     "(Resource temporarily unavailable)"),
    # Public notes on a RHEL 8 host without a way out, and on AlmaLinux 8 behind a proxy.
    ("repository-unreachable", "Error: Failed to download metadata for repo 'rhel-8-appstream-rhui-rpms': ",
     "Cannot prepare internal mirrorlist: Curl error (28): Timeout was reached for ",
     "https://rhui.ap-northeast-1.aws.ce.redhat.com/pulp/mirror/content/dist/rhel8/rhui/8/x86_64/",
     "appstream/os ",
     "[Connection timed out after 30000 milliseconds]"),
    ("repository-tls", "  - Curl error (60): Peer certificate cannot be authenticated with given ",
     "CA certificates for https://mirrors.almalinux.org/mirrorlist/8/baseos ",
     "[SSL certificate problem: self signed certificate in certificate chain]"),
    # docker/packaging issue 327, and the README above.
    ("package-conflict", "  - package containerd.io-1.4.3-3.1.el8.x86_64 conflicts with runc provided by ",
     "runc-1.0.0-68.rc92.module_el8.3.0+475+c50ce30b.x86_64"),
    ("package-conflict", "  - package podman-docker-1.6.4-10.module_el8.2.0+305+5e198a41.noarch ",
     "conflicts with docker-ce provided by docker-ce-3:19.03.13-3.el8.x86_64"),
    # wazuh/wazuh issue 21363.
    ("package-conflict", "  - package podman-2:4.2.0-1.module_el8.7.0+1216+b022c01d.x86_64 requires ",
     "runc >= 1.0.0-57, but none of the providers can be installed"),
    # dnf 4 (dnf/lock.py), Debian's 4.14; yum 3.4 (EL 7); dnf5 issue 2435; nmilosev/termux-fedora issue 36.
    ("package-lock-held", "RPMDB already locked by 4711"),
    ("package-lock-held", "Existing lock /var/run/yum.pid: another copy is running as pid 4711."),
    ("package-lock-held", "Transaction failed: Failed to obtain rpm transaction lock. ",
     "Another transaction is in progress."),
    ("package-lock-held", "Failed to obtain the transaction lock (logged in as: root)."),
    # lkrg-org/lkrg issue 342 (CentOS Stream 8, after its end).
    ("repository-ended", "Error: Failed to download metadata for repo 'appstream': ",
     "Cannot prepare internal mirrorlist: No URLs in mirrorlist"),
    # A public README of an Ansible role on EL 8; the same on RHEL 9 in the comments of another.
    ("dependency-missing", "   - nothing provides container-selinux >= 2:2.74 needed by ",
     "docker-ce-3:27.1.1-1.el8.x86_64"),
    # rpm-software-management/ci-dnf-stack, versionlock.feature.
    ("package-excluded", "All matches were filtered out by exclude filtering for argument: wget"),
    # ansible/awx pull request 13803.
    ("package-signature", "Public key for dnf-plugins-core-4.3.0-4.el9.noarch.rpm is not installed. ",
     "Failing package is: dnf-plugins-core-4.3.0-4.el9.noarch"),
    ("package-signature", "Error: GPG check FAILED"),
    # The wording of rpm's lib/rpmprob.c.
    ("disk-full", "  installing package docker-ce-3:28.5.2-1.el9.x86_64 needs 64MB more space ",
     "on the / filesystem"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "line"), [(kind, "".join(pieces)) for kind, *pieces in RECORDED])
def test_each_recorded_failure_gets_its_kind_and_its_line(kind, line):
    error = classify("Docker CE stable   1.2 kB/s\n" + line + "\nError: and so on\n")
    assert error.kind == kind
    assert error.evidence == line.strip().removeprefix("- ")[:300]
    assert error.hint


def test_a_full_disk_is_not_taken_for_a_dead_repository():
    assert classify("Curl error (23): Failed writing received data to disk/application").kind == "disk-full"


def test_an_unknown_failure_shows_the_line_that_says_error():
    error = classify("Dependencies resolved.\nError: something new\nand more\n")
    assert (error.kind, error.evidence) == ("packages", "Error: something new")


RESOLVER = "\n".join([
    "Error: ",
    " Problem: cannot install the best candidate for the job",
    "  - nothing provides something >= 2 needed by docker-ce-3:27.1.1-1.el8.x86_64",
    "(try to add '--skip-broken' to skip uninstallable packages or '--nobest' to use not only best)",
])  # fmt: skip


def test_the_evidence_of_the_resolver_is_its_reason_and_not_the_word_error():
    error = classify(RESOLVER)
    assert error.kind == "packages"
    assert error.evidence == "nothing provides something >= 2 needed by docker-ce-3:27.1.1-1.el8.x86_64"


class Recorded(Machine):
    """A machine on which dnf says what was recorded."""

    def __init__(self, root, ran):
        super().__init__(str(root))
        self.ran = ran
        self.calls = []

    def run(self, argv, timeout_s=60, outlives=False):
        self.calls.append(argv)
        return self.ran


@pytest.fixture
def root(tmp_path):
    for folder in ("var/tmp", "etc/yum.repos.d"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def test_a_plan_sees_the_other_repositories_and_ours_and_leaves_nothing(root):
    (root / "etc/yum.repos.d/baseos.repo").write_text("theirs")
    (root / "etc/yum.repos.d/docker-ce.repo").write_text("an older one")
    machine = Recorded(root, Ran(1, STAND_IN, ""))
    solver = Dnf(machine, "/etc/yum.repos.d/docker-ce.repo", "ours")
    assert len(solver.resolve("install", ["docker-ce"])) == 2
    (folder,) = (root / "var/tmp").iterdir()
    assert {path.name: path.read_text() for path in (folder / "reposdir").iterdir()} == {
        "baseos.repo": "theirs", "docker-ce.repo": "ours",
    }  # fmt: skip
    assert "--assumeno" in machine.calls[0]
    solver.close()
    assert list((root / "var/tmp").iterdir()) == []


def test_a_transaction_that_cannot_be_resolved_is_an_error(root):
    solver = Dnf(Recorded(root, Ran(1, "", "Error: Unable to find a match: docker-ce-99")), "x.repo", "")
    with pytest.raises(HostError, match="does not have this version"):
        solver.resolve("install", ["docker-ce-99"])


def test_only_the_workspace_of_a_killed_run_is_swept(root):
    (root / "run").mkdir()
    living = Dnf(Recorded(root, Ran(0, "", "")), "x.repo", "")
    living.resolve("install", [])
    dead = os.fork()
    if dead == 0:
        Dnf(Recorded(root, Ran(0, "", "")), "x.repo", "").resolve("install", [])
        os._exit(0)
    os.waitpid(dead, 0)
    assert len(list((root / "var/tmp").iterdir())) == 2
    (root / "var/tmp/provision-halfgone").mkdir()  # killed while it removed its own
    scratch.sweep(Machine(str(root)))
    (left,) = (root / "var/tmp").iterdir()
    assert str(left) == living.workspace.path
    living.close()


def test_a_transaction_that_was_killed_is_told_from_one_that_failed(root):
    solver = Dnf(Recorded(root, Ran(1, "", "Error: GPG check FAILED")), "x.repo", "")
    for rc, broke_off in ((1, False), (-9, True)):
        solver.machine.ran = Ran(rc, "", "Error: GPG check FAILED")
        with pytest.raises(HostError):
            solver.perform("install", ["docker-ce"])
        assert solver.broke_off is broke_off


PLANNED = "Dependencies resolved.\nInstalling:\n docker-ce x86_64 1 x 1 M\n"
LOCKED = Ran(200, PLANNED, "RPMDB already locked by 4711\n")
STARTED = Ran(1, "Running transaction\n  Installing       : docker-ce-3:28-1.x86_64   1/2 \n", LOCKED.err)


class Busy(Recorded):
    """A machine on which another dnf ends after some of ours could not begin."""

    def __init__(self, root, *rans):
        super().__init__(root, None)
        self.rans = list(rans)

    def run(self, argv, timeout_s=60, outlives=False):
        self.calls.append(argv)
        return self.rans.pop(0)


@pytest.fixture
def other(root):
    """The other dnf, alive for the first looks."""
    (root / "proc/4711").mkdir(parents=True)
    command = root / "proc/4711/cmdline"
    command.write_bytes(b"/usr/bin/python3\0/usr/bin/dnf\0-y\0upgrade\0")
    return command


def test_another_dnf_is_waited_for_and_named(root, other, monkeypatch):
    monkeypatch.setattr(rpmlock.time, "sleep", lambda seconds: other.write_bytes(b""))
    solver = Dnf(Busy(root, LOCKED, Ran(0, "", "")), "x.repo", "", 30)
    solver.perform("install", ["docker-ce"])
    assert len(solver.machine.calls) == 2
    assert solver.waited == ["pid 4711: /usr/bin/python3 /usr/bin/dnf -y upgrade"]


def test_a_plan_and_a_run_without_patience_do_not_wait(root, other):
    for patience_s in (None, 0):
        solver = Dnf(Busy(root, LOCKED), "x.repo", "", patience_s)
        with pytest.raises(HostError) as caught:
            solver.perform("install", ["docker-ce"])
        assert caught.value.kind == "package-lock-held"
        assert caught.value.evidence == "pid 4711: /usr/bin/python3 /usr/bin/dnf -y upgrade"


def test_a_transaction_that_began_is_not_repeated(root, monkeypatch):
    monkeypatch.setattr(rpmlock.time, "sleep", lambda seconds: None)
    solver = Dnf(Busy(root, STARTED, Ran(0, "", "")), "x.repo", "", 30)
    with pytest.raises(HostError):
        solver.perform("install", ["docker-ce"])
    assert len(solver.machine.calls) == 1


# The stand-in host, systemd 257: no job is an empty value.
EARLIER = "Id=cloud-init.service\nActiveState=active\nJob=\n\nId=cloud-final.service\n"
BOOTING = EARLIER + "ActiveState=activating\nJob=120\n"
QUEUED = EARLIER + "ActiveState=inactive\nJob=121\n"
BOOTED = EARLIER + "ActiveState=failed\n"


@pytest.mark.parametrize("said", [BOOTING, QUEUED])
def test_a_first_boot_is_waited_for_before_dnf_is_asked(root, monkeypatch, said):
    monkeypatch.setattr(rpmlock.time, "sleep", lambda seconds: None)
    (root / "run/cloud-init").mkdir(parents=True)
    (root / "run/cloud-init/status.json").write_text("{}")
    solver = Dnf(Busy(root, Ran(0, said, ""), Ran(0, BOOTED, ""), Ran(0, "", "")), "x.repo", "", 30)
    solver.resolve("install", ["docker-ce"])
    assert solver.waited == ["cloud-init (cloud-final.service)"]
    assert [call[0] for call in solver.machine.calls] == ["systemctl", "systemctl", "dnf"]


def test_a_first_boot_that_does_not_end_is_an_error_that_names_it(root):
    (root / "run/cloud-init").mkdir(parents=True)
    (root / "run/cloud-init/status.json").write_text("{}")
    with pytest.raises(HostError, match="cloud-init is running") as caught:
        Dnf(Busy(root, *[Ran(0, BOOTING, "")] * 2), "x.repo", "", 0).resolve("install", ["docker-ce"])
    assert caught.value.kind == "package-lock-held"


def test_a_first_boot_that_is_over_costs_no_process(root):
    (root / "run/cloud-init").mkdir(parents=True)
    for name in ("status.json", "result.json"):
        (root / "run/cloud-init" / name).write_text("{}")
    assert rpmlock.booting(Busy(root)) == ""


class Asking(Recorded):
    """A machine on which dnf asks before its work, and rpm says what is ``installed``."""

    def __init__(self, root, asked, answered=None):
        super().__init__(root, None)
        self.asked = asked
        self.answered = answered
        self.installed = "bash 0:5-1.x86_64\n"
        self.is_killed = False
        self.heard = []

    def run(self, argv, timeout_s=60, outlives=False):
        self.calls.append(argv)
        return Ran(0, self.installed if argv[0] == "rpm" else "", "")

    def ask(self, argv):
        self.calls.append(argv)
        return self

    def until(self, question, timeout_s):
        return self.asked

    def is_running(self):
        return not self.is_killed

    def answer(self, words, timeout_s):
        self.heard.append(words)
        return self.answered or Ran(0, "", "")

    def end(self):
        self.heard.append("killed")


def performed(machine):
    return [argv for argv in machine.calls if "-y" in argv]


def test_what_was_shown_is_performed_by_the_dnf_that_has_shown_it(root):
    machine = Asking(root, Ran(None, PLANNED, ""))
    solver = Dnf(machine, "x.repo", "", 30)
    assert [row.name for row in solver.hold("install", ["docker-ce"], ["--best"])] == ["docker-ce"]
    (dnf,) = [argv for argv in machine.calls if argv[0] == "dnf"]
    assert {"--setopt=assumeyes=False", "--setopt=defaultyes=False", "--best"} <= set(dnf)
    solver.release("install", ["docker-ce-1"])
    assert (machine.heard, performed(machine), solver.broke_off) == ([YES], [], False)
    solver.close()
    assert machine.heard == [YES]


def test_a_held_dnf_is_not_used_after_other_packages_have_changed(root):
    machine = Asking(root, Ran(None, PLANNED, ""))
    solver = Dnf(machine, "x.repo", "", 30)
    solver.hold("install", ["docker-ce"])
    machine.installed += "new 0:1-1.x86_64\n"
    solver.release("install", ["docker-ce-1"], ["--allowerasing"])
    assert machine.heard == ["killed"]
    assert [argv[-4:] for argv in performed(machine)] == [["-y", "--allowerasing", "install", "docker-ce-1"]]


def test_a_held_dnf_that_somebody_killed_is_replaced(root):
    machine = Asking(root, Ran(None, PLANNED, ""))
    solver = Dnf(machine, "x.repo", "", 30)
    solver.hold("install", ["docker-ce"])
    machine.is_killed = True
    solver.release("install", ["docker-ce-1"])
    assert (machine.heard, len(performed(machine))) == (["killed"], 1)


def test_a_dnf_that_is_not_answered_is_ended_before_its_workspace_goes(root):
    machine = Asking(root, Ran(None, PLANNED, ""))
    solver = Dnf(machine, "x.repo", "", 30)
    solver.hold("install", ["docker-ce"])
    solver.hold("install", ["docker-ce"], ["--allowerasing"])
    solver.close()
    assert machine.heard == ["killed", "killed"]


def test_a_plan_holds_nothing(root):
    solver = Dnf(Recorded(root, Ran(1, PLANNED, "")), "x.repo", "")
    assert [row.name for row in solver.hold("install", ["docker-ce"])] == ["docker-ce"]
    assert "--assumeno" in solver.machine.calls[0]


def test_a_held_dnf_that_meets_another_one_waits_and_begins_anew(root, other, monkeypatch):
    monkeypatch.setattr(rpmlock.time, "sleep", lambda seconds: other.write_bytes(b""))
    machine = Asking(root, Ran(None, PLANNED, ""), LOCKED)
    solver = Dnf(machine, "x.repo", "", 30)
    solver.hold("install", ["docker-ce"])
    solver.release("install", ["docker-ce-1"])
    assert len(performed(machine)) == 1
    assert solver.waited == ["pid 4711: /usr/bin/python3 /usr/bin/dnf -y upgrade"]


def test_a_question_before_the_table_is_about_a_key_and_not_answered(root):
    machine = Asking(root, Ran(None, "Importing GPG key 0xDEADBEEF:\nIs this ok [y/N]: ", ""))
    machine.run = lambda argv, *limits: Ran(1, PLANNED if "--assumeno" in argv else "", "")
    solver = Dnf(machine, "x.repo", "", 30)
    assert [row.name for row in solver.hold("install", ["docker-ce"])] == ["docker-ce"]
    assert (machine.heard, solver.held) == (["killed"], None)


def test_a_held_dnf_that_cannot_resolve_is_an_error(root):
    solver = Dnf(Asking(root, Ran(1, "", "Error: Unable to find a match: docker-ce-99")), "x.repo", "", 30)
    with pytest.raises(HostError, match="does not have this version"):
        solver.hold("install", ["docker-ce-99"])
