"""Hosts with something wrong inside: reported by name, left unchanged, converging when repaired."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from provision.lab import Lab, fetch
from tests.lab import mirrors
from tests.lab.conftest import Done, NewProject, Project, project_in
from tests.lab.mirrors import Mirror
from tests.lab.test_bad_controller import FREE_LOCK, HOLD_LOCK
from tests.lab.test_bad_repositories import LEFT
from tests.lab.test_errors import error_of, expect_other_host_fine, wait_until
from tests.lab.test_road import in_host, other_version

# Break a host by one shell command, and mend it by another when the test ends.
Harm = Callable[[str, str, str], None]

HIDE = "mv /usr/bin/{0} /usr/bin/{0}.hidden"
SHOW = "mv -f /usr/bin/{0}.hidden /usr/bin/{0}"
# A Python that takes itself for an older one. It starts as the real one would: with -c and a program.
OLD_PYTHON = """\
cat > /usr/libexec/platform-python << 'END'
#!/bin/sh
shift; program=$1; shift
exec python3 -c "import sys; sys.version_info = (2, 6, 6); sys.version = '2.6.6 (r266)'
$program" "$@"
END
chmod 755 /usr/libexec/platform-python
"""
FULL_VAR = "mount -t tmpfs -o size=30m tmpfs /var/tmp"
FULL_ROOT = """\
mkdir /run/small && mount -t tmpfs -o size=8m tmpfs /run/small && mkdir /run/small/upper /run/small/work
mount -t overlay -o lowerdir=/usr,upperdir=/run/small/upper,workdir=/run/small/work overlay /usr
"""
FREE_ROOT = "umount -l /usr /run/small; rmdir /run/small"
FULL_RECORDS = (
    "mkdir -p /var/lib/provision && mount -t tmpfs -o size=4k,nr_inodes=2 tmpfs /var/lib/provision"
    " && touch /var/lib/provision/x"
)
READ_ONLY = "mount -o bind /etc /etc && mount -o remount,bind,ro /etc"
HOLD_RPM = """\
cat > /run/other-dnf << 'END'
import fcntl, sys, time
lock = open("/var/lib/rpm/.rpm.lock", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
open("/run/other-dnf.holds", "w")
time.sleep(float(sys.argv[1]))
END
setsid python3 /run/other-dnf {0} > /dev/null 2>&1 < /dev/null &
echo $! > /run/other-dnf.pid
until [ -e /run/other-dnf.holds ]; do sleep 0.1; done
"""
FREE_RPM = "kill $(cat /run/other-dnf.pid); rm -f /run/other-dnf*"


@contextmanager
def harming(lab: Lab) -> Iterator[Harm]:
    """Return a function that breaks a host by one command; another repairs it at the end."""
    with ExitStack() as stack:

        def do(name: str, command: str, mend: str) -> None:
            stack.callback(in_host, lab, name, mend)
            in_host(lab, name, command)

        yield do


@pytest.fixture
def harm(lab: Lab) -> Iterator[Harm]:
    with harming(lab) as do:
        yield do


def words(done: Done) -> str:
    return " ".join(done.out.split())


@pytest.fixture(scope="module")
def bare_logins(
    lab: Lab, keyring_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, Done]:
    """One plan over hosts that lack what a login needs to become root and to run the host code."""
    project = project_in(tmp_path_factory.mktemp("bare"), lab, keyring_file)
    for name in ("el4", "el5", "el6", "el7", "el8"):
        project.add(name, lab.host(name))
    for name in ("el5", "el8"):
        project.hosts[name] |= {"ansible_user": "deploy", "ansible_become": True}
    project.write()
    with harming(lab) as harm:
        harm("el4", HIDE.format("python3"), SHOW.format("python3"))
        harm("el5", HIDE.format("python3"), SHOW.format("python3"))
        harm("el7", OLD_PYTHON, "rm /usr/libexec/platform-python")
        harm("el8", HIDE.format("sudo"), SHOW.format("sudo"))
        done = project.fab("plan")
    assert done.rc == 2 + 8, done.out
    expect_other_host_fine(project)
    return project, done


def test_a_host_without_python_is_refused_with_what_to_install(bare_logins: tuple[Project, Done]) -> None:
    project, done = bare_logins
    assert error_of(project, "el4")["kind"] == error_of(project, "el5")["kind"] == "no-python"
    assert "on the host: dnf install python3" in words(done)
    assert "sudo dnf install python3" in words(done)


def test_a_python_that_is_too_old_is_named_with_its_version(bare_logins: tuple[Project, Done]) -> None:
    project, done = bare_logins
    assert error_of(project, "el7")["kind"] == "python-too-old"
    assert "Python 2.6.6 at /" in words(done)


def test_a_host_without_the_sudo_program_says_so(bare_logins: tuple[Project, Done]) -> None:
    project, done = bare_logins
    assert error_of(project, "el8")["kind"] == "sudo-refused"
    assert "sudo is not installed on el8" in words(done)


def test_a_full_disk_is_told_wherever_it_is_and_the_host_is_left_as_it_was(
    lab: Lab, harm: Harm, new_project: NewProject
) -> None:
    project = new_project("el4", "el5", "el7", "el6", docker_engine_version="26.1.5")
    harm("el4", FULL_RECORDS, "umount /var/lib/provision")
    harm("el5", FULL_ROOT, FREE_ROOT)
    harm("el7", FULL_VAR, "umount /var/tmp")
    done = project.fab("provision")
    done.expect(2)
    for name in ("el4", "el5", "el7"):
        error = error_of(project, name)
        assert error["kind"] == "disk-full", error
        assert "df -h" in error["hint"], error
        assert in_host(lab, name, LEFT) == ""
    assert "more space" in words(done)
    assert "state nothing was changed" in words(done)
    assert "state undone: the host is as it was" in words(done)
    expect_other_host_fine(project)


def test_two_runs_at_once_are_one_after_the_other(new_project: NewProject) -> None:
    project = new_project("el5", "el6")
    first = project.start("provision", "--limit", "el5")
    holder = "cat /run/provision.lock"
    wait_until(lambda: in_host(project.lab, "el5", holder) != "")
    project.variables["docker_engine_lock_timeout"] = 0
    project.write()
    refused = project.fab("provision")
    refused.expect(8)
    assert error_of(project, "el5")["kind"] == "lock-held"
    assert "@" in error_of_words(refused, "another run is at work on this host")
    expect_other_host_fine(project)
    project.variables["docker_engine_lock_timeout"] = 120
    project.write()
    waiting = project.fab("provision", "--limit", "el5")
    waiting.expect(0)
    assert project.host_report("el5")["status"] == "ok"
    out, err = first.communicate(timeout=120)
    assert first.returncode == 0, out + err
    project.expect_clean(out + err)


def test_a_host_that_takes_its_time_to_converge_holds_nobody(
    harm: Harm, lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el5", "el6")
    harm("el5", HOLD_LOCK, FREE_LOCK)
    done = project.fab("provision", "--lock-timeout", "20")
    done.expect(8)
    assert "verified" in words(done)
    # one line as each host ends: el6 was proven while el5 still waited
    assert [line.split()[0] for line in done.err.splitlines()] == ["el6", "el5"]


def error_of_words(done: Done, message: str) -> str:
    return words(done).partition(message)[2].partition("state")[0]


def test_a_read_only_etc_is_named_and_nothing_else_is_touched(
    lab: Lab, harm: Harm, new_project: NewProject
) -> None:
    project = new_project("el6", docker_engine_daemon_options={"debug": True})
    before = in_host(lab, "el6", "cat /etc/docker/daemon.json")
    harm("el6", READ_ONLY, "umount /etc")
    done = project.fab("provision")
    done.expect(2)
    assert error_of(project, "el6")["kind"] == "read-only"
    assert "state undone: the host is as it was" in words(done)
    assert in_host(lab, "el6", "cat /etc/docker/daemon.json") == before


def test_another_package_manager_at_work_is_named_then_waited_for(
    lab: Lab, harm: Harm, new_project: NewProject
) -> None:
    version = other_version(lab, "el6")
    project = new_project("el6", docker_engine_version=version, docker_engine_lock_timeout=0)
    harm("el6", HOLD_RPM.format(600), FREE_RPM)
    refused = project.fab("provision")
    refused.expect(8)
    assert error_of(project, "el6")["kind"] == "package-lock-held"
    assert "python3 /run/other-dnf 600" in words(refused)
    in_host(lab, "el6", FREE_RPM)
    in_host(lab, "el6", HOLD_RPM.format(8))
    project.variables["docker_engine_lock_timeout"] = 60
    project.write()
    done = project.fab("provision")
    done.expect(0)
    assert project.host_report("el6")["status"] == "changed"


@pytest.fixture
def trusted_mirror(lab: Lab, harm: Harm, tmp_path: Path) -> Iterator[str]:
    """An HTTPS mirror of good repute with el6."""
    authorities = "/etc/ssl/certs/ca-certificates.crt"
    file = mirrors.certificate(tmp_path, lab.gateway)
    text = file.read_text()
    public = text[text.index("-----BEGIN CERTIFICATE-----") :]
    add = f"cp {authorities} /run/authorities; cat >> {authorities} << 'END'\n{public}END\n"
    harm("el6", add, f"cat /run/authorities > {authorities}")
    www = lab.gpg_key.parents[1] / "www"
    with Mirror(lab.gateway, www, mirrors.nothing, file) as mirror:
        yield mirror.url


def test_a_clock_that_is_a_year_ahead_ends_certificates_and_is_named(
    lab: Lab, harm: Harm, new_project: NewProject, trusted_mirror: str
) -> None:
    project = new_project("el6", docker_engine_upgrade=True, docker_engine_mirror=trusted_mirror)
    right = project.fab("plan")
    right.expect(0)
    put_fake_time(lab, "el6", "+365d", harm)
    done = project.fab("plan")
    done.expect(8)
    assert error_of(project, "el6")["kind"] == "clock-off"
    assert "365 days ahead of the controller's" in words(done)
    assert "timedatectl set-ntp true" in words(done)


def test_a_clock_a_year_behind_makes_rpm_refuse_the_key_and_is_named(
    lab: Lab, harm: Harm, new_project: NewProject
) -> None:
    project = new_project("el7")
    put_fake_time(lab, "el7", "-365d", harm)
    done = project.fab("provision")
    done.expect(8)
    assert error_of(project, "el7")["kind"] == "clock-off"
    assert "365 days behind the controller's" in words(done)
    assert "state undone: the host is as it was" in words(done)
    assert in_host(lab, "el7", LEFT) == ""


def put_fake_time(lab: Lab, name: str, shift: str, harm: Harm) -> None:
    """Show another time to every program that starts in the host from now on."""
    debs = fetch.fetch("trixie", ("libfaketime",))
    unpacked = lab.directory / "faketime"
    fetch.unpack(debs, unpacked)
    library = next(unpacked.glob("usr/lib/*/faketime/libfaketime.so.1"))
    place = lab.host(name).directory / "root/opt"
    (place / "faketime.so").write_bytes(library.read_bytes())
    (place / "faketime.so").chmod(0o755)
    harm(
        name,
        f"echo '{shift}' > /etc/faketimerc; echo /opt/faketime.so > /etc/ld.so.preload",
        "rm -f /etc/ld.so.preload /etc/faketimerc",
    )
