"""Both ends of the shards: the controller with played shards, and a real shard with played hosts."""

import json
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from provision.converge import shards
from provision.converge.shards import NOT_BEGUN, Job, open_desk
from provision.model import Host, Session
from provision.ssh import remote


def jobs(*names: str) -> tuple[Job, ...]:
    return tuple(Job(name, {"name": name}) for name in names)


def shard(run_dir: Path, answers: Callable[[str], bool] = lambda name: True) -> list[str]:
    """Connect, and answer each job; stop where ``answers`` returns False."""
    seen: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        try:
            link.connect(str(run_dir / "shards"))
        except ConnectionRefusedError:  # the other shard did it all
            return seen
        for line in link.makefile("rb"):
            name = json.loads(line)["session"]["name"]
            seen.append(name)
            if not answers(name):
                return seen
            link.sendall(json.dumps({"host": name, "result": {}}).encode() + b"\n")
    return seen


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], str]], None]:
    """Return a function that puts ``played`` shards, and what Ansible says, in the place of Ansible."""

    def play(played: Callable[[Path], str]) -> None:
        @contextmanager
        def playing(run_dir: Path, _: int, on_end: Any, __: Any) -> Iterator[None]:
            thread = threading.Thread(target=lambda: on_end(played(run_dir), None))
            # The real one takes half a second until a shard connects.
            threading.Timer(0.05, thread.start).start()
            yield
            time.sleep(0.06)
            thread.join(10)
            assert not thread.is_alive()

        monkeypatch.setattr(shards, "playing", playing)

    return play


@pytest.fixture
def walk(play: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def walk(
        played: Callable[[Path], str], given: Any, cancelled: Callable[[], bool] = lambda: False
    ) -> dict[str, Any]:
        play(played)
        found: Future[dict[str, Any]] = Future()

        def all_the_way() -> None:
            try:
                with open_desk(tmp_path, 2, cancelled) as desk:
                    found.set_result(dict(desk.answers(given, 2)))
            except Exception as error:
                found.set_exception(error)

        # A host without an end would be waited for without a limit.
        threading.Thread(target=all_the_way, daemon=True).start()
        return found.result(30)

    return walk


def two(run_dir: Path, *more: Any) -> str:
    threads = [threading.Thread(target=shard, args=(run_dir, *more)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ""


def test_every_host_is_driven_once_and_answered(walk: Any) -> None:
    found = walk(two, jobs(*"abcdefgh"))
    assert sorted(found) == list("abcdefgh")
    assert all(answer["result"] == {} for answer in found.values())


def test_the_hosts_are_shared_out_evenly(walk: Any) -> None:
    came, both = [], threading.Barrier(2)

    def hold(name: str) -> bool:
        came.append((threading.get_ident(), name))
        both.wait(10)
        return True

    walk(lambda place: two(place, hold), jobs(*"abcd"))
    assert len({thread for thread, _ in came[:2]}) == 2


def test_a_host_is_driven_as_soon_as_it_comes(walk: Any) -> None:
    first_is_driven = threading.Event()

    def given() -> Iterator[Job]:
        yield from jobs("a")
        assert first_is_driven.wait(10)
        yield from jobs("b")

    def driven(name: str) -> bool:
        first_is_driven.set()
        return True

    assert set(walk(lambda place: two(place, driven), given())) == {"a", "b"}


def test_a_shard_that_dies_leaves_only_its_own_hosts_unknown(walk: Any) -> None:
    found = walk(lambda place: two(place, lambda name: name != "b"), jobs(*"abcd"))
    assert set(found) == set("abcd")
    assert found["b"] is None
    assert found["a"] is not None


def test_without_a_shard_all_are_unknown_with_what_ansible_said(walk: Any) -> None:
    def given() -> Iterator[Job]:
        yield from jobs("a")
        time.sleep(0.3)
        yield from jobs("late")

    assert walk(lambda place: "ERROR! no such plugin", given()) == {"a": NOT_BEGUN, "late": NOT_BEGUN}


def test_the_same_shards_take_hosts_until_the_end_of_the_run(tmp_path: Path, play: Any) -> None:
    play(two)
    with open_desk(tmp_path, 2, lambda: False) as desk:
        rounds = [dict(desk.answers(jobs(*names), len(names))) for names in ("ab", "c", "")]
    assert [sorted(found) for found in rounds] == [["a", "b"], ["c"], []]


def test_what_a_host_is_doing_is_passed_on_at_once(tmp_path: Path, play: Any) -> None:
    seen: list[tuple[str, str]] = []
    is_seen = threading.Event()

    def tells(run_dir: Path) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.connect(str(run_dir / "shards"))
            link.makefile("rb").readline()
            for name in ("a", "not a host of this shard"):
                link.sendall(json.dumps({"host": name, "step": "packages"}).encode() + b"\n")
            assert is_seen.wait(10)
            link.sendall(json.dumps({"host": "a", "result": {}}).encode() + b"\n")
        return ""

    def on_step(name: str, words: str) -> None:
        seen.append((name, words))
        is_seen.set()

    play(tells)
    with open_desk(tmp_path, 1, lambda: False) as desk:
        assert list(dict(desk.answers(jobs("a"), 1, on_step))) == ["a"]
    assert seen == [("a", "packages")]


def test_after_the_end_of_ansible_no_further_host_is_begun(tmp_path: Path, play: Any) -> None:
    play(lambda run_dir: shard(run_dir, lambda name: name != "b") and "ERROR! no memory")
    with open_desk(tmp_path, 1, lambda: False) as desk:
        assert dict(desk.answers(jobs("a", "b"), 2)) == {"a": {"host": "a", "result": {}}, "b": None}
        assert dict(desk.answers(jobs("c"), 1)) == {"c": NOT_BEGUN}
        assert desk.said == "ERROR! no memory"


def test_a_host_with_an_answer_is_not_driven(walk: Any) -> None:
    found = walk(two, (Job("a", answer={"error": {"kind": "bad-variable"}}), *jobs("b")))
    assert found["a"] == {"error": {"kind": "bad-variable"}}


def test_an_error_while_hosts_are_taken_is_raised(walk: Any) -> None:
    def given() -> Iterator[Job]:
        yield from jobs("a")
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        walk(two, given())


def test_a_stopped_run_waits_for_no_host(walk: Any) -> None:
    stopped = threading.Event()

    def hang(name: str) -> bool:
        stopped.set()
        return threading.Event().wait(0.5)

    def of_shard(place: Path) -> str:
        shard(place, hang)
        return ""

    assert walk(of_shard, jobs("a", "b"), stopped.is_set) == {"a": None, "b": NOT_BEGUN}


# A real shard whose hosts answer at once, or never; no ssh runs.
SHARD = """
import os, pathlib, sys, time
from provision.ssh import hostcode, remote, shard
os.setsid()
hostcode.over_session = lambda session, request, _: ("", "") if request == "quick" else time.sleep(60)
remote.end_master = lambda session: print("ended", session.host.name, flush=True)
shard.work(pathlib.Path(sys.argv[1]))
"""


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_shard_ends_with_its_controller_and_ends_its_masters(tmp_path: Path, is_reset: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "shards"))
        server.listen()
        argv = [sys.executable, "-c", SHARD, str(tmp_path)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        link, _ = server.accept()
        for name, request in (("web1", "slow"), ("web2", "quick")):
            row = remote.to_row(Session(Host(name, "192.0.2.1"), tmp_path))
            link.sendall(json.dumps({"session": row, "request": request}).encode() + b"\n")
        assert select.select([link], [], [], 20)[0]
        if not is_reset:  # an unread answer makes the end of a socket a reset
            assert b"web2" in link.recv(1 << 16)
        link.close()
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("ended web1\n", -signal.SIGKILL)
