"""Bad ports, bad logins and bad talkers: each bounded, each with its own words; the other hosts finish."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest

from provision import lab as labs
from provision.lab import Lab
from tests.lab.conftest import BIN, Begun, NewProject, Project, project_in
from tests.lab.test_errors import error_of, expect_other_host_fine, wait_until
from tests.lab.test_road import in_host

# Prints its peak memory, that of its largest descendant, in KB as the last line.
MEASURE = (
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)
MB = 1 << 10  # in KB
NOISE = """\
echo noise of a start file
echo noise of a start file >&2
printf '{"changed": noise without a line end'
"""
SECOND_TIME_ENDLESS = (
    'n=$(cat /run/logins || echo 0); echo $((n+1)) > /run/logins; [ "$n" -ge 1 ] && exec yes\n'
)
STALLING_RPM = "#!/bin/sh\ntouch /run/stalled\nexec sleep 300\n"


def http(connection: socket.socket) -> None:
    connection.recv(200)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n")
    connection.close()


def silence(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    time.sleep(60)


def greeting_then_silence(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
    time.sleep(60)


def endless_lines(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"Welcome, all is well here\r\n" * 100)


def endless_line(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"A" * 65536)


def hang_up(connection: socket.socket) -> None:
    connection.close()


KINDS = {
    http: "hung-up",
    hang_up: "hung-up",
    silence: "silent",
    greeting_then_silence: "silent",
    endless_lines: "not-ssh",
    endless_line: "not-ssh",
}


@contextmanager
def listening(address: str, answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Answer each connection by ``answer`` in a thread of its own; yield the port."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=quietly, args=server.accept()[:1], daemon=True).start()

    def quietly(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            answer(connection)

    with socket.create_server((address, 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def start_file(lab: Lab, name: str, text: str, path: str = "/root/.bashrc") -> Iterator[None]:
    """Make ``text`` the start file of a user's shell on a host."""
    in_host(lab, name, f"cp -a {path} {path}.kept")
    labs.execute(lab.host(name), "sh", "-c", f"cat > {path}", stdin=text.encode())
    try:
        yield
    finally:
        in_host(lab, name, f"mv {path}.kept {path}; rm -f /run/logins")


@contextmanager
def ports(lab: Lab, *answers: Callable[[socket.socket], None]) -> Iterator[dict[Callable[..., None], int]]:
    """Open a port on the bridge for each of ``answers``."""
    if not answers:
        yield {}
        return
    with listening(lab.gateway, answers[0]) as port, ports(lab, *answers[1:]) as rest:
        yield {answers[0]: port, **rest}


@pytest.fixture(scope="module", autouse=True)
def odd_ports(
    lab: Lab, keyring_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Begun]]:
    """A ping of ports that answer in odd ways, and of el6; it goes on during other tests."""
    project = project_in(tmp_path_factory.mktemp("ports"), lab, keyring_file)
    project.add("el6", lab.host("el6"))
    with ports(lab, *KINDS) as numbers:
        for kind, port in numbers.items():
            project.hosts[kind.__name__] = {"ansible_host": lab.gateway, "ansible_port": port}
            project.pin(kind.__name__, lab.host("el4"))
        project.write()
        project.store("all", "x")
        begun = project.begin("hosts.ping", "all")
        yield project, begun
        begun.end(0)


@pytest.fixture(scope="module", autouse=True)
def stall(
    lab: Lab, keyring_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Begun, float]]:
    """A plan of el10, which stalls in the middle of a command, and of el6; it goes on during other tests."""
    project, host = project_in(tmp_path_factory.mktemp("stall"), lab, keyring_file), lab.host("el10")
    project.add("el10", host)
    project.add("el6", lab.host("el6"))
    in_host(lab, "el10", "mv /usr/bin/rpm /usr/bin/rpm.kept")
    labs.execute(host, "sh", "-c", "cat > /usr/bin/rpm; chmod 755 /usr/bin/rpm", stdin=STALLING_RPM.encode())
    begun = project.begin("plan")
    try:
        wait_until(lambda: in_host(lab, "el10", "ls /run/stalled 2>/dev/null") != "")
        labs.pause(host)
        yield project, begun, time.monotonic()
    finally:
        begun.process.kill()
        labs.resume(host)
        in_host(lab, "el10", "mv /usr/bin/rpm.kept /usr/bin/rpm; rm -f /run/stalled; pkill -f 'sleep 300'")
        begun.end(0)


@pytest.mark.parametrize("answer", [http, endless_lines])
def test_no_key_is_pinned_from_a_port_that_is_not_ssh(
    lab: Lab, new_project: NewProject, answer: Callable[[socket.socket], None]
) -> None:
    project = new_project("el6")
    pins = (project.path / "inventory/known_hosts").read_text()
    with listening(lab.gateway, answer) as port:
        project.hosts["odd"] = {"ansible_host": lab.gateway, "ansible_port": port}
        project.write()
        done = project.fab("hosts.trust", "odd")
    done.expect(4)
    assert f"{lab.gateway}:{port} " in done.err
    assert "correct ansible_" in done.err
    assert (project.path / "inventory/known_hosts").read_text() == pins


def test_banner_motd_and_profile_noise_change_nothing(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el5")
    quiet = planned(project)
    project.hosts["ops5"] = project.hosts["el5"] | {"ansible_user": "ops", "ansible_become": True}
    project.write()
    secret = lab.host("el5").password
    assert secret
    for kind in ("password", "sudo"):
        project.store("ops5", secret.reveal(), kind)
    project.pin("ops5", lab.host("el5"))
    drop_in = "/etc/ssh/sshd_config.d/banner.conf"
    in_host(
        lab, "el5",
        "echo 'Authorized use only. Connection refused? Permission denied?' > /etc/banner; "
        f"echo 'Banner /etc/banner' > {drop_in}; echo 'echo hello' > /etc/profile.d/noise.sh; "
        "echo message of the day > /etc/motd; systemctl reload ssh",
    )  # fmt: skip
    try:
        with start_file(lab, "el5", NOISE), start_file(lab, "el5", NOISE, "/home/ops/.bashrc"):
            loud = planned(project)
            project.fab("hosts.ping", "all").expect(0)
            project.fab("hosts.shell", "el5", stdin="exit 7\n").expect(7)
    finally:
        in_host(
            lab, "el5", f"rm {drop_in} /etc/banner /etc/profile.d/noise.sh /etc/motd; systemctl reload ssh"
        )
    assert loud["el5"] == loud["ops5"] == quiet["el5"]


def planned(project: Project) -> dict[str, object]:
    """Plan, and return the changes by host."""
    done = project.fab("plan")
    done.expect(0)
    return {host["name"]: host["changes"] for host in project.report()["hosts"]}


def test_hostile_escapes_in_facts_are_data_everywhere(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el5")
    hostile = r"\033]0;pwned\007\033[2J<script>alert(1)</script>\u202e"
    in_host(
        lab, "el5",
        "cp -L /etc/os-release /etc/os-release.kept; rm /etc/os-release; "
        f"sed \"s|^NAME=.*|NAME=\\\"$(printf '{hostile}')\\\"|\" /etc/os-release.kept > /etc/os-release",
    )  # fmt: skip
    try:
        done = project.fab("plan", "--color", "always")
        stream = project.fab("plan", "--output", "json")
    finally:
        in_host(lab, "el5", "mv /etc/os-release.kept /etc/os-release")
    done.expect(0)
    assert r"\x1b]0;pwned\x07\x1b[2J" in done.out
    assert not [sign for sign in ("\x1b]", "\x1b[2J", "\x07", "\u202e") if sign in done.out + done.err]
    assert [json.loads(line) for line in stream.out.splitlines()]
    latest = project.path / ".provision/latest"
    page = (latest / "report.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert not [sign for sign in ("<script", "\x1b", "\x07", "\u202e") if sign in page]
    ElementTree.parse(latest / "junit.xml")


def test_a_shell_that_prints_without_end_at_login_is_ended(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el5", "el6")
    with start_file(lab, "el5", "exec yes\n"):
        done = project.fab("hosts.ping", "all")
    done.expect(2)
    assert error_of(project, "el5")["kind"] == "endless-output"
    expect_other_host_fine(project)


def test_output_without_end_costs_the_controller_no_memory(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el5", "el6")
    started = time.monotonic()
    with start_file(lab, "el5", SECOND_TIME_ENDLESS):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(BIN / "fab"), "plan"], cwd=project.path,
            env=project.environment(), text=True, capture_output=True, timeout=120,
        )  # fmt: skip
    project.expect_clean(done.stdout + done.stderr)
    assert done.returncode == 2, done.stdout
    assert error_of(project, "el5")["kind"] == "endless-output"
    assert int(done.stdout.split()[-1]) < 300 * MB
    assert time.monotonic() - started < 40
    expect_other_host_fine(project)


def test_a_login_without_a_shell_is_told_from_a_wrong_password(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el5", "el6")
    project.hosts["el5"] |= {"ansible_user": "ops", "ansible_become": True}
    project.write()
    in_host(lab, "el5", "usermod --shell /usr/sbin/nologin ops")
    try:
        done = project.fab("hosts.ping", "all")
    finally:
        in_host(lab, "el5", "usermod --shell /bin/bash ops")
    done.expect(2)
    assert error_of(project, "el5")["kind"] == "no-shell"
    assert "This account is currently not available" in " ".join(done.out.split())
    expect_other_host_fine(project)


def test_shell_and_yaml_characters_in_values_reach_the_host_unchanged(
    lab: Lab, new_project: NewProject
) -> None:
    label = "a;touch /run/pwned $(touch /run/pwned) `x` 'q' \"d\" \N{PILE OF POO} %h !unsafe"
    project = new_project("el5", docker_engine_daemon_options={"labels": [f"note={label}"]})
    done = project.fab("plan", "--diff")
    done.expect(0)
    assert json.dumps(f"note={label}")[1:20] in done.out
    assert in_host(lab, "el5", "ls /run/pwned 2>/dev/null") == ""


def test_a_port_that_is_not_ssh_or_silent_or_endless_is_told_apart(odd_ports: tuple[Project, Begun]) -> None:
    project, begun = odd_ports
    begun.end(60).expect(4)
    assert {kind: error_of(project, kind.__name__)["kind"] for kind in KINDS} == KINDS
    assert all(error_of(project, kind.__name__)["hint"] for kind in KINDS)
    expect_other_host_fine(project)


def test_a_stall_in_mid_command_ends_by_the_keepalive_and_holds_nobody(
    stall: tuple[Project, Begun, float],
) -> None:
    project, begun, since = stall
    begun.end(120).expect(4, "the connection to el10 was lost")
    assert error_of(project, "el10")["kind"] == "connection-lost"
    assert begun.ended_at - since < 30 + 15  # six unanswered keepalives, 5 s apart
    expect_other_host_fine(project)
