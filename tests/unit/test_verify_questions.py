"""Many questions in one command, their backend, and what a process reports to its parent."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.checks import backend, reporter
from provision.checks.questions import NO_ANSWER, Answer, Questions
from provision.checks.reach import reach, why_apart
from provision.errors import CommandTimedOut, ConnectionLost
from provision.model import Host, Session
from provision.ssh import remote


def ask(questions: Questions, shell: str = "sh") -> dict[str, Answer]:
    done = subprocess.run([shell, "-c", questions.script()], capture_output=True, text=True, check=True)
    return questions.answers(done.stdout)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_each_question_has_its_own_output_and_exit_code(shell: str) -> None:
    commands = {"a": "echo one; echo two >&2", "b": "exit 7", "c": "printf 'no end of line'", "d": "cat"}
    assert ask(Questions(commands), shell) == {
        "a": Answer(0, "one\ntwo\n"),
        "b": Answer(7, ""),
        "c": Answer(0, "no end of line"),
        "d": Answer(0, ""),
    }


def test_what_stands_before_serves_all_questions() -> None:
    assert ask(Questions({"a": "f", "b": "f"}, before="f() { echo $0; }"))["b"].ok


def test_a_question_cannot_change_the_next_one() -> None:
    assert ask(Questions({"a": "cd /; x=1; exit 3", "b": "echo ${x:-unset}"}))["b"].text == "unset\n"


def test_a_script_that_ends_early_leaves_the_rest_without_answer() -> None:
    questions = Questions({"a": "echo here", "b": "echo never"})
    output = f"\n{questions.mark} a\nhere\n\n{questions.mark} = 0\n\n{questions.mark} b\nnev"
    assert questions.answers(output) == {"a": Answer(0, "here\n"), "b": NO_ANSWER}


@given(st.text())
def test_output_that_is_noise_gives_no_answer_and_no_error(noise: str) -> None:
    assert Questions({"a": "true"}).answers(noise) == {"a": NO_ANSWER}


def test_the_last_line_of_an_answer_is_the_one_that_says_something() -> None:
    assert Answer(1, "first\n  why  \n\n").last_line == "why"
    assert Answer(3, " \n").last_line == "exit code 3"
    told = "docker: Error response from daemon: No such image: nope:latest"
    for hint in ("Run 'docker run --help' for more information", "See 'docker run --help'."):
        assert Answer(125, f"{told}\n\n{hint}\n").last_line == told


SESSION = Session(Host("web1", "192.0.2.1"), Path("/nowhere"))


def test_the_backend_gives_testinfra_what_came_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bytes, float]] = []

    def run(
        session: Session, command: str, *, stdin: bytes, timeout_s: float, cap_bytes: int
    ) -> remote.Completed:
        asked.append((command, stdin, timeout_s))
        return remote.Completed(3, b"caf\xc3\xa9 \xff", b"no")

    monkeypatch.setattr(remote, "run", run)
    result = backend.host_of(SESSION).run("ls -l %s", "a b", stdin=b"x", timeout_s=7)
    assert (result.rc, result.stdout, result.stderr) == (3, "caf\u00e9 \ufffd", "no")
    assert asked == [("ls -l 'a b'", b"x", 7.0)]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, ""),
        (AssertionError("want on, is off\nmore"), "want on, is off"),
        (AssertionError(), "AssertionError"),
        (pytest.skip.Exception("no such thing"), "no such thing"),
        (CommandTimedOut("no end in 30 s on web1"), "no end in 30 s on web1"),
        (ConnectionLost("lost"), "lost"),
        (KeyError("x"), "KeyError: 'x'"),
        (AssertionError("x" * 9999), "x" * reporter.DETAIL_CAP),
    ],
)
def test_an_error_is_told_in_one_line(error: BaseException | None, line: str) -> None:
    assert reporter.detail(error) == line


@pytest.fixture
def page() -> Iterator[tuple[socket.socket, str]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, str(server.getsockname()[1])


def answer_once(server: socket.socket, text: bytes) -> None:
    client, _ = server.accept()
    with client:
        client.recv(1000)
        client.sendall(text)


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host on this machine, which is otherwise taken for one behind a forwarded port."""
    monkeypatch.setattr("provision.checks.reach.why_apart", lambda host, address: "")
    return Host("web1", "127.0.0.1")


def test_the_controller_reads_the_page(near: Host, page: tuple[socket.socket, str]) -> None:
    server, port = page
    threading.Thread(target=answer_once, args=(server, b"HTTP/1.0 200 OK\r\n\r\nweb1 t0ken\n")).start()
    assert reach(near, "0.0.0.0", port).answer == "web1 t0ken\n"


def test_a_port_that_says_nothing_is_lost(near: Host, page: tuple[socket.socket, str]) -> None:
    reached = reach(near, "0.0.0.0", page[1], timeout_s=0.2)
    assert (reached.answer, reached.is_lost) == ("", True)
    assert "timed out" in reached.error


def test_a_refused_port_is_no_lost_packet(near: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    reached = reach(near, "0.0.0.0", port)
    assert (reached.is_lost, reached.apart) == (False, "")
    assert "refused" in reached.error


def test_a_service_without_a_port_is_not_asked(near: Host) -> None:
    assert reach(near, "", "").error == "no published port"


@pytest.mark.parametrize(
    ("host", "address", "reason"),
    [
        (Host("web1", "10.0.0.1", jump="bastion"), "0.0.0.0", "through bastion"),
        (Host("web1", "127.0.0.1", port=2222), "0.0.0.0", "a forwarded port of 127.0.0.1"),
        (Host("web1", "localhost", port=2222), "0.0.0.0", "a forwarded port of localhost"),
        (Host("web1", "203.0.113.1"), "127.0.0.1", "publishes ports on 127.0.0.1 only"),
    ],
)
def test_a_host_apart_is_not_asked_and_the_reason_is_told(host: Host, address: str, reason: str) -> None:
    assert reason in why_apart(host, address)
    assert reach(host, address, "80").apart == why_apart(host, address)


@pytest.mark.parametrize("address", ["203.0.113.1", "2001:db8::1", "web1.example"])
def test_a_host_of_the_network_is_asked(address: str) -> None:
    assert why_apart(Host("web1", address), "0.0.0.0") == ""
