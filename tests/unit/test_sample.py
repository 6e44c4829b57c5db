"""The sample program: its bytes are those of its source, and each verb does what it says."""

import hashlib
import http.client
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision import sample

HERE = Path(sample.__file__).parent
COMPILER = "12.2.0"

NAMESERVER = r"""
import socket, subprocess, sys, threading
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
def answer():
    question, asker = server.recvfrom(600)
    known = b"\x05store\x04test\x00\x00\x01\x00\x01" in question
    alias = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x07\x04real\xc0\x12"
    address = b"\xc0\x28\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xcb\x00\x71\x2a"
    flags, count = (b"\x81\x80", 2) if known else (b"\x81\x83", 0)
    head = question[:2] + flags + b"\x00\x01" + bytes([0, count]) + b"\x00\x00\x00\x00"
    server.sendto(head + question[12:] + (alias + address if known else b""), asker)
threading.Thread(target=answer, daemon=True).start()
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""


@pytest.fixture(params=sample.MACHINES)
def command(request: pytest.FixtureRequest) -> list[str]:
    """The program for each machine; the foreign one through qemu's user mode."""
    path = str(HERE / f"sample-{request.param}")
    if request.param == platform.machine():
        return [path]
    emulator = shutil.which(f"qemu-{request.param}")
    if not emulator:
        pytest.skip(f"qemu-{request.param} is not installed (Debian package qemu-user)")
    return [emulator, path]


def run(command: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *words], capture_output=True, text=True, timeout=20, check=False)


def test_the_programs_have_the_recorded_sums() -> None:
    lines = (HERE / "SHA256SUMS").read_text().splitlines()
    recorded = {name: digest for digest, name in (line.split() for line in lines)}
    found = {f"sample-{m}": hashlib.sha256(sample.program(m)).hexdigest() for m in sample.MACHINES}
    assert found == recorded


def test_the_source_builds_to_the_same_bytes(tmp_path: Path) -> None:
    for machine in sample.MACHINES:
        compiler = shutil.which(f"{machine}-linux-gnu-gcc")
        if not compiler:
            pytest.skip(f"no {machine}-linux-gnu-gcc (see tests/debian-packages.txt)")
        version = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, check=True)
        if version.stdout.strip() != COMPILER:
            pytest.skip(f"the sums are of gcc {COMPILER}, this is {version.stdout.strip()}")
    subprocess.run([HERE / "build", tmp_path], check=True)
    for machine in sample.MACHINES:
        assert (tmp_path / f"sample-{machine}").read_bytes() == sample.program(machine)


def test_the_source_stays_under_300_lines() -> None:
    assert len((HERE / "sample.c").read_text().splitlines()) < 300


def test_the_program_needs_no_library() -> None:
    for machine in sample.MACHINES:
        assert b"ld-linux" not in sample.program(machine)


def test_print_writes_the_words(command: list[str]) -> None:
    done = run(command, "print", "hello", "world")
    assert (done.returncode, done.stdout) == (0, "hello world\n")


def test_exit_ends_with_the_code(command: list[str]) -> None:
    assert run(command, "exit", "42").returncode == 42


@pytest.mark.parametrize("words", [[], ["exit"], ["exit", "x"], ["exit", "9999999999"], ["dance", "1"]])
def test_wrong_arguments_are_said_and_end_with_64(command: list[str], words: list[str]) -> None:
    done = run(command, *words)
    assert done.returncode == 64
    assert done.stderr


def test_sleep_waits(command: list[str]) -> None:
    start = time.monotonic()
    assert run(command, "sleep", "1").returncode == 0
    assert time.monotonic() - start >= 1


def states(command: list[str], *arguments: str) -> str:
    """Return the states of a program seen within a second (proc(5): R runs or wants to, S sleeps)."""
    with subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL) as process:
        time.sleep(0.5)
        stat = Path(f"/proc/{process.pid}/stat")
        seen = []
        for _ in range(20):
            seen.append(stat.read_text().rpartition(")")[2].split()[0])
            time.sleep(0.02)
        process.kill()
    return "".join(seen)


def test_spin_always_wants_a_processor_and_sleep_never(command: list[str]) -> None:
    # the state holds on a busy machine too, where the time that a program gets does not
    assert states(command, "spin", "9").count("R") >= 15
    assert states(command, "sleep", "9").count("S") >= 15


def test_eat_uses_the_memory(command: list[str]) -> None:
    done = run(command, "eat", "8")
    assert (done.returncode, done.stdout) == (0, "8 MB eaten\n")


def test_eat_ends_with_one_when_there_is_no_memory(command: list[str]) -> None:
    limited = ["sh", "-c", 'ulimit -v 4000000; exec "$@"', "sh", *command]
    assert run(limited, "eat", "8000").returncode == 1


@pytest.fixture
def port(command: list[str]) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    with subprocess.Popen([*command, "serve", str(number), "a-token"]) as server:
        yield number
        server.terminate()
        assert server.wait(10) == 0


def fetch(port: int) -> str:
    for _ in range(50):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            return connection.getresponse().read().decode()
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise AssertionError("the program does not listen")


def test_serve_answers_with_host_name_and_token_and_ends_on_sigterm(port: int) -> None:
    want = f"{socket.gethostname()} a-token\n"
    assert [fetch(port), fetch(port)] == [want, want]


def resolve(command: list[str], name: str, conf: Path) -> subprocess.CompletedProcess[str]:
    """Run ``resolve`` in namespaces where ``conf`` is /etc/resolv.conf and our server its nameserver."""
    inside = 'ip link set lo up && mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@"'
    if not Path("/etc/resolv.conf").exists() or not shutil.which("ip"):
        pytest.skip("needs /etc/resolv.conf and ip")
    namespaces = ["unshare", "--map-root-user", "--mount", "--net"]
    if subprocess.run([*namespaces, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no namespaces")
    words = ["sh", "-c", inside, str(conf), "python3", "-c", NAMESERVER, *command, "resolve", name]
    return run(namespaces, *words)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "resolv.conf"
    path.write_text("# nameserver 192.0.2.1\nsearch test\nnameserver ::1\nnameserver 127.0.0.1\n")
    return path


def test_resolve_follows_an_alias_to_the_address(command: list[str], conf: Path) -> None:
    done = resolve(command, "store.test", conf)
    assert (done.returncode, done.stdout) == (0, "203.0.113.42\n"), done.stderr


def test_resolve_tells_that_a_name_is_unknown(command: list[str], conf: Path) -> None:
    done = resolve(command, "nobody.test", conf)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no address" in done.stderr


def test_resolve_tells_that_there_is_no_nameserver(command: list[str], conf: Path) -> None:
    conf.write_text("search test\n")
    assert "no IPv4 nameserver" in resolve(command, "store.test", conf).stderr
