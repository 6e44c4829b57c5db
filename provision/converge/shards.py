"""The controller's end of the shards: hand hosts out, and take their answers as they come."""

import json
import math
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from provision.converge.play import how_many, playing
from provision.ssh import shard
from provision.ssh.broker import peer_uid

# How often to check whether the run was stopped.
POLL_S = 0.2

Answer = Mapping[str, Any]
# Takes a host's name and a few words about what it is doing.
OnStep = Callable[[str, str], None]
# In place of the answer of a host that was never handed to a shard.
NOT_BEGUN: Answer = {}
# Each host that has ended, with its answer; None for a host without one.
Ended = Generator[tuple[str, Answer | None], None, None]


@dataclass(frozen=True, slots=True)
class Job:
    """One host to drive: the ``row`` of its session, and the ``request`` to its host code.

    With an ``answer`` the host is not driven: that is its answer.
    """

    name: str
    row: Mapping[str, Any] = field(default_factory=dict, hash=False)
    request: Mapping[str, Any] = field(default_factory=dict, hash=False)
    answer: Answer | None = None


def ignore(name: str, words: str) -> None:
    """Ignore a step."""


@contextmanager
def open_desk(run_dir: Path, expected: int, cancelled: Callable[[], bool]) -> Iterator["Desk"]:
    """Start the shards of a run, and yield their Desk; they end with the context.

    ``expected`` is how many hosts may come. Once ``cancelled`` returns True, nothing goes on.
    """
    count = how_many(expected)
    desk = Desk(count, cancelled)
    with playing(run_dir, count, desk.ansible_ended, cancelled), desk.listening(run_dir):
        yield desk


class Desk:
    """Hand jobs to the shards of one run, in one call of ``answers`` after another.

    Threads put events into a queue; everything else is done by the thread that iterates ``answers``. ``said``
    is Ansible's output, once it has ended without success.
    """

    def __init__(self, shards: int, cancelled: Callable[[], bool]) -> None:
        self.said = ""
        self._shards = shards
        self._cancelled = cancelled
        self._events: SimpleQueue[Callable[[], Ended]] = SimpleQueue()
        self._links: list[socket.socket] = []
        self._on_step: OnStep = ignore
        self._waiting: deque[Job] = deque()
        self._at_work: dict[socket.socket, set[str]] = {}
        self._dead: set[socket.socket] = set()
        self._share = 1  # most hosts of one shard at once, so that the first shard does not take them all
        self._has_all = False
        self._has_ansible_ended = False
        self._is_over = False

    def answers(self, jobs: Iterable[Job], expected: int, on_step: OnStep = ignore) -> Ended:
        """Yield each job's name and its answer as soon as it comes; None for a host without one.

        A host that no shard has taken gets NOT_BEGUN. ``expected`` is how many hosts may come. ``on_step`` is
        called with a host's name and what it is doing. Raises what ``jobs`` raises.
        """
        self._on_step = on_step
        self._share, self._has_all = math.ceil(expected / self._shards), False
        with self._taking(jobs):
            try:
                while not (self._has_all and not self._waiting and not any(self._at_work.values())):
                    if self._cancelled():
                        self.end()
                        yield from self._give_up()
                    with suppress(Empty):
                        yield from self._events.get(timeout=POLL_S)()
            except BaseException:
                self.end()
                raise

    def end(self) -> None:
        """Close every shard's socket, which ends it and what is at work there, and in time Ansible."""
        for link in self._links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def ansible_ended(self, said: str, error: Exception | None) -> None:
        """Take what Ansible said, and what was raised, at its end; any thread may call it."""
        self._put(self._ansible_ended)(said, error)

    def _put(self, handle: Callable[..., Ended]) -> Callable[..., None]:
        """Return a function for any thread to call; this thread then calls ``handle`` with the arguments."""
        return lambda *given: self._events.put(lambda: handle(*given))

    def _job(self, job: Job) -> Ended:
        if job.answer is not None or self._is_over:
            yield job.name, NOT_BEGUN if job.answer is None else job.answer
        else:
            self._waiting.append(job)
            self._hand_out()

    def _jobs_ended(self, error: BaseException | None) -> Ended:
        self._has_all = True
        if error:
            raise error
        yield from ()

    def _shard_came(self, link: socket.socket) -> Ended:
        self._at_work[link] = set()
        self._hand_out()
        yield from ()

    def _answered(self, link: socket.socket, row: Mapping[str, Any]) -> Ended:
        name = row["host"]
        if name not in self._at_work.get(link, ()):
            return
        if "step" in row:
            self._on_step(name, row["step"])
        else:
            self._at_work[link].remove(name)
            self._hand_out()
            yield name, row

    def _shard_ended(self, link: socket.socket) -> Ended:
        for name in self._at_work.pop(link, ()):
            yield name, None
        yield from self._end_without_shards()

    def _ansible_ended(self, said: str, error: Exception | None) -> Ended:
        if error:
            raise error
        self.said = said
        self._has_ansible_ended = True
        yield from self._end_without_shards()

    def _end_without_shards(self) -> Ended:
        """Give up when no shard is left, and none can come."""
        if self._has_ansible_ended and not self._at_work:
            yield from self._give_up()

    def _give_up(self) -> Ended:
        self._is_over = True
        while self._waiting:
            yield self._waiting.popleft().name, NOT_BEGUN

    def _hand_out(self) -> None:
        while self._waiting:
            alive = [each for each in self._at_work.items() if each[0] not in self._dead]
            if not alive:
                return
            link, names = min(alive, key=lambda each: len(each[1]))
            if len(names) >= self._share:
                return
            job = self._waiting.popleft()
            try:
                link.sendall(json.dumps({"session": job.row, "request": job.request}).encode() + b"\n")
                names.add(job.name)
            except OSError:  # the thread of its socket reports that it has ended
                self._dead.add(link)
                self._waiting.appendleft(job)

    @contextmanager
    def _taking(self, jobs: Iterable[Job]) -> Iterator[None]:
        """Take jobs in a thread until the context ends."""
        put, ended = self._put(self._job), self._put(self._jobs_ended)

        def take() -> None:
            try:
                for job in jobs:
                    put(job)
            except BaseException as error:  # raised where the answers are awaited
                ended(error)
            else:
                ended(None)

        thread = threading.Thread(target=take, name="jobs", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    @contextmanager
    def listening(self, run_dir: Path) -> Iterator[None]:
        """Let shards connect until the context ends."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(str(run_dir / shard.SOCKET))
            server.listen()
            thread = threading.Thread(target=self._accept, args=(server,), name="shards", daemon=True)
            thread.start()
            try:
                yield
            finally:
                server.shutdown(socket.SHUT_RDWR)
                thread.join()
                self.end()  # also a shard that came too late for a job

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                link, _ = server.accept()
                if peer_uid(link) != os.getuid():
                    link.close()
                    continue
                self._links.append(link)
                threading.Thread(target=self._hear, args=(link,), daemon=True).start()

    def _hear(self, link: socket.socket) -> None:
        self._put(self._shard_came)(link)
        try:
            with link, suppress(OSError, ValueError):
                for line in link.makefile("rb"):
                    self._put(self._answered)(link, json.loads(line))
        finally:
            self._put(self._shard_ended)(link)
