"""The stages, each one `fab` run over all hosts, and what every host was like after each."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from provision import lab as labs
from provision.lab import Lab, LabHost
from tests.lab.conftest import Done, Project
from tests.lab.faults import ground
from tests.lab.lived_in import rpms
from tests.lab.lived_in.scenes import LOCK_TIMEOUT_S, SCENES, TOOLS, Scene
from tests.lab.test_changes import Host as Driven

LOOK = Path(__file__).with_name("theirs.py").read_bytes()
SLOW_DRIVER = Path(__file__).with_name("slow_driver.py").read_bytes()
WORKERS = 6
LOCK = ("--lock-timeout", str(LOCK_TIMEOUT_S))
AGREED = ("--allow-disruption",)
# Each is typed once, over all hosts. ``planned`` may change nothing, nor may ``unasked`` where it would
# disrupt; ``again`` finds nothing to do; ``back`` brings it there once more, so that there is something to
# uninstall.
STAGES: dict[str, tuple[str, ...]] = {
    "planned": ("plan",),
    "unasked": ("provision", *LOCK, "--no-verify"),
    "agreed": ("provision", *LOCK, *AGREED),
    "verified": ("verify",),
    "again": ("provision", *LOCK, "--no-verify"),
    "undone": ("hosts.undo", "all", "--yes", *AGREED),
    "back": ("provision", *LOCK, *AGREED, "--no-verify"),
    "uninstalled": ("uninstall", "--limit", "all", "--yes", *AGREED),
    "purged": ("uninstall", "--limit", "all", "--purge-data", "--yes", *AGREED),
}

Theirs = dict[str, Any]


@dataclass
class Story:
    """What happened: how each stage's command ended, its report, and each host before and after it."""

    begun: dict[str, Theirs] = field(default_factory=dict)
    done: dict[str, Done] = field(default_factory=dict)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: dict[str, dict[str, Theirs]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    slow: dict[str, Any] = field(default_factory=dict)

    def report(self, stage: str, scene: Scene) -> dict[str, Any]:
        """Return what the stage's report says of the scene's host."""
        assert self.done[stage].rc != 1, self.done[stage].err
        return dict(self.reports[stage][scene.name])

    def error(self, stage: str, scene: Scene) -> dict[str, Any]:
        """Return the stage's error of the scene's host; empty where it has none."""
        return self.report(stage, scene).get("error") or {}

    def before(self, stage: str, scene: Scene) -> Theirs:
        """Return the scene's host as the stage met it."""
        stages = list(STAGES)
        number = stages.index(stage)
        return self.seen[stages[number - 1]][scene.name] if number else self.begun[scene.name]


def tell(project: Project, progress: Callable[[str], None]) -> Story:
    """Make every host lived in, run all stages, and return what happened."""
    story = Story()
    started = time.monotonic()
    hosts = {scene.name: host for scene, host in zip(SCENES, project.lab.hosts, strict=True)}
    _on_each(lambda scene: _prepare(project.lab, hosts[scene.name], scene, project.path))
    story.begun = _look(hosts)
    story.seconds["prepared"] = time.monotonic() - started
    for stage, argv in STAGES.items():
        started = time.monotonic()
        _on_each(lambda scene, stage=stage: _sh(hosts[scene.name], scene.before.get(stage, "true")))
        story.done[stage] = done = project.fab(*argv, timeout_s=400)
        # With 1 nothing was touched, and the report is that of another run.
        story.reports[stage] = {} if done.rc == 1 else {row["name"]: row for row in _report(project)}
        story.seen[stage] = _look(hosts)
        story.seconds[stage] = time.monotonic() - started
        progress(f"{stage}: exit {story.done[stage].rc}, {story.seconds[stage]:.0f} s")
    story.slow = _provisioned_slowly(project.lab, hosts["slow"])
    return story


def _provisioned_slowly(lab: Lab, host: LabHost) -> dict[str, Any]:
    """Return what the code on the host says when its limits are shorter than the engine's start."""
    driven = Driven(replace(lab, hosts=(host,)))
    driven.sh("cat > /root/slow_driver.py", SLOW_DRIVER)
    asked = driven.request(disruption="allow")
    said = labs.execute(host, "python3", "/root/slow_driver.py", stdin=json.dumps(asked).encode())
    result: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])  # after the steps
    return {"result": result, "theirs": json.loads(_sh(host, "python3 /root/theirs.py"))}


def _report(project: Project) -> list[dict[str, Any]]:
    hosts: list[dict[str, Any]] = project.report()["hosts"]
    return hosts


def _prepare(lab: Lab, host: LabHost, scene: Scene, place: Path) -> None:
    root = host.directory / "root/root"
    (root / "image.tar").write_bytes(ground.image())
    (root / "theirs.py").write_bytes(LOOK)
    (root / "rpms").mkdir()
    for package in place.glob("rpms/RPMS/*/*.rpm"):
        (root / "rpms" / package.name).write_bytes(package.read_bytes())
    words = f"URL={lab.repo_url}\nADDRESS={host.address}\n"
    _sh(host, words + TOOLS + scene.prepare)


def _look(hosts: dict[str, LabHost]) -> dict[str, Theirs]:
    found = _on_each(lambda scene: json.loads(_sh(hosts[scene.name], "python3 /root/theirs.py")))
    return {scene.name: theirs for scene, theirs in zip(SCENES, found, strict=True)}


def _on_each(act: Callable[[Scene], Any]) -> list[Any]:
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(act, SCENES))


def _sh(host: LabHost, script: str) -> str:
    done = labs.execute(host, "bash", "-c", script)
    assert done.returncode == 0, f"{host.name}: {(done.stderr or done.stdout).decode()[-800:]}"
    return done.stdout.decode()


def build(place: Path) -> None:
    """Build the packages of other people below ``place``."""
    (place / "rpms").mkdir()
    rpms.build(place / "rpms")
