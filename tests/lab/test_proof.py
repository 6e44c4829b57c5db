"""The checks go red for the right reason, and leave nothing behind."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from provision.lab import Lab
from tests.lab.conftest import BIN, NewProject, Project, project_in
from tests.lab.test_errors import error_of, wait_until
from tests.lab.test_road import in_host

# On each of these hosts one thing is broken, which one check is about.
HARMS = {
    "el3": ("systemctl disable docker.service", "The engine starts when the host boots."),
    "el5": (
        "sed -i 's/gpgcheck=1/gpgcheck=0/' /etc/yum.repos.d/docker-ce.repo",
        "The package manager checks the signature of each package from that repository.",
    ),
    "el6": ("chmod 666 /run/docker.sock", "Only root and the socket's group may use the engine's socket."),
}


@pytest.fixture(scope="module")
def proven(lab: Lab, keyring_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose hosts are proven Docker hosts."""
    project = project_in(tmp_path_factory.mktemp("proven"), lab, keyring_file)
    for name in HARMS:
        project.add(name, lab.host(name))
    project.fab("provision").expect(0)
    return project


def failed(project: Project, name: str) -> set[str]:
    return {check["name"] for check in project.host_report(name)["checks"] if check["passed"] is False}


def test_verify_leaves_the_host_as_it_was(lab: Lab, proven: Project) -> None:
    look = "docker ps -aq; docker images -q; docker volume ls -q; ls -A /tmp /root /var/tmp"
    before = in_host(lab, "el3", look)
    proven.fab("verify", "--limit", "el3").expect(0)
    assert in_host(lab, "el3", look) == before


def test_a_harm_is_seen_by_its_own_check_alone(lab: Lab, proven: Project) -> None:
    for name, (harm, _) in HARMS.items():
        in_host(lab, name, harm)
    proven.fab("verify").expect(2)
    assert {name: failed(proven, name) for name in HARMS} == {
        name: {check} for name, (_, check) in HARMS.items()
    }
    in_host(lab, "el6", "chmod 660 /run/docker.sock")
    proven.fab("provision").expect(0)
    assert not [name for name in HARMS if failed(proven, name)]


def test_a_host_that_somebody_else_set_up_is_judged_and_left_as_it_was(
    lab: Lab, new_project: NewProject
) -> None:
    repo = f"{lab.repo_url}/linux/centos/10/x86_64/stable"
    by_hand = (
        f"printf '[d]\\nname=d\\nbaseurl={repo}\\ngpgcheck=1\\ngpgkey={lab.repo_url}/linux/centos/gpg\\n'"
        " > /etc/yum.repos.d/by-hand.repo && dnf -qy install docker-ce && systemctl enable --now docker"
    )
    in_host(lab, "el8", by_hand)
    project = new_project("el8")
    project.fab("verify").expect(2)
    checks = {check["name"]: check for check in project.host_report("el8")["checks"]}
    assert checks["The engine answers `docker info`."]["passed"]
    assert checks["The published port answers from the controller."]["passed"]
    left = "ls /etc/docker/daemon.json /var/lib/provision; docker ps -aq; docker images -q"
    rotation = checks["Logs of containers cannot fill the disk."]
    assert (rotation["passed"], rotation["verdict"]) == (None, "advice")
    assert in_host(lab, "el8", left) == ""


LIVES_ON = "Containers live on while the engine restarts (live-restore)."
RESTARTS = "After the engine restarts, the container runs and answers again."


def test_the_inventorys_decision_is_advice_and_a_restart_needs_a_request(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el5", docker_engine_daemon_options={"live-restore": None})

    def ends() -> dict[str, str]:
        return {check["name"]: check["verdict"] for check in project.host_report("el5")["checks"]}

    def started() -> str:
        return in_host(lab, "el5", "systemctl show docker.service -p ActiveEnterTimestampMonotonic")

    # The engine is restarted for the proof only where the same run has installed it.
    project.fab("uninstall", "--limit", "el5", "--yes", "--allow-disruption").expect(0)
    done = project.fab("provision")
    assert (done.rc, ends()[LIVES_ON], ends()[RESTARTS]) == (0, "advice", "passed"), done.out
    said = " ".join(done.out.split())
    assert "advice live-restore is off by choice (docker_engine_daemon_options); containers stop with" in said
    assert list(ends().values()).count("advice") == 1
    before = started()
    project.fab("verify").expect(0)
    assert (ends()[RESTARTS], started()) == ("skipped", before)
    strict = project.fab("verify", "--strict")
    assert (strict.rc, ends()[LIVES_ON]) == (2, "failed"), strict.out
    assert "--limit @last.failed" in strict.out
    project.fab("verify", "--restart").expect(0)
    assert ends()[RESTARTS] == "passed"
    assert started() != before
    bound = "[Unit]\\nRequires=docker.service\\n[Service]\\nExecStart=/bin/sleep 9999\\n"
    in_host(lab, "el5", f"printf '{bound}' >/etc/systemd/system/app.service && systemctl start app.service")
    before = started()
    done = project.fab("verify", "--restart")
    in_host(lab, "el5", "systemctl stop app.service && rm /etc/systemd/system/app.service")
    assert (done.rc, ends()[RESTARTS], started()) == (0, "skipped", before), done.out
    assert "a restart would stop app.service" in " ".join(done.out.split())
    project.variables["docker_engine_daemon_options"] = {"live-restore": True}
    project.write()
    done = project.fab("verify")
    assert (done.rc, ends()[LIVES_ON]) == (2, "failed"), done.out
    said = " ".join(done.out.split())
    assert "want live-restore on (docker_engine_daemon_options), is off" in said


def test_an_engine_stopped_by_hand_fails_only_the_checks_that_need_it(lab: Lab, proven: Project) -> None:
    in_host(lab, "el3", "systemctl stop docker.socket docker.service")
    proven.fab("verify", "--limit", "el3").expect(2, "want")
    assert failed(proven, "el3") == {"docker.service is running.", "The engine answers `docker info`."}
    proven.fab("provision", "--limit", "el3").expect(0)
    assert failed(proven, "el3") == set()


def test_a_killed_master_is_a_lost_connection_and_the_next_run_converges(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el10")
    process = project.start("provision")
    wait_until(lambda: in_host(lab, "el10", "ls /var/lib/provision 2>/dev/null") != "")
    for pid in masters_of(process.pid):
        os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    project.expect_clean(out + err)
    assert process.returncode == 4, out + err
    assert error_of(project, "el10")["kind"] == "connection-lost"
    assert "password" not in out
    again = project.fab("provision")
    again.expect(0)


def test_a_shell_and_its_master_end_soon_after_the_controller_is_killed(
    new_project: NewProject,
) -> None:
    project = new_project("el4")
    process = subprocess.Popen(
        ["sh", "-c", f"sleep 30 | exec {BIN}/fab hosts.shell el4"], cwd=project.path,
        env=project.environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(lambda: any(shells_of(pid) for pid in session_of(process.pid)), 30)
    controller = next(pid for pid in session_of(process.pid) if masters_of(pid))
    pids = masters_of(controller) + shells_of(controller)
    os.kill(controller, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 10)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def ps(*options: str) -> str:
    return subprocess.run(["ps", *options], capture_output=True, text=True, check=False).stdout


def masters_of(pid: int) -> list[int]:
    """Return the ssh masters that the process ``pid`` started."""
    return _children(pid, "/masters ")


def shells_of(pid: int) -> list[int]:
    """Return the open shells that the process ``pid`` started."""
    return _children(pid, "/clients ")


def _children(pid: int, sign: str) -> list[int]:
    found = ps("-o", "pid=,args=", "--ppid", str(pid))
    return [int(line.split()[0]) for line in found.splitlines() if sign in line]


def session_of(pid: int) -> list[int]:
    found = ps("-o", "pid=", "-s", str(pid))
    return [int(word) for word in found.split()]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
