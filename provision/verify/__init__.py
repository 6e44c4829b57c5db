"""verify: prove by the checks, in a few pytest processes, that each host is a Docker host."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from provision.errors import Interrupted
from provision.model import Check, Failure, Session, Stage, Verdict
from provision.verify.process import CheckProcess, OnProof, Proof

__all__ = ["Arrival", "Crew", "OnProof", "Proof", "verify"]

PROCESSES_PER_CORE = 1
# One that dies is replaced, but not for ever.
MOST_STARTS = 4
CANCEL_POLL_S = 0.2
# How long an interrupted process may take to remove the sample container.
CLEANING_S = 15.0

# A Session, and whether the engine of its host may be restarted.
Arrival = tuple[Session, bool]


def verify(
    arrivals: Iterable[Arrival],
    run_dir: Path,
    cancelled: Callable[[], bool],
    on_proof: OnProof = lambda host, proof: None,
    *,
    strict: bool = False,
) -> dict[str, Proof]:
    """Run every check on each host that arrives; return, by host, its Checks or the Failure that ended them.

    With a Session comes whether its engine may be restarted. With ``strict``, advice is a failed check.
    ``on_proof`` is called, from several threads, with the result of each host as soon as it is known. When
    ``cancelled`` returns True the processes clean up, and at an error they are killed; unfinished hosts are
    Interrupted.
    """
    proven: dict[str, Proof] = {}

    def keep(name: str, proof: Proof) -> None:
        proven[name] = _strictly(proof) if strict else proof
        on_proof(name, proven[name])

    crew = Crew(run_dir, keep)
    try:
        for session, may_restart in arrivals:
            crew.take(session, may_restart)
        proofs = crew.finish(cancelled)
    finally:
        crew.end()
    for name in [name for name in proofs if name not in proven]:
        keep(name, _judge(name, proofs[name], cancelled()))
    return {name: proven[name] for name in proofs}


def _strictly(proof: Proof) -> Proof:
    """Return ``proof`` with a failed check in place of each advice."""
    if isinstance(proof, Failure):
        return proof
    return tuple(_failed(check) if check.verdict is Verdict.ADVICE else check for check in proof)


def _failed(check: Check) -> Check:
    detail = f"{check.detail}; advice counts as a failure (--strict)"
    return replace(check, verdict=Verdict.FAILED, detail=detail)


def _judge(host: str, proof: Proof, is_cancelled: bool) -> Proof:
    if is_cancelled and isinstance(proof, Failure):
        error = Interrupted(f"interrupted before {host} was verified", f"`fab verify --limit {host}`")
        return error.at(Stage.VERIFY)
    return proof


class Crew:
    """The processes that check the hosts of a run: at most one per core, started when it is needed."""

    def __init__(self, run_dir: Path, on_proof: OnProof) -> None:
        self._run_dir = run_dir
        self._on_proof = on_proof
        self._most = PROCESSES_PER_CORE * (os.cpu_count() or 1)
        self._processes: list[CheckProcess] = []
        self._whose: dict[str, CheckProcess] = {}
        # Each process has a thread that reads it.
        self._pool = ThreadPoolExecutor(MOST_STARTS * self._most, "checks")
        self._futures: list[Future[None]] = []

    def take(self, session: Session, may_restart: bool) -> None:
        """Let a process check the host of ``session``."""
        process = self._chosen()
        self._whose[session.host.name] = process
        process.take(session, may_restart)

    def _chosen(self) -> CheckProcess:
        alive = [each for each in self._processes if each.is_alive]
        may_start = len(alive) < self._most and len(self._processes) < MOST_STARTS * self._most
        if may_start and all(each.left for each in alive):
            process = CheckProcess(len(self._processes), self._run_dir)
            self._processes.append(process)
            self._futures.append(self._pool.submit(process.read, self._on_proof))
            return process
        return min(alive or self._processes, key=lambda each: each.left)

    def finish(self, cancelled: Callable[[], bool]) -> dict[str, Proof]:
        """Wait for the processes, and return the result of each host in the order of arrival."""
        for process in self._processes:
            process.close()
        while not cancelled() and wait(self._futures, CANCEL_POLL_S, FIRST_EXCEPTION).not_done:
            for future in self._futures:
                if future.done():
                    future.result()
        for process in self._processes:
            process.interrupt()
        wait(self._futures, CLEANING_S)
        self.end()
        for future in self._futures:
            future.result()
        return {name: process.proof(name) for name, process in self._whose.items()}

    def end(self) -> None:
        """Kill the processes."""
        for process in self._processes:
            process.end()
        self._pool.shutdown()
