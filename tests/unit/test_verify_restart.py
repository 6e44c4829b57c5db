"""The shell of the sample container's life, on a host whose programs are stand-ins."""

import fcntl
import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from provision.checks import container

HARMLESS = {
    "docker": 'case "$*" in *" ps "*) echo provision-check-t0ken-serves ;; *" info "*) echo inactive ;; esac',
    "systemctl": 'case $1 in show) printf "RequiredBy=\\nConsistsOf=docker.socket\\n" ;; '
    "restart) touch done ;; is-active) echo active ;; esac",
    "pgrep": 'case "$*" in "-x dockerd(-current)?") cat engine ;; *) exit 1 ;; esac',
    "dockerd": "echo configuration OK",
}


class Stage:
    """A directory with stand-in programs, in which steps of container.sh run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "bin").mkdir()
        (path / "engine").write_text(str(os.getpid()))
        for name, text in HARMLESS.items():
            self.put(name, text)

    def put(self, name: str, text: str) -> None:
        program = self.path / "bin" / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)

    def run(self, step: str, before: str = "", shell: str = "sh") -> tuple[int, str]:
        before = f'directory="{self.path}"; lock="{self.path}/lock"; : >>look; {before}'
        questions = container.script("t0ken", (step,), before)
        environment = os.environ | {"PATH": f"{self.path}/bin:{os.environ['PATH']}"}
        ran = subprocess.run(
            [shell, "-c", questions.script()], env=environment, cwd=self.path, capture_output=True, text=True,
            timeout=60, check=True,
        )  # fmt: skip
        answer = questions.answers(ran.stdout)[step]
        return answer.rc, answer.text.strip()

    @property
    def is_restarted(self) -> bool:
        return (self.path / "done").exists()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_engine_is_restarted_where_nothing_else_runs(stage: Stage, shell: str) -> None:
    assert stage.run("restart_engine", shell=shell) == (0, "")
    assert stage.is_restarted


PS = 'case "$*" in *" ps "*) {} ;; *" info "*) echo {} ;; esac'
OTHERS = 'printf "provision-check-t0ken-serves\\ndb\\nprovision-check-other-serves\\n"'
BOUND = (
    'case $1 in show) printf "RequiredBy=app.service old.service\\n" ;; restart) touch done ;; *) {} ;; esac'
)


@pytest.mark.parametrize(
    ("program", "text", "reason"),
    [
        ("docker", PS.format(OTHERS, "inactive"), "a restart would disturb the 2 other containers that run"),
        ("docker", PS.format("exit 1", "inactive"), "the engine cannot say what runs"),
        ("docker", PS.format("true", "active"), "the engine is part of a Swarm"),
        ("docker", PS.format("true", "; exit 1"), "the engine does not answer"),
        (
            "systemctl",
            BOUND.format('[ "$2" = app.service ] && echo active || echo inactive'),
            "a restart would stop app.service",
        ),
        ("systemctl", BOUND.format("echo reloading"), "a restart would stop app.service old.service"),
        (
            "pgrep",
            'case "$*" in "-x dockerd(-current)?") cat engine ;; *docker*build*) echo 7 ;; *) exit 1 ;; esac',
            "a restart would end a build that is running",
        ),
        (
            "pgrep",
            'case "$*" in "-x dockerd(-current)?") cat engine ;; *executor*) echo 7 ;; *) exit 1 ;; esac',
            "a restart would end a build that is running",
        ),
        (
            "dockerd",
            "echo first; echo unable to configure >&2; exit 1",
            "the engine would not start again: unable to configure",
        ),
    ],
)
def test_the_engine_is_not_restarted_where_it_would_disturb(
    stage: Stage, program: str, text: str, reason: str
) -> None:
    stage.put(program, text)
    assert stage.run("restart_engine") == (container.REFUSED, reason)
    assert not stage.is_restarted


def test_the_engine_is_not_restarted_while_another_run_holds_the_lock(stage: Stage) -> None:
    with (stage.path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        reason = "another run is at work on this host"
        assert stage.run("restart_engine") == (container.REFUSED, reason)
    assert not stage.is_restarted
    assert stage.run("restart_engine") == (0, "")
    assert (stage.path / "lock").stat().st_size == 0


def test_the_engine_is_not_restarted_while_another_run_checks(stage: Stage) -> None:
    with tempfile.TemporaryDirectory(prefix="provision-check-", dir=stage.path.parent) as other:
        janitor = subprocess.Popen(["sleep", "30"])
        (Path(other) / "janitor").write_text(f"{janitor.pid}\n")
        assert stage.run("restart_engine") == (container.REFUSED, "another run checks this host")
        janitor.kill()
        janitor.wait()
        assert stage.run("restart_engine") == (0, "")


def test_an_engine_too_old_to_validate_is_restarted(stage: Stage) -> None:
    stage.put("dockerd", "echo unknown flag: --validate >&2; exit 125")
    assert stage.run("restart_engine") == (0, "")


def test_dockerd_validates_with_the_command_line_of_the_engine_that_runs(stage: Stage) -> None:
    stage.put("dockerd", 'echo "$*" >flags')
    engine = subprocess.Popen(["sleep", "30", "0"])
    (stage.path / "engine").write_text(str(engine.pid))
    assert stage.run("restart_engine") == (0, "")
    engine.kill()
    engine.wait()
    assert (stage.path / "flags").read_text() == "--validate 30 0\n"


@pytest.mark.parametrize(
    ("program", "is_one"),
    [
        (["docker", "build", "."], True),
        (["/usr/bin/docker", "-H", "tcp://x", "image", "build", "."], True),
        (["/usr/libexec/docker/cli-plugins/docker-buildx", "buildx", "bake"], True),
        (["/usr/bin/runc", "--log", "/var/lib/docker/buildkit/executor/runc-log.json", "run"], True),
        (["docker", "run", "builder"], False),
        (["sh", "-c", "docker build"], False),
    ],
)
def test_a_build_is_known_by_its_command_line(program: list[str], is_one: bool) -> None:
    text = (Path(container.__file__).parent / "container.sh").read_text()
    patterns = re.findall(r"pgrep -f '([^']*)'", text)
    assert len(patterns) == 2
    line = " ".join(program)
    found = [subprocess.run(["grep", "-Eq", each], input=line, text=True, check=False) for each in patterns]
    assert any(ran.returncode == 0 for ran in found) == is_one


def test_a_neighbour_entry_of_an_earlier_container_is_flushed_and_no_other(stage: Stage) -> None:
    stage.put("ip", 'echo "$*" >>flushed')
    stage.put("sleep", "exit 0")
    late = "inside() { echo 172.17.0.3; }; serves_token() { [ -e flushed ]; }"
    assert stage.run("here", late) == (0, "")
    assert (stage.path / "flushed").read_text() == "neigh flush to 172.17.0.3\n"


def test_a_port_that_answers_at_once_flushes_nothing(stage: Stage) -> None:
    stage.put("ip", "touch flushed")
    assert stage.run("here", "serves_token() { true; }") == (0, "")
    assert not (stage.path / "flushed").exists()


RULES = """Chain DOCKER (2 references)
    pkts      bytes target     prot opt in     out     source               destination
      12      720 DNAT  tcp  --  !docker0 *  0.0.0.0/0  0.0.0.0/0  tcp dpt:32768 to:172.17.0.3:8080
       9      540 DNAT  tcp  --  !docker0 *  0.0.0.0/0  0.0.0.0/0  tcp dpt:327681 to:172.17.0.4:8080
"""


def test_packets_are_counted_by_the_rule_of_the_port_alone(stage: Stage) -> None:
    stage.put("iptables", f"echo '# Warning: iptables-legacy tables present' >&2; cat <<'END'\n{RULES}END")
    assert stage.run("arrived_before", "port() { echo 32768; }") == (0, "12")
    assert stage.run("arrived_after", "port() { echo 99; }")[0] != 0


def test_without_the_chain_or_without_iptables_nothing_is_known(stage: Stage) -> None:
    stage.put("iptables", "echo No chain/target/match by that name. >&2; exit 1")
    assert stage.run("arrived_before", "port() { echo 32768; }")[0] != 0
    (stage.path / "bin" / "iptables").unlink()
    assert stage.run("arrived_before", "port() { echo 32768; }")[0] != 0
