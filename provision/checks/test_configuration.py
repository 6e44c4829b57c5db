"""daemon.json, and whether the engine that runs is the one it describes."""

import re
from typing import Any

import pytest

from provision.checks.facts import OPTIONS, Facts
from provision.checks.wording import judge_off, judge_unrotated, wanted

# Where `docker info` shows what a key of daemon.json asks for.
SHOWN = {
    "data-root": "DockerRootDir",
    "debug": "Debug",
    "default-runtime": "DefaultRuntime",
    "experimental": "ExperimentalBuild",
    "live-restore": "LiveRestoreEnabled",
    "log-driver": "LoggingDriver",
    "storage-driver": "Driver",
}


def test_file_is_valid(facts: Facts) -> None:
    """daemon.json holds a JSON object, or is not there."""
    assert facts.daemon is not None, wanted("a JSON object in /etc/docker/daemon.json", "something else")


def test_engine_accepts_the_file(facts: Facts) -> None:
    """dockerd itself accepts its configuration."""
    if not facts.can_validate:
        pytest.skip("this dockerd cannot validate (it came with version 23)")
    assert facts["validate"].ok, wanted("a valid configuration", facts["validate"].last_line)


def test_file_is_what_the_engine_runs_with(facts: Facts, engine: dict[str, Any]) -> None:
    """The engine runs with what daemon.json says."""
    daemon = facts.daemon or {}
    pairs = {key: (daemon[key], engine.get(shown)) for key, shown in SHOWN.items() if key in daemon}
    apart = [f"{key}: {wanted(want, found)}" for key, (want, found) in pairs.items() if want != found]
    mirrors = [url.rstrip("/") for url in (engine.get("RegistryConfig") or {}).get("Mirrors") or []]
    entries = mirrors + (engine.get("Labels") or [])
    asked = [url.rstrip("/") for url in daemon.get("registry-mirrors") or []] + (daemon.get("labels") or [])
    apart += [wanted(entry, entries) for entry in asked if entry not in entries]
    assert not apart, "; ".join(apart)


def test_logs_are_rotated(facts: Facts, engine: dict[str, Any]) -> None:
    """Logs of containers cannot fill the disk."""
    want, found = facts.options.get("log-driver"), engine["LoggingDriver"]
    assert want in (None, found), wanted(f"log-driver {want} ({OPTIONS})", found)
    options = (facts.daemon or {}).get("log-opts") or {}
    flag = re.search(r"--log-opt[=\s]+max-size=", facts["arguments"].text)
    if found == "json-file" and "max-size" not in options and not flag:
        judge_unrotated(facts, "container logs are", "they can fill the disk")


def test_live_restore_is_on(facts: Facts, engine: dict[str, Any]) -> None:
    """Containers live on while the engine restarts (live-restore)."""
    if facts.is_swarm:
        pytest.skip("live-restore and Swarm exclude each other")
    if engine["LiveRestoreEnabled"]:
        return
    judge_off(facts, "live-restore", "containers stop with the engine")
