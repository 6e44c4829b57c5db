"""One pytest process that checks hosts: it gets them over a pipe, and answers over another."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import provision
from provision.errors import NotProven
from provision.hints import from_plain, parse, render
from provision.model import Check, Failure, Session, Stage, Status, Verdict
from provision.ssh import remote
from provision.startup import PYTEST, argv_of

# A host needs about 5 s; each command has its own limit, and this one is the last resort.
HOST_TIMEOUT_S = 600.0

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
# A complete pytest run exits with 0 (all passed) or 1 (a check failed).
_RAN = (0, 1)

Proof = tuple[Check, ...] | Failure
OnProof = Callable[[str, Proof], None]


class CheckProcess:
    """One pytest process and the hosts that it checks."""

    def __init__(self, number: int, run_dir: Path) -> None:
        self._log = run_dir / f"verify-{number}.log"
        self._tallies: dict[str, Tally] = {}
        self._why = ""
        self._timer: threading.Timer | None = None
        lines, to_it = os.pipe()
        read, write = os.pipe()
        self._hosts = os.fdopen(to_it, "w", encoding="utf-8")
        self._pipe = os.fdopen(read, encoding="utf-8")
        with open(lines, "rb", buffering=0), open(write, "wb", buffering=0), self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command(),
                env=environment(run_dir, (lines, write)),
                cwd=run_dir,
                pass_fds=(lines, write),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def left(self) -> int:
        """How many of its hosts are not done."""
        return sum(not tally.is_done for tally in self._tallies.copy().values())

    def take(self, session: Session, may_restart: bool) -> None:
        """Check one more host."""
        self._tallies[session.host.name] = Tally([])
        with suppress(BrokenPipeError):  # the process has ended, and ``proof`` says so
            self._hosts.write(json.dumps({"session": remote.to_row(session), "restart": may_restart}) + "\n")
            self._hosts.flush()

    def close(self) -> None:
        """Let the process end once its hosts are checked; it is killed if that takes too long."""
        with suppress(BrokenPipeError):
            self._hosts.close()
        limit_s = HOST_TIMEOUT_S * max(1, self.left)
        self._timer = threading.Timer(limit_s, self._give_up, (f"no end after {limit_s:.0f} s",))
        self._timer.start()

    def read(self, on_proof: OnProof) -> None:
        """Read the process's output until it ends."""
        read_lines(self._pipe, self._tallies, on_proof)
        code = self._process.wait()
        if self._timer:
            self._timer.cancel()
        if code not in _RAN and not self._why:
            lines = self._log.read_text(errors="replace").strip().splitlines()
            self._why = lines[-1] if lines else f"pytest ended with {code}"

    def proof(self, host: str) -> Proof:
        """Return the result of one host."""
        return self._tallies[host].proof(host, self._why)

    def interrupt(self) -> None:
        """Let the process remove what it created on its hosts, and exit."""
        if self.is_alive:
            self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Kill the process and its children."""
        if self._timer:
            self._timer.cancel()
        if self.is_alive:  # the number of one that has ended may be another's by now
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with suppress(BrokenPipeError):
            self._hosts.close()

    def _give_up(self, why: str) -> None:
        if self.is_alive:
            self._why = why
            self.end()


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


def read_lines(pipe: Iterable[str], tallies: Mapping[str, Tally], on_proof: OnProof) -> None:
    """Put the reporter's lines into ``tallies``, by host; an incomplete last line is dropped."""
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


def command() -> list[str]:
    """Return the pytest command of a process, with our checks and no configuration of the user's project."""
    checks = Path(provision.__file__).parent / "checks"
    options = ["-p", "no:cacheprovider", "-p", "provision.checks.reporter", "--assert=plain", "-qq"]
    places = ["-c", os.devnull, "--rootdir", str(checks), "--confcutdir", str(checks), str(checks)]
    return [*argv_of(PYTEST), *options, "--no-header", "--no-summary", "--tb=no", *places]


def environment(run_dir: Path, pipes: tuple[int, int]) -> dict[str, str]:
    """Return a process's complete environment, which inherits only the listed variables.

    ``pipes`` are the descriptors that it takes hosts from, and that it writes to.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {
        "PYTHONPATH": str(Path(provision.__file__).parent.parent),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PROVISION_RUN_DIR": str(run_dir),
        "PROVISION_CHECK_PIPES": ",".join(map(str, pipes)),
    }


def _check(row: dict[str, Any]) -> Check:
    parts = parse(row["detail"])
    return Check(**row | {"verdict": Verdict(row["verdict"]), "detail": render(parts), "parts": parts})


def _failure(row: dict[str, Any]) -> Failure:
    typed = {"stage": Stage(row["stage"]), "status": Status(row["status"]), "next": from_plain(row["next"])}
    return Failure(**row | typed)
