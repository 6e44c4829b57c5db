"""The table of lived-in hosts names tests and scenes: each exists, and no scene is without a row."""

import re
from pathlib import Path

from tests.lab.lived_in.scenes import SCENES

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs/lived-in-hosts.md").read_text()
BATTERY = (CHECKOUT / "tests/lab/test_lived_in.py").read_text()


def test_each_test_that_the_table_names_exists() -> None:
    named = re.findall(r"`(test_\w+)(?:\[[\w-]+\])?`", PAGE)
    assert len(named) == PAGE.count("`test_")
    assert [name for name in named if f"def {name}(" not in BATTERY] == []


def test_each_scene_has_one_row_and_each_row_a_scene() -> None:
    rows = re.findall(r"\[([\w-]+)\]` \|$", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(scene.name for scene in SCENES)


def test_every_test_of_the_battery_is_named_on_the_page() -> None:
    tests = re.findall(r"def (test_\w+)\(story", BATTERY)
    assert [name for name in tests if f"`{name}" not in PAGE] == []
