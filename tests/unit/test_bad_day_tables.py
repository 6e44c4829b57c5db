"""The tables of bad days and of promises name tests: each of them must exist."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGES = [*sorted((CHECKOUT / "docs").glob("bad-*.md")), CHECKOUT / "docs" / "security.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_test_that_a_table_names_exists(page: Path) -> None:
    file = ""
    named = re.findall(r"`((?:unit|lab|leak)/\w+\.py|…)::(\w+)`", page.read_text())
    assert named
    assert len(named) == page.read_text().count("::")
    for place, name in named:
        file = file if place == "…" else place
        assert f"def {name}(" in (CHECKOUT / "tests" / file).read_text(), f"{file}::{name}"
