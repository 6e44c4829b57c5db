"""Hosts that already run something: what each stage says, and that what is theirs is still there.

One `fab` run a stage over all hosts; each test judges what one stage left on one of them.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision import lab as labs
from provision.lab import Lab
from tests.lab.conftest import STATE, make_keyring, project_in
from tests.lab.lived_in import stages
from tests.lab.lived_in.scenes import BY_NAME, SCENES, Scene
from tests.lab.lived_in.stages import Story, Theirs

ENGINE = ("docker-ce-", "containerd.io-", "docker-buildx-plugin-", "docker-compose-plugin-")
# Files that a run of ours writes too, so that only what others wrote in them is judged.
SHARED = ("/daemon.json", "/docker-ce.repo")
THEIRS = (
    "containers",
    "volumes",
    "images",
    "services",
    "files",
    "units",
    "packages",
    "tasks",
    "podman",
    "port",
)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """All stages, run once."""
    place = tmp_path_factory.mktemp("lived-in")
    subnet = labs.free_subnet()
    name = f"liv{subnet}"
    labs.down(name, STATE)
    try:
        lab = named(labs.up(name, len(SCENES), "el10", state_dir=STATE, subnet=subnet, progress=print))
        (place / "keyring").mkdir()
        (place / "project").mkdir()
        project = project_in(place / "project", lab, make_keyring(lab, place / "keyring"))
        stages.build(project.path)
        for scene, host in zip(SCENES, lab.hosts, strict=True):
            project.add(scene.name, host)
            project.hosts[scene.name] |= scene.variables
        project.write()
        yield _kept(stages.tell(project, print), place)
    finally:
        labs.down(name, STATE)


def named(lab: Lab) -> Lab:
    """Return the lab with its hosts called like the scenes."""
    pairs = zip(SCENES, lab.hosts, strict=True)
    return replace(lab, hosts=tuple(replace(host, name=scene.name) for scene, host in pairs))


def _kept(story: Story, place: Path) -> Story:
    for stage, done in story.done.items():
        (place / f"{stage}.log").write_text(done.out + done.err)
        (place / f"{stage}.json").write_text(json.dumps([story.reports[stage], story.seen[stage]], indent=1))
    return story


every = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)


def some(**asked: bool) -> Any:
    """Parametrize over the scenes that are so."""
    found = [each for each in SCENES if all(getattr(each, name) is want for name, want in asked.items())]
    return pytest.mark.parametrize("scene", found, ids=lambda scene: scene.name)


def changed(before: Theirs, after: Theirs) -> dict[str, Any]:
    """Return what of theirs differs."""
    return {name: [before[name], after[name]] for name in THEIRS if before[name] != after[name]}


def harmed(scene: Scene, before: Theirs, after: Theirs) -> list[str]:
    """Return what of theirs has gone, stopped or restarted since ``before``."""
    wrong = [
        f"volume {name}" for name, what in before["volumes"].items() if after["volumes"].get(name) != what
    ]
    wrong += [f"image {each}" for each in before["images"] if each not in after["images"]]
    wrong += [f"service {each}" for each in before["services"] if each not in after["services"]]
    wrong += [
        f"namespace {name}" for name, what in before["tasks"].items() if after["tasks"].get(name) != what
    ]
    wrong += ["podman"] if before["podman"] != after["podman"] else []
    wrong += ["the published port"] if before["port"] != after["port"] else []
    wrong += [] if after["engine"].startswith(scene.engine) else [f"engine {after['engine']}"]
    if scene.renewed:
        running = [row for row in after["containers"].values() if row["running"]]
        return wrong if len(running) >= len(before["containers"]) else [*wrong, "a container"]
    for name, row in before["containers"].items():
        now = after["containers"].get(name) or {}
        wrong += [
            f"{name} {word}" for word in ("id", "running", "started", "policy") if now.get(word) != row[word]
        ]
    return wrong


def rewritten(before: Theirs, after: Theirs) -> list[str]:
    """Return the files of theirs that have changed, and the keys of daemon.json that have."""
    files = [
        path
        for path, what in before["files"].items()
        if what[3] and after["files"].get(path) != what and not path.endswith(SHARED)
    ]
    try:
        theirs, whole = (json.loads(each["daemon"] or "{}") for each in (before, after))
    except ValueError:
        return files if before["daemon"] == after["daemon"] else [*files, "daemon.json"]
    return files + [f"daemon.json {key}" for key in theirs if whole.get(key) != theirs[key]]


def moved(before: Theirs, after: Theirs) -> list[str]:
    """Return the packages of theirs that are no longer there in their version."""
    return sorted(set(before["packages"]) - set(after["packages"]))


def active(theirs: Theirs) -> dict[str, list[str]]:
    """Return each unit's two states."""
    return {name: states[:2] for name, states in theirs["units"].items()}


@every
def test_the_plan_changes_nothing(story: Story, scene: Scene) -> None:
    assert changed(story.begun[scene.name], story.seen["planned"][scene.name]) == {}


@every
def test_the_plan_says_what_would_happen(story: Story, scene: Scene) -> None:
    report = story.report("planned", scene)
    assert bool(report["error"]) == scene.refused, report["error"]
    assert scene.refused or report["changes"]
    said = story.done["planned"].out + story.done["planned"].err
    assert [word for word in scene.says if word not in said] == []


@some(asks=True)
def test_without_consent_a_host_that_would_be_disrupted_is_refused(story: Story, scene: Scene) -> None:
    assert story.error("unasked", scene).get("kind") == "disruption-refused"
    assert story.done["unasked"].rc & 8
    assert changed(story.before("unasked", scene), story.seen["unasked"][scene.name]) == {}


@some(refused=True)
def test_a_refused_host_is_left_as_it_is_whatever_is_agreed_to(story: Story, scene: Scene) -> None:
    for stage in ("unasked", "agreed", "back"):
        error = story.error(stage, scene)
        assert [word for word in scene.says if word not in json.dumps(error)] == [], stage
        assert changed(story.begun[scene.name], story.seen[stage][scene.name]) == {}, stage


@some(waits=True)
def test_dnf_is_waited_for_no_longer_than_asked(story: Story, scene: Scene) -> None:
    assert story.error("unasked", scene).get("kind") == "package-lock-held"


@every
def test_without_consent_no_container_stops_and_nothing_of_theirs_changes(story: Story, scene: Scene) -> None:
    before, after = story.before("unasked", scene), story.seen["unasked"][scene.name]
    assert harmed(scene, before, after) + rewritten(before, after) + moved(before, after) == []
    assert scene.asks or scene.refused or scene.waits or story.error("unasked", scene) == {}


@every
def test_with_consent_theirs_is_still_there(story: Story, scene: Scene) -> None:
    before, after = story.begun[scene.name], story.seen["agreed"][scene.name]
    assert bool(story.error("agreed", scene)) == scene.refused, story.error("agreed", scene)
    assert harmed(scene, before, after) + rewritten(before, after) + moved(before, after) == []
    assert scene.refused or active(after)["docker.service"] == ["enabled", "active"]


@every
def test_verify_passes_what_the_operator_decided_and_restarts_nothing(story: Story, scene: Scene) -> None:
    before, after = story.before("verified", scene), story.seen["verified"][scene.name]
    assert changed(before, after) == {}
    if not scene.refused:
        report = story.report("verified", scene)
        failed = [check for check in report["checks"] if check["passed"] is False]
        assert (report["status"], failed) == ("ok", [])


@every
def test_a_second_run_changes_nothing(story: Story, scene: Scene) -> None:
    assert changed(story.before("again", scene), story.seen["again"][scene.name]) == {}
    assert story.report("again", scene)["changes"] == [] or scene.refused
    assert bool(story.error("again", scene)) == scene.refused


@every
def test_after_an_undo_the_host_is_as_it_was_and_theirs_runs(story: Story, scene: Scene) -> None:
    _as_it_was(story, scene, "undone")


@every
def test_after_uninstall_the_host_is_as_it_was_and_theirs_runs(story: Story, scene: Scene) -> None:
    _as_it_was(story, scene, "uninstalled")


@every
def test_a_purge_takes_nothing_of_theirs(story: Story, scene: Scene) -> None:
    before, after = story.begun[scene.name], story.seen["purged"][scene.name]
    assert harmed(scene, before, after) + moved(before, after) == []


@pytest.mark.parametrize("scene", [BY_NAME["slow"]], ids=["slow"])
def test_an_engine_that_starts_slowly_is_waited_for(story: Story, scene: Scene) -> None:
    assert story.slow["result"]["error"] is None
    assert story.slow["result"]["changed"]
    assert harmed(scene, story.begun[scene.name], story.slow["theirs"]) == []


def _as_it_was(story: Story, scene: Scene, stage: str) -> None:
    before, after = story.begun[scene.name], story.seen[stage][scene.name]
    assert story.error(stage, scene) == {} or scene.refused
    assert harmed(scene, before, after) + moved(before, after) == []
    assert after["daemon"] == before["daemon"]
    assert [path for path, what in before["files"].items() if after["files"].get(path) != what] == []
    assert active(after) == active(before)
    ours = [name for name in set(after["packages"]) - set(before["packages"]) if name.startswith(ENGINE)]
    assert ours == []


def test_every_scene_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(SCENES)
