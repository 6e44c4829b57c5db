"""A played Docker Engine on a unix socket: containers, /info, and starts; files and reloads are real."""

import json
import shutil
import socketserver
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provision.host.ground.machine import Machine, Ran

FILE = "/etc/docker/daemon.json"
NEVER = "0001-01-01T00:00:00Z"


class PlayedEngine(Machine):
    """A host with an engine; a reload reads daemon.json as dockerd does: a key that is gone stays."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.live_restore = False
        self.reloads = True
        self.answers = True
        # Containers that the list of running ones still names, though they have stopped.
        self.lags: list[str] = []
        self.containers: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.started: list[str] = []
        self.refuses: set[str] = set()
        # What somebody's unit starts as soon as containers are stopped.
        self.started_by_others: list[str] = []

    def add(self, name: str, *, policy: str = "no", rm: bool = False, started: str = "2026-01-01T00:00:01Z",
            running: bool = True, finished: str = NEVER, code: int = 0) -> None:  # fmt: skip
        """Put a container on the host."""
        state = {"StartedAt": started, "FinishedAt": finished, "Running": running, "ExitCode": code}
        settings = {"RestartPolicy": {"Name": policy}, "AutoRemove": rm}
        self.containers[name] = {"Id": name, "Name": f"/{name}", "State": state, "HostConfig": settings}

    def stop(self, name: str, finished: str, code: int = 137) -> None:
        """Stop a container."""
        self.containers[name]["State"] |= {"Running": False, "FinishedAt": finished, "ExitCode": code}

    def run(self, argv: list[str], timeout_s: float = 60, outlives: bool = False, stdin: Any = None) -> Ran:
        """Imitate systemctl and `docker stop`."""
        self.calls.append(" ".join(argv))
        if argv[:2] == ["systemctl", "reload"] and self.reloads:
            self.live_restore = json.loads(self.text(FILE) or "{}").get("live-restore", self.live_restore)
        if argv[:2] == ["docker", "stop"]:
            self._stop_all(argv[2:])
        return Ran(0, "", "")

    def _stop_all(self, names: list[str]) -> None:
        for name in names:
            self.stop(name, "2026-01-03T00:00:00Z")
            if self.containers[name]["HostConfig"]["AutoRemove"]:
                del self.containers[name]
        for name in self.started_by_others:
            self.add(name)

    def respond(self, method: str, path: str) -> tuple[int, Any]:
        """Answer one request of the API."""
        if path == "/info":
            return 200, {"LiveRestoreEnabled": self.live_restore}
        if path == "/_ping":
            return 200, b"OK"
        if path == "/containers/json":
            found = self.containers.values()
            return 200, [each for each in found if each["State"]["Running"] or each["Id"] in self.lags]
        _, kind, name, *verb = path.split("/")
        if kind == "exec":
            return 200, {"Running": False}
        if verb == ["exec"]:
            return 201, {"Id": "x"}
        found = self.containers.get(name)
        if method == "POST" and found is None:
            return 404, {"message": f"No such container: {name}"}
        if method == "POST" and name in self.refuses:
            return 500, {"message": "no such network"}
        if method == "POST":
            self.started.append(name)
            found["State"] |= {"Running": True, "StartedAt": _soon()}
            return 204, None
        return (200, found) if found else (404, {"message": "No such container"})


def _soon() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))


class _Handler(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        method, path = self.rfile.readline().decode().split()[:2]
        if not self.server.engine.answers:
            return
        status, body = self.server.engine.respond(method, path)
        text = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.wfile.write(b"HTTP/1.0 %d X\r\n\r\n" % status + text)


@contextmanager
def played_engine() -> Iterator[PlayedEngine]:
    """Return an engine that answers until the context ends."""
    # The path of a unix socket may have some 100 characters: pytest's own folders are too deep.
    root = Path(tempfile.mkdtemp(prefix="e"))
    for place in ("var/run", "etc/docker", "var/lib/provision", "proc"):
        (root / place).mkdir(parents=True)
    engine = PlayedEngine(root)
    try:
        with socketserver.ThreadingUnixStreamServer(engine.path("/var/run/docker.sock"), _Handler) as server:
            server.engine = engine  # type: ignore[attr-defined]
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            yield engine
            server.shutdown()
    finally:
        shutil.rmtree(root)
