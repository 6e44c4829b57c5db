"""verify: prove by the checks, in a few pytest processes, that each host is a Docker host."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import provision
from provision.errors import Interrupted, NotProven
from provision.hints import from_plain, parse, render
from provision.model import Check, Failure, Session, Stage, Status, Verdict
from provision.startup import PYTEST, argv_of

PROCESSES_PER_CORE = 1
# A host needs about 5 s; each command has its own limit, and this one is the last resort.
HOST_TIMEOUT_S = 600.0

CANCEL_POLL_S = 0.2
# How long an interrupted process may take to remove the sample container.
CLEANING_S = 15.0

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
# A complete pytest run exits with 0 (all passed) or 1 (a check failed).
_RAN = (0, 1)

Proof = tuple[Check, ...] | Failure
OnProof = Callable[[str, Proof], None]


def verify(
    sessions: tuple[Session, ...],
    run_dir: Path,
    cancelled: Callable[[], bool],
    on_proof: OnProof = lambda host, proof: None,
    restart: frozenset[str] = frozenset(),
    strict: bool = False,
) -> dict[str, Proof]:
    """Run every check on every session's host; return, by host, its Checks or the Failure that ended them.

    ``run_dir`` has the run's ``sessions.json``. ``restart`` names the hosts whose engine may be restarted.
    With ``strict``, advice is a failed check. ``on_proof`` is called, from several threads, with the result
    of each host as soon as it is known. When ``cancelled`` returns True the processes clean up, and at an
    error they are killed; unfinished hosts are Interrupted.
    """
    names = [session.host.name for session in sessions]
    processes = [CheckProcess(hosts, run_dir, restart) for hosts in shares(names, os.cpu_count() or 1)]
    if not processes:
        return {}
    proven: dict[str, Proof] = {}

    def keep(name: str, proof: Proof) -> None:
        proven[name] = _strictly(proof) if strict else proof
        on_proof(name, proven[name])

    with ThreadPoolExecutor(len(processes)) as pool:
        try:
            futures = [pool.submit(process.results, keep) for process in processes]
            while not cancelled() and wait(futures, CANCEL_POLL_S, FIRST_EXCEPTION).not_done:
                _raise_first(futures)
            for process in processes:
                process.interrupt()
            wait(futures, CLEANING_S)
        finally:
            for process in processes:
                process.end()
    proofs = {name: proof for future in futures for name, proof in future.result().items()}
    for name in [name for name in names if name not in proven]:
        keep(name, _judge(name, proofs[name], cancelled()))
    return {name: proven[name] for name in names}


def _strictly(proof: Proof) -> Proof:
    """Return ``proof`` with a failed check in place of each advice."""
    if isinstance(proof, Failure):
        return proof
    return tuple(_failed(check) if check.verdict is Verdict.ADVICE else check for check in proof)


def _failed(check: Check) -> Check:
    detail = f"{check.detail}; advice counts as a failure (--strict)"
    return replace(check, verdict=Verdict.FAILED, detail=detail)


def _raise_first(futures: list[Future[dict[str, Proof]]]) -> None:
    for future in futures:
        if future.done():
            future.result()


def _judge(host: str, proof: Proof, is_cancelled: bool) -> Proof:
    if is_cancelled and isinstance(proof, Failure):
        error = Interrupted(f"interrupted before {host} was verified", f"`fab verify --limit {host}`")
        return error.at(Stage.VERIFY)
    return proof


def shares(names: list[str], cores: int) -> list[list[str]]:
    """Return ``names`` distributed evenly over at most one process per core."""
    count = min(PROCESSES_PER_CORE * cores, len(names))
    return [names[i::count] for i in range(count)]


class CheckProcess:
    """One pytest process and the hosts that it checks."""

    def __init__(self, hosts: list[str], run_dir: Path, restart: frozenset[str] = frozenset()) -> None:
        self._hosts = hosts
        self._log = run_dir / f"verify-{hosts[0]}.log"
        self._late = False
        read, write = os.pipe()
        self._pipe = os.fdopen(read, encoding="utf-8")
        with open(write, "wb", buffering=0), self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command(),
                env=environment(hosts, run_dir, write, restart),
                cwd=run_dir,
                pass_fds=(write,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def results(self, on_proof: OnProof) -> dict[str, Proof]:
        """Read the process's output until it ends, and return the result of each host."""
        timer = threading.Timer(HOST_TIMEOUT_S * len(self._hosts), self._give_up)
        timer.start()
        try:
            tallies = read_lines(self._pipe, self._hosts, on_proof)
            code = self._process.wait()
        finally:
            timer.cancel()
        broken = "" if code in _RAN else self._why(code)
        return {host: tally.proof(host, broken) for host, tally in tallies.items()}

    def interrupt(self) -> None:
        """Let the process remove what it created on its hosts, and exit."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Kill the process and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _give_up(self) -> None:
        self._late = True
        self.end()

    def _why(self, code: int) -> str:
        if self._late:
            return f"no end after {HOST_TIMEOUT_S * len(self._hosts):.0f} s"
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"pytest ended with {code}"


@dataclass
class Tally:
    """The result of one host, from the lines about it."""

    checks: list[Check]
    failure: Failure | None = None
    is_done: bool = False

    def proof(self, host: str, broken: str) -> Proof:
        """Return the checks if they are complete, else the reason."""
        if self.failure:
            return self.failure
        if self.is_done and self.checks:
            return tuple(self.checks)
        return NotProven(
            f"the checks of {host} were not completed",
            f"`fab verify --limit {host}`",
            evidence=broken or "no check was run",
            state="nothing is known to be wrong with the host",
        ).failure


def read_lines(pipe: Iterable[str], hosts: list[str], on_proof: OnProof) -> dict[str, Tally]:
    """Return the reporter's lines by host; an incomplete last line is dropped."""
    tallies = {host: Tally([]) for host in hosts}
    for line in pipe:
        if not line.endswith("\n"):
            break
        row = json.loads(line)
        tally = tallies[row["host"]]
        if "check" in row:
            tally.checks.append(_check(row["check"]))
        elif "failure" in row:
            tally.failure = tally.failure or _failure(row["failure"])
        else:
            tally.is_done = True
            on_proof(row["host"], tally.proof(row["host"], ""))
    return tallies


def command() -> list[str]:
    """Return the pytest command of a process, with our checks and no configuration of the user's project."""
    checks = Path(__file__).parent / "checks"
    options = ["-p", "no:cacheprovider", "-p", "provision.checks.reporter", "--assert=plain", "-qq"]
    places = ["-c", os.devnull, "--rootdir", str(checks), "--confcutdir", str(checks), str(checks)]
    return [*argv_of(PYTEST), *options, "--no-header", "--no-summary", "--tb=no", *places]


def environment(
    hosts: list[str], run_dir: Path, pipe: int, restart: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return a process's complete environment, which inherits only the listed variables."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {
        "PYTHONPATH": str(Path(provision.__file__).parent.parent),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PROVISION_RUN_DIR": str(run_dir),
        "PROVISION_CHECK_HOSTS": ",".join(hosts),
        "PROVISION_CHECK_RESTART": ",".join(name for name in hosts if name in restart),
        "PROVISION_CHECK_FD": str(pipe),
    }


def _check(row: dict[str, Any]) -> Check:
    parts = parse(row["detail"])
    return Check(**row | {"verdict": Verdict(row["verdict"]), "detail": render(parts), "parts": parts})


def _failure(row: dict[str, Any]) -> Failure:
    typed = {"stage": Stage(row["stage"]), "status": Status(row["status"]), "next": from_plain(row["next"])}
    return Failure(**row | typed)
