"""A shard: one worker of Ansible, which drives many hosts at once over the run's own sessions.

It takes jobs from the controller over the socket ``shards`` of the run directory, a line of JSON each, and
answers each with a line. When the socket closes, whatever is still at work here ends, too.
"""

import json
import os
import signal
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from provision.errors import ConnectionLost
from provision.model import Session
from provision.ssh import answer, hostcode, remote

SOCKET = "shards"
# Each host takes three descriptors, and a process may have 1024 unless it asks for more.
AT_ONCE = 256
ENDED_AT_ONCE = 64


def work(run_dir: Path) -> int:
    """Do the controller's jobs until its socket closes; return how many hosts were driven."""
    # When another worker has died, Ansible terminates the rest. Only the controller ends this one.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    count, busy = 0, Busy()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link, ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            link.connect(str(run_dir / SOCKET))
        except OSError:  # all hosts are done, or the controller is gone
            return 0
        writer = Writer(link)
        try:
            for line in link.makefile("rb"):
                job = json.loads(line)
                session = remote.from_row(job["session"], run_dir)
                busy.add(session)
                pool.submit(_drive, session, job["request"], busy, writer)
                count += 1
        except OSError:  # a controller that is killed before it has read an answer resets the connection
            pass
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            busy.end()
    return count


class Writer:
    """Send lines of JSON from several threads."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._lock = threading.Lock()

    def send(self, row: Mapping[str, Any]) -> None:
        """Send one line; close the socket if the controller is gone."""
        with self._lock:
            try:
                self._link.sendall(json.dumps(row).encode() + b"\n")
            except Exception:  # what is lost must not look like work that goes on
                with suppress(OSError):
                    self._link.shutdown(socket.SHUT_RDWR)


class Busy:
    """The sessions of the hosts that are being driven."""

    def __init__(self) -> None:
        self._sessions: set[Session] = set()
        self._lock = threading.Lock()

    def add(self, session: Session) -> None:
        """Keep ``session`` until it is done."""
        with self._lock:
            self._sessions.add(session)

    def done(self, session: Session) -> None:
        """Forget ``session``."""
        with self._lock:
            self._sessions.discard(session)

    def end(self) -> None:
        """End the masters and ssh clients of the hosts that are still being driven, and this process.

        The controller is gone. Left alone, a master would wait for the command on the host, and receive its
        answer.
        """
        with self._lock:
            left = tuple(self._sessions)
        if left:
            try:
                with ThreadPoolExecutor(ENDED_AT_ONCE) as pool:
                    pool.map(remote.end_master, left)
            finally:
                os.killpg(os.getpgrp(), signal.SIGKILL)


def _drive(session: Session, request: Mapping[str, Any], busy: Busy, writer: Writer) -> None:
    name = session.host.name
    try:
        row = _result(session, request, lambda words: writer.send({"host": name, "step": words}))
    except Exception as error:  # one host never stops the others
        row = {"error": answer.unexpected(error)}
    busy.done(session)
    writer.send({"host": name} | row)


def _result(session: Session, request: Mapping[str, Any], on_step: hostcode.OnStep) -> dict[str, Any]:
    try:
        return {"result": answer.read(*hostcode.over_session(session, request, on_step))}
    except answer.NoResult as error:
        return {"error": error.error}
    except ConnectionLost as error:
        return {"lost": error.failure.evidence or "ssh ended while the host was at work, or before"}
