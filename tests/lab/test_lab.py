"""The lab itself: what a stand-in host can do, what can happen to it, and that nothing is left of it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from provision import lab as labs
from provision.errors import LabError
from provision.lab import Lab, LabHost, fetch, prerequisites, processes, record, wait
from provision.lab.cgroups import ROOT as CGROUPS
from provision.lab.host import NSPAWN, leader
from provision.lab.lifecycle import mounts_under
from provision.model import Secret

NAME, SUBNET = "labtest", 77
PACKAGES = "docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin"
REPO_FILE = """\
[docker-ce-stable]
name=Docker
baseurl={url}/linux/centos/10/$basearch/stable
gpgcheck=1
gpgkey=file://{key}
"""
ASKPASS = '#!/bin/sh\necho "$STAND_IN_PASSWORD"\n'


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labtest")


@pytest.fixture(scope="module")
def labtest(state: Path) -> Iterator[Lab]:
    lab = labs.up(NAME, 2, "el10", state_dir=state, subnet=SUBNET, users=True, progress=print)
    yield lab
    labs.down(NAME, state)


@pytest.fixture
def el1(labtest: Lab) -> LabHost:
    return labtest.host("el1")


def ssh(host: LabHost, password: Secret, command: str, tmp: Path) -> "subprocess.CompletedProcess[str]":
    askpass, known = tmp / "askpass", tmp / "known_hosts"
    askpass.write_text(ASKPASS)
    askpass.chmod(0o700)
    known.write_text(f"{host.address} {host.host_key}\n")
    options = ["StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "NumberOfPasswordPrompts=1",
               "GlobalKnownHostsFile=/dev/null", "PreferredAuthentications=password"]  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"],
        "SSH_ASKPASS": str(askpass),
        "SSH_ASKPASS_REQUIRE": "force",
        "STAND_IN_PASSWORD": password.reveal(),
    }
    words = ["ssh", "-F", "none", *(f"-o{option}" for option in options), f"root@{host.address}", command]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=30, check=False)


def inside(host: LabHost, command: str) -> str:
    done = labs.execute(host, "sh", "-c", command)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def install_docker(lab: Lab, host: LabHost) -> None:
    key = "/etc/pki/rpm-gpg/lab"
    labs.execute(host, "tee", key, stdin=lab.gpg_key.read_bytes())
    repo = REPO_FILE.format(url=lab.repo_url, key=key)
    labs.execute(host, "tee", "/etc/yum.repos.d/docker-ce.repo", stdin=repo.encode())
    inside(host, f"dnf -q -y install {PACKAGES} && systemctl enable --now docker")


def banner(host: LabHost, timeout_s: float) -> bytes:
    with socket.create_connection((host.address, 22), timeout=timeout_s) as connection:
        return connection.recv(4)


def test_a_host_lets_root_in_with_its_password_under_its_recorded_key(el1: LabHost, tmp_path: Path) -> None:
    assert el1.password
    done = ssh(el1, el1.password, "cat /etc/hostname", tmp_path)
    assert (done.returncode, done.stdout) == (0, "el1\n"), done.stderr


def test_a_host_refuses_the_password_of_its_neighbour(labtest: Lab, el1: LabHost, tmp_path: Path) -> None:
    other = labtest.host("el2").password
    assert other
    assert ssh(el1, other, "true", tmp_path).returncode == 255


def test_a_host_is_dressed_as_centos_and_says_that_it_is_a_stand_in(el1: LabHost) -> None:
    os_release = inside(el1, "cat /etc/os-release")
    assert 'ID="centos"' in os_release
    assert 'VERSION_ID="10"' in os_release
    assert "VARIANT_ID=stand-in" in os_release
    assert inside(el1, "cat /etc/redhat-release") == "CentOS Stream release 10 (Coughlan)"


def test_a_host_boots_without_a_failed_unit(el1: LabHost) -> None:
    assert inside(el1, "systemctl is-system-running --wait; systemctl --failed --no-legend") == "running"


def test_ops_needs_a_password_for_sudo_and_deploy_does_not(el1: LabHost) -> None:
    assert inside(el1, "su deploy -c 'sudo -n id -u'") == "0"
    assert labs.execute(el1, "su", "ops", "-c", "sudo -n id -u").returncode == 1


def test_two_hosts_are_two_machines(labtest: Lab) -> None:
    """In one control group each would remove the groups of the other's services."""
    assert len({inside(host, "cat /etc/machine-id") for host in labtest.hosts}) == 2
    groups = [Path(f"/proc/{leader(host.directory)}/cgroup").read_text() for host in labtest.hosts]
    assert groups[0].splitlines()[-1] != groups[1].splitlines()[-1]


def test_docker_runs_on_two_hosts_from_the_signed_repository(labtest: Lab) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda host: install_docker(labtest, host), labtest.hosts))
    for host in labtest.hosts:
        assert inside(host, "docker info --format '{{.Driver}} {{.Name}}'") == f"overlay2 {host.name}"
        assert inside(host, "rpm -q --qf '%{RSAHEADER:pgpsig}' docker-ce").endswith(
            labtest.gpg_fingerprint[-16:].lower()
        )


def test_stopping_a_service_on_one_host_leaves_it_running_on_the_other(labtest: Lab, el1: LabHost) -> None:
    inside(el1, "systemctl stop docker.socket docker containerd")
    assert inside(labtest.host("el2"), "systemctl is-active docker containerd") == "active\nactive"
    inside(el1, "systemctl start docker")


def test_three_engines_are_in_the_repository(el1: LabHost) -> None:
    listed = inside(el1, "dnf -q list --showduplicates docker-ce")
    assert len({line.split()[1] for line in listed.splitlines() if line.startswith("docker-ce.")}) == 3


def test_a_key_that_did_not_sign_the_packages_is_refused(labtest: Lab) -> None:
    host = labtest.host("el2")
    wrong = labtest.gpg_key.with_name("wrong.gpg").read_bytes()
    inside(host, "rpm -e --allmatches gpg-pubkey && dnf -q -y remove docker-compose-plugin")
    labs.execute(host, "tee", "/etc/pki/rpm-gpg/lab", stdin=wrong)
    done = labs.execute(host, "dnf", "-q", "-y", "install", "docker-compose-plugin")
    assert done.returncode == 1
    assert b"GPG check FAILED" in done.stdout + done.stderr


def test_the_registry_answers_the_hosts(labtest: Lab, el1: LabHost) -> None:
    fetched = f"import urllib.request as r; print(r.urlopen('http://{labtest.registry}/v2/').status)"
    assert inside(el1, f'python3 -c "{fetched}"') == "200"


def test_a_paused_host_takes_a_connection_and_says_nothing(el1: LabHost) -> None:
    labs.pause(el1)
    try:
        with pytest.raises(TimeoutError):
            banner(el1, 1)
    finally:
        labs.resume(el1)
    assert banner(el1, 10) == b"SSH-"


def test_a_cut_host_drops_the_connection(el1: LabHost) -> None:
    labs.cut(el1)
    try:
        with pytest.raises(TimeoutError):
            socket.create_connection((el1.address, 22), timeout=1)
    finally:
        labs.mend(el1)
    assert banner(el1, 10) == b"SSH-"


def test_a_host_keeps_its_disk_and_its_docker_over_a_reboot(labtest: Lab, el1: LabHost) -> None:
    inside(el1, "echo kept > /root/kept")
    boot = inside(el1, "cat /proc/1/stat | cut -d' ' -f22")
    labs.reboot(labtest, el1)
    assert inside(el1, "cat /root/kept") == "kept"
    assert inside(el1, "cat /proc/1/stat | cut -d' ' -f22") != boot
    assert inside(el1, "systemctl is-system-running --wait; systemctl is-active docker") == "running\nactive"


def test_a_host_that_reboots_itself_comes_back(el1: LabHost) -> None:
    before = leader(el1.directory)
    labs.execute(el1, "systemctl", "reboot")
    until = time.monotonic() + 30
    while leader(el1.directory) in (None, before) and time.monotonic() < until:
        time.sleep(0.2)
    wait.for_ssh(el1.name, el1.address, el1.console)
    assert leader(el1.directory) not in (None, before)


def test_a_host_comes_back_after_a_power_cut(labtest: Lab) -> None:
    host = labtest.host("el2")
    labs.power_cut(host)
    with pytest.raises(LabError, match="el2 is off"):
        labs.execute(host, "true")
    labs.start_host(labtest, host)
    assert inside(host, "hostname") == "el2"


def test_the_record_holds_the_lab_without_its_passwords(labtest: Lab, state: Path) -> None:
    file = labtest.directory / record.FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert not [h for h in labtest.hosts if h.password and h.password.reveal() in file.read_text()]
    kept = labs.status(state)
    assert kept
    assert [(h.name, h.address, h.host_key, h.password) for h in kept.hosts] == [
        (h.name, h.address, h.host_key, None) for h in labtest.hosts
    ]
    assert (kept.repo_url, kept.gpg_fingerprint) == (labtest.repo_url, labtest.gpg_fingerprint)


def test_a_second_lab_of_the_same_name_is_refused(labtest: Lab, state: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="up already"):
        labs.up(NAME, 1, state_dir=state, subnet=SUBNET, progress=print)
    with pytest.raises(LabError, match=str(labtest.directory)):
        labs.up(NAME, 1, state_dir=tmp_path, subnet=SUBNET, progress=print)
    assert inside(labtest.host("el1"), "hostname") == "el1"


def test_another_lab_on_the_same_subnet_is_refused(labtest: Lab, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="subnet"):
        labs.up("other", 1, state_dir=tmp_path, subnet=labtest.subnet, progress=print)
    assert not (tmp_path / "lab").exists()


def left_of(name: str, state: Path) -> dict[str, object]:
    """Return everything of a lab that is on this machine."""
    directory = state.resolve() / "lab" / name
    lines = (" ".join(words) for _, words in processes.command_lines())
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    found: dict[str, object] = {
        "processes": [line for line in lines if str(directory) in line],
        "mounts": mounts_under(directory),
        "links": [line for line in links.splitlines() if name in line],
        "groups": list(CGROUPS.glob(f"*/lab-{name}-*")),
        "nspawn": list(NSPAWN.glob(f"propagate/{name}-*")),
        "files": list(state.rglob("*")),
    }
    return {what: things for what, things in found.items() if things}


@pytest.mark.parametrize("profile", ["el9", "el8", "el7", "alien"])
def test_down_leaves_nothing_of_any_profile(profile: str, tmp_path: Path) -> None:
    lab = labs.up("labgone", 1, profile, state_dir=tmp_path, subnet=SUBNET + 10, progress=print)
    dressed = inside(lab.hosts[0], "cat /etc/os-release")
    assert ('ID="centos"' in dressed) == (profile != "alien")
    assert set(left_of("labgone", tmp_path)) >= {"processes", "mounts", "links", "files"}
    labs.down("labgone", tmp_path)
    assert left_of("labgone", tmp_path) == {}


@pytest.mark.parametrize("after_s", [0.6, 1.2])
def test_down_cleans_up_after_an_up_that_was_killed(after_s: float, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from provision import lab; "
        "lab.up('labkill', 3, state_dir=Path(sys.argv[1]), subnet=88, progress=print)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) as process:
        time.sleep(after_s)
        process.kill()
    assert left_of("labkill", tmp_path)
    labs.down("labkill", tmp_path)
    assert left_of("labkill", tmp_path) == {}


@pytest.fixture
def stock_setting() -> Iterator[str]:
    """The kernel setting as Debian has it, also on a machine where somebody has raised it."""
    found = prerequisites.INOTIFY.read_text()
    prerequisites.INOTIFY.write_text("128\n")
    yield "128\n"
    prerequisites.INOTIFY.write_text(found)


def test_twenty_hosts_at_once_answer_and_the_kernel_setting_is_put_back(
    tmp_path: Path, stock_setting: str
) -> None:
    said: list[str] = []
    lab = labs.up("labmany", 20, state_dir=tmp_path, subnet=SUBNET + 12, progress=said.append)
    try:
        assert len(lab.hosts) == 20
        assert any("max_user_instances" in line for line in said)
        assert {banner(host, 5) for host in lab.hosts} == {b"SSH-"}
    finally:
        labs.down("labmany", tmp_path)
    assert prerequisites.INOTIFY.read_text() == stock_setting
    assert left_of("labmany", tmp_path) == {}


def test_down_without_a_lab_does_nothing(tmp_path: Path) -> None:
    labs.down("never", tmp_path)
    assert labs.status(tmp_path) is None


@pytest.mark.parametrize("name", ["", "../etc", "a b", "Upper", "toolongname", "1st"])
def test_a_name_that_could_leave_its_directory_or_device_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot be a lab's name"):
        labs.down(name, tmp_path)


def test_an_unknown_profile_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        labs.up("other", 1, "el6", state_dir=tmp_path, progress=print)
    assert "el10 | el9" in caught.value.failure.hint


def test_everything_this_machine_lacks_is_named_at_once() -> None:
    there = dict.fromkeys(prerequisites.NEEDED, True) | {"mmdebstrap": False, "nft": False}
    lacks = prerequisites.missing('ID=fedora\nVERSION_ID="41"\n', 1000, there)
    assert "neither Debian nor Ubuntu" in lacks[0]
    assert "not root" in lacks[1]
    assert "apt-get install mmdebstrap nftables" in lacks[2]
    assert prerequisites.missing("ID=ubuntu\nID_LIKE=debian\n", 0, dict.fromkeys(there, True)) == []


def test_the_list_of_debian_packages_names_all_that_is_needed() -> None:
    listed = Path(prerequisites.__file__).with_name("debian-packages.txt").read_text().split()
    assert set(prerequisites.NEEDED.values()) - {"dpkg"} <= set(listed)


def test_the_mirror_is_found_in_both_forms_of_apt_sources() -> None:
    sources = """\
# deb http://old.example/debian bookworm main
deb [arch=amd64] https://packages.example/apt tools main
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm
deb http://second.example/pub/debian/ bookworm main
URIs: http://mirror.example/debian-security
"""
    expected = ["http://mirror.example/debian", "http://second.example/pub/debian/"]
    assert fetch.debian_uris(sources) == expected
