"""Trust and secrets on the road: pins of several types, jump hosts, {secret: NAME}, sudo, the audit."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from provision.lab import Lab, LabHost
from provision.lab import host as lab_hosts
from provision.lab.processes import command_lines, in_namespace
from tests.lab.conftest import BIN, NewProject, Project
from tests.lab.test_connect import lines_of_sshd
from tests.lab.test_errors import error_of, wait_until
from tests.lab.test_road import in_host

PROXY = "http://canary:Pr0xy-canary-7@proxy.example:3128"
REGISTRY = "Reg1stry-canary-9"
AUTHENTICATED = re.compile(r"Accepted|Failed|authenticating user|Postponed")


def audit(project: Project) -> list[dict[str, str]]:
    path = project.path / ".provision/audit.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    return [json.loads(line) for line in path.read_text().splitlines()]


def memory_holds(pids: list[int], text: bytes) -> list[str]:
    """Search the writable memory of processes, from outside their host; return those that hold the text."""
    return [name for pid in pids if (name := holder(pid, text))]


def holder(pid: int, text: bytes) -> str:
    with suppress(OSError), open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            with suppress(OSError, OverflowError, ValueError):
                memory.seek(begin)
                if line.split()[1].startswith("rw") and text in memory.read(end - begin):
                    return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def pids_of(host: LabHost) -> list[int]:
    leader = lab_hosts.leader(host.directory)
    assert leader
    return in_namespace(leader)


def behind(project: Project, jump: str, target: str) -> None:
    project.hosts[target]["jump_host"] = jump
    project.write()


def password_of(lab: Lab, name: str) -> str:
    password = lab.host(name).password
    assert password
    return password.reveal()


@contextmanager
def remembered(lab: Lab, name: str, text: str) -> Iterator[None]:
    """Start a process on the host that has ``text`` in its memory."""
    program = "import sys, time; word = sys.stdin.read(); open('/run/holds', 'w'); time.sleep(60)"
    leader = str(lab_hosts.leader(lab.host(name).directory))
    argv = [
        "nsenter",
        "--all",
        "--target",
        leader,
        "sh",
        "-c",
        'echo $$ > /run/holder; exec python3 -c "$0"',
        program,
    ]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE)
    assert process.stdin
    process.stdin.write(text.encode())
    process.stdin.close()
    try:
        wait_until(lambda: in_host(lab, name, "ls /run/holds 2>/dev/null") != "")
        yield
    finally:
        in_host(lab, name, "kill $(cat /run/holder); rm -f /run/holder /run/holds")
        process.wait(30)


def test_a_jump_host_never_holds_the_password_of_its_target(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el4", "el5")
    behind(project, "el4", "el5")
    secret = password_of(lab, "el5").encode()
    assert secret != password_of(lab, "el4").encode()
    shell = subprocess.Popen(
        [str(BIN / "fab"), "hosts.shell", "el5"], cwd=project.path,
        env=project.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert shell.stdin
        assert shell.stdout
        shell.stdin.write(b"hostname\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == b"el5\n"
        assert memory_holds(pids_of(lab.host("el4")), secret) == []
        with remembered(lab, "el4", secret.decode()):
            assert memory_holds(pids_of(lab.host("el4")), secret) != []  # the search finds what is there
    finally:
        shell.communicate(b"exit\n", timeout=60)
    log = in_host(lab, "el4", "journalctl -b --no-pager; cat /var/log/* 2>/dev/null")
    assert "Accepted password for root" in log
    assert secret.decode() not in log


def test_a_jump_host_with_another_key_gets_no_password(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el4", "el5")
    behind(project, "el4", "el5")
    project.pin("el4", lab.host("el6"))
    before = {name: len(lines_of_sshd(lab, name)) for name in ("el4", "el5")}
    done = project.fab("hosts.ping", "el5")
    done.expect(4)
    assert error_of(project, "el5")["kind"] == "jump-failed"
    assert not AUTHENTICATED.search("\n".join(lines_of_sshd(lab, "el4")[before["el4"] :]))
    assert lines_of_sshd(lab, "el5")[before["el5"] :] == []


def test_a_jump_host_on_which_no_sshd_listens_is_named(new_project: NewProject) -> None:
    project = new_project("el4", "el5")
    project.hosts["el4"]["ansible_port"] = 2222
    behind(project, "el4", "el5")
    done = project.fab("hosts.ping", "el5")
    done.expect(4, "el5 is reached through el4, and the login there failed")


def test_all_pins_are_compared_without_logging_in(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el4", "el5", "el6")
    project.pin("el5", lab.host("el4"))
    project.hosts |= {"new": {"ansible_host": lab.host("el6").address}}
    project.hosts |= {"gone": {"ansible_host": f"198.18.{lab.subnet}.250"}}
    behind(project, "el4", "el6")
    project.pin("gone", lab.host("el4"))
    before = {name: len(lines_of_sshd(lab, name)) for name in ("el5", "el6")}
    done = project.fab("hosts.trust", "all", "--check")
    assert done.rc == 4 | 8, done.out + done.err
    rows = {line.split()[0]: line for line in done.out.splitlines()}
    assert "shows its pin" in rows["el4"]
    assert "shows its pin" in rows["el6"]
    assert "--replace SHA256:" in rows["el5"]
    assert "fab hosts.trust new" in rows["new"]
    assert set(rows) == {"el4", "el5", "el6", "new", "gone"}
    for name in before:
        assert not re.search("Accepted|Failed", "\n".join(lines_of_sshd(lab, name)[before[name] :]))
    results = {line["host"]: line["result"] for line in audit(project)}
    assert (results["el4"], results["el5"], results["new"]) == (
        "done",
        "changed-host-key",
        "unknown-host-key",
    )


@pytest.fixture
def many_keys(lab: Lab) -> Iterator[str]:
    """Add an RSA key to el4; return what its console shows after the first boot."""
    drop_in, scan = "/etc/ssh/sshd_config.d/60-rsa.conf", "ssh-keyscan -t rsa localhost 2>/dev/null"
    make = "ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/ssh_host_rsa_key"
    in_host(lab, "el4", f"{make}; echo HostKey /etc/ssh/ssh_host_rsa_key > {drop_in}; systemctl reload ssh")
    wait_until(lambda: in_host(lab, "el4", scan) != "", 10)
    keys = in_host(lab, "el4", "cat /etc/ssh/ssh_host_*_key.pub")
    yield f"el4 login: \n-----BEGIN SSH HOST KEY KEYS-----\n{keys}-----END SSH HOST KEY KEYS-----\n"
    in_host(lab, "el4", f"rm /etc/ssh/ssh_host_rsa_key* {drop_in}; systemctl reload ssh")
    wait_until(lambda: in_host(lab, "el4", scan) == "", 10)


def test_a_consoles_export_pins_each_key_type_and_any_of_them_is_accepted(
    lab: Lab, new_project: NewProject, many_keys: str
) -> None:
    project = new_project("el4")
    pins = project.path / "inventory/known_hosts"
    pins.unlink()
    (project.path / "console.txt").write_text(many_keys)
    done = project.fab("hosts.trust", "el4", "--from-file", "console.txt")
    done.expect(0)
    assert {line.split()[1] for line in pins.read_text().splitlines()} == {"ssh-ed25519", "ssh-rsa"}
    assert pins.read_text().count("trust=console") == 2
    project.fab("hosts.ping", "el4").expect(0)
    only_rsa = [line for line in pins.read_text().splitlines() if " ssh-rsa " in line]
    pins.write_text("\n".join([*only_rsa, ""]))
    project.fab("hosts.ping", "el4").expect(0)
    assert "shows its pin, ssh-rsa" in project.fab("hosts.trust", "el4", "--check").out
    fingerprint = project.fab("hosts.trust", "el4").out.split()[2].rstrip(",")
    pins.unlink()
    project.fab("hosts.trust", "el4", "--fingerprint", fingerprint).expect(0)
    assert " ssh-rsa " in pins.read_text()


def test_sudo_with_password_and_requiretty_provisions_a_host_with_secrets(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project(
        "el8",
        docker_engine_daemon_options={"proxies": {"http-proxy": {"secret": "proxy"}}},
        docker_engine_registry_logins={"r.example:5000": {"username": "ci", "password": {"secret": "reg"}}},
    )
    project.hosts["el8"] |= {"ansible_user": "ops", "ansible_become": True}
    project.write()
    project.store("el8", password_of(lab, "el8"), "sudo")
    missing = project.fab("plan")
    missing.expect(8)
    assert project.fab("hosts.ping", "el8").rc == 0  # nobody is kept out for want of it
    assert "fab credentials.set all --kind secret/" in " ".join(missing.out.split())
    project.store("all", PROXY, "secret/proxy")
    project.store("el8", REGISTRY, "secret/reg")
    in_host(lab, "el8", "echo 'Defaults requiretty' > /etc/sudoers.d/00-tty; chmod 440 /etc/sudoers.d/00-tty")
    try:
        walk(lab, project)
    finally:
        in_host(lab, "el8", "rm /etc/sudoers.d/00-tty")


def walk(lab: Lab, project: Project) -> None:
    """Plan, provision, look, change a secret, and take all of it away again."""
    outputs = [project.fab("plan", "--diff")]
    outputs.append(project.fab("provision"))
    assert outputs[-1].rc == 0, outputs[-1].out + outputs[-1].err
    assert len([check for check in project.host_report("el8")["checks"] if check["passed"]]) >= 20
    assert PROXY in in_host(lab, "el8", "cat /etc/docker/daemon.json")
    modes = in_host(lab, "el8", "stat -c %a /etc/docker/daemon.json /root/.docker/config.json").split()
    assert modes == ["600", "600"]
    outputs.append(project.fab("plan", "--diff"))
    assert "1 up to date" in outputs[-1].out
    project.store("all", PROXY.replace("7@", "8@"), "secret/proxy")
    outputs.append(project.fab("plan", "--diff"))
    assert "(secret changed)" in outputs[-1].out
    outputs.append(project.fab("hosts.undo", "el8", "--plan"))
    removed = project.fab("uninstall", "--limit", "el8", "--yes")
    removed.expect(0)
    outputs.append(removed)
    assert in_host(lab, "el8", "ls /root/.docker/config.json /etc/docker/daemon.json 2>/dev/null") == ""
    said = "".join(done.out + done.err for done in outputs)
    kept = subprocess.run(
        ["grep", "-raE", "canary|UmVnMXN0", project.path / ".provision"], capture_output=True
    )
    host = "grep -rlaE 'r0xy-canary|eg1stry-canary' /var/log /run /tmp /var/tmp /home /etc 2>/dev/null"
    assert "canary" not in said
    assert kept.stdout == b""
    assert in_host(lab, "el8", host) == ""
    assert "canary" not in in_host(lab, "el8", "journalctl -b --no-pager")


def test_every_host_of_a_run_is_audited_before_it_is_touched_and_after(new_project: NewProject) -> None:
    project = new_project("el4", "el6")
    own = ("--stdin", "--replace")
    project.fab("credentials.set", "el4", *own, stdin="not the password\n").expect(0)
    project.fab("hosts.ping", "all").expect(2)
    lines = [line for line in audit(project) if line["verb"] == "ping"]
    assert [(line["host"], line["result"]) for line in lines] == [
        ("el4", "begun"), ("el6", "begun"), ("el4", "login-refused"), ("el6", "ok")
    ]  # fmt: skip
    assert {line["run"] for line in lines} == {project.report()["run"]}
    assert all(line["fingerprint"].startswith("SHA256:") for line in lines)
    project.fab("hosts.shell", "el6", stdin="true\n").expect(0)
    shell = audit(project)[-1]
    assert (shell["verb"], shell["host"], shell["result"]) == ("hosts.shell", "el6", "done")
    assert shell["fingerprint"] == lines[1]["fingerprint"]
    stored = next(line for line in audit(project) if line["verb"].startswith("credentials"))
    assert (stored["verb"], stored["host"], stored["result"]) == (
        "credentials.set password",
        "host/el4",
        "done",
    )
    text = (project.path / ".provision/audit.jsonl").read_text()
    assert "not the password" not in text


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_run_directory_is_gone_in_every_ending(
    new_project: NewProject, tmp_path_factory: pytest.TempPathFactory, sign: signal.Signals
) -> None:
    place = tmp_path_factory.mktemp("run")
    project = new_project("el4")
    process = project.start("plan", XDG_RUNTIME_DIR=str(place))
    wait_until(lambda: list(place.glob("provision-*/masters")))
    os.kill(process.pid, sign)
    out, err = process.communicate(timeout=60)
    project.expect_clean(out + err)
    assert process.returncode in (-sign, 128 + sign)
    if sign == signal.SIGKILL:
        wait_until(lambda: not any(str(place) in word for _, words in command_lines() for word in words))
        project.fab("hosts.ping", "el4", XDG_RUNTIME_DIR=str(place)).expect(0)
    assert list(place.iterdir()) == []
