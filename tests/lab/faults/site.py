"""One host under test: the project that drives it, its wanted state, and what runs in it."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provision import lab as labs
from provision.lab import Lab, LabHost, processes
from provision.lab import host as hosts
from tests.lab.conftest import BIN, Project
from tests.lab.faults.plan import Fault

# No run may take longer, whatever happens to it.
RUN_LIMIT_S = 180.0
POLL_S = 0.1
# A container runs there, and an engine of another generation stops it.
PROVISION = ("provision", "--no-verify", "--allow-disruption")
VERSIONS = ("28.5.2", "26.1.5")
# The lab's repository for an old system has these.
OLD_VERSIONS = ("26.1.5", "20.10.5")
# The marker of the host code's start text (provision/ssh/elevate.py).
HOST_CODE = "__provision__"


class Broken(Exception):
    """Something is wrong; the text says what."""


class Stopped(Exception):
    """The driver itself must end."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process in the host, by its pid on this machine."""

    pid: int
    parent: int
    words: list[str]


@dataclass
class Site:
    """A host, its project, and where runs keep their sockets and temporary files."""

    lab: Lab
    host: LabHost
    project: Project
    runtime: Path
    stop: threading.Event
    is_present: bool = False
    version: int = 0
    key: int = 3
    known_runs: set[str] = field(default_factory=set)

    @property
    def versions(self) -> tuple[str, str]:
        """The engine's versions that the site has in turn."""
        return OLD_VERSIONS if self.host.profile == "el7" else VERSIONS

    def want(self, **variables: Any) -> None:
        """Write the inventory anew, with these variables over those that the site always has."""
        self.project.variables = {
            "docker_engine_version": self.versions[self.version],
            # A key that no reload takes over, so that the engine has to be restarted for it.
            "docker_engine_daemon_options": {"log-opts": {"max-size": f"{self.key}m"}},
            **variables,
        }
        self.project.write()

    def begin(self, fault: Fault) -> None:
        """Bring the host to the state before the fault's work, and write the inventory for that work."""
        if self.is_present == (fault.work == "install"):
            self.want(docker_engine_state="absent" if self.is_present else "present")
            self.converge("prepared")
            self.is_present = not self.is_present
        self.key = self.key % 9 + 1 if fault.work == "key" else self.key
        self.version ^= fault.work == "version"
        self.want(docker_engine_state="absent" if fault.work == "remove" else "present")
        self.note_runs()

    def note_runs(self) -> None:
        """Remember the runs on the host as earlier ones."""
        self.known_runs = set(self._runs())

    def converge(self, name: str) -> float:
        """Provision without a fault, which must succeed; return the seconds it took."""
        started = time.monotonic()
        run = self.start(name, *PROVISION)
        if self.finish(run):
            raise Broken(f"{name}: exit {run.returncode}: {self.error() or self.tail(name)}")
        return time.monotonic() - started

    def start(self, name: str, *args: str, where: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a `fab` command, in the project or in another directory; its output goes to a log."""
        directory = where or self.project.path
        with self.log(name).open("wb") as out:
            return subprocess.Popen(
                [str(BIN / "fab"), *args], cwd=directory, env=self._environment(), stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return self.project.environment(XDG_RUNTIME_DIR=str(self.runtime), TMPDIR=str(self.runtime))

    def finish(self, run: subprocess.Popen[bytes]) -> int:
        """Wait until the run ends and return its exit code; raise Broken after RUN_LIMIT_S."""
        if not self.passes(RUN_LIMIT_S, run):
            run.kill()
            run.wait()
            raise Broken(f"a run had no end in {RUN_LIMIT_S:.0f} s")
        return run.returncode

    def passes(self, seconds: float, run: subprocess.Popen[bytes]) -> bool:
        """Wait for some seconds, or until the run ends; return whether it has ended."""
        until = time.monotonic() + seconds
        while run.poll() is None and time.monotonic() < until:
            if self.stop.wait(min(POLL_S, max(until - time.monotonic(), 0))):
                run.kill()
                raise Stopped
        return run.returncode is not None

    def log(self, name: str) -> Path:
        """Return the log of the run ``name``."""
        return self.project.path / f"{name}.log"

    def tail(self, name: str) -> str:
        """Return the end of a run's log."""
        return " ".join(self.log(name).read_text(errors="replace").split())[-300:]

    def report(self) -> dict[str, Any] | None:
        """Return the host's part of the last run's report, or None."""
        with suppress(FileNotFoundError):
            return self.project.host_report(self.host.name)
        return None

    def error(self) -> str:
        """Return the last report's error as one line."""
        error = (self.report() or {}).get("error") or {}
        return ": ".join(error[word] for word in ("kind", "message") if word in error)

    def inside(self, script: str, stdin: bytes = b"") -> str:
        """Run a shell script in the host, without SSH, and return its output; raise Broken when it fails."""
        done = labs.execute(self.host, "sh", "-c", script, stdin=stdin)
        if done.returncode:
            raise Broken(f"in the host: {script.split()[0]}…: {done.stderr.decode(errors='replace')[-200:]}")
        return done.stdout.decode(errors="replace")

    def processes(self) -> Iterator[Process]:
        """Yield the processes in the host; none while it is off."""
        leader = hosts.leader(self.host.directory)
        for pid in processes.in_namespace(leader) if leader else ():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
                parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
                yield Process(pid, int(parent), words)

    def host_code(self) -> list[Process]:
        """Return the processes of our code in the host: the parent that relays, and the detached child."""
        return [p for p in self.processes() if "python" in p.words[0] and HOST_CODE in " ".join(p.words)]

    def leader(self) -> int | None:
        """Return the pid of the host's own process 1."""
        return hosts.leader(self.host.directory)

    def events(self, event: str) -> int:
        """Return how many events of this name are in the journals of runs that began after ``begin``."""
        return sum(self._count(run, event) for run in self.new_runs())

    def new_runs(self) -> set[str]:
        """Return the runs that began on the host after ``begin`` and have a plan."""
        return {run for run in set(self._runs()) - self.known_runs if self._count(run, "plan")}

    def result(self, run: str) -> dict[str, Any]:
        """Return the result file of a run on the host; empty while there is none."""
        with suppress(OSError):
            found: dict[str, Any] = json.loads((self._records() / run / "result").read_text())
            return found
        return {}

    def _count(self, run: str, event: str) -> int:
        with suppress(OSError):
            lines = (self._records() / run / "journal").read_text().splitlines()
            return sum(json.loads(line)["event"] == event for line in lines if line.endswith("}"))
        return 0

    def _runs(self) -> list[str]:
        with suppress(OSError):
            return os.listdir(self._records())
        return []

    def _records(self) -> Path:
        # As the host sees it, with what is mounted there.
        return Path(f"/proc/{self.leader()}/root/var/lib/provision")
