"""Which system a host is, and what the document says about it (provision/host/ground/systems.py)."""

from pathlib import Path
from typing import Any

import pytest

from provision.host.ground import facts, systems
from provision.host.ground.errors import Refusal
from tests.unit import systems_table

DOCUMENT = Path(__file__).parents[2] / "docs" / "systems.md"


def facts_of(text: str) -> facts.Facts:
    release = facts.parse_os_release(text)
    return facts.Facts(release, "x86_64", facts.system_name(release, "x86_64"))


@pytest.mark.parametrize("recorded", systems_table.recorded(), ids=lambda each: each["text"].split('"')[1])
def test_each_recorded_system_chooses_its_row(recorded: dict[str, Any]) -> None:
    found = systems.find(facts.parse_os_release(recorded["text"]))
    assert (found.name if found else None) == recorded["row"]


def test_the_document_is_made_from_the_rows() -> None:
    assert DOCUMENT.read_text() == systems_table.table()


def test_no_two_rows_are_for_one_system() -> None:
    ids = [system.ids for system in systems.SYSTEMS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NAME=Fedora\nID=fedora\nVERSION_ID=44\n", "Docker's packages for Fedora are others"),
        ("NAME=Debian\nID=debian\nVERSION_ID=12\n", "Docker's EL packages do not support it"),
        ('NAME="Red Hat"\nID="rhel"\nVERSION_ID="11.0"\n', "Docker's EL packages do not support it"),
        ("", "Docker's EL packages do not support it"),
    ],
)
def test_a_refusal_says_why_and_what_is_supported(text: str, why: str) -> None:
    with pytest.raises(Refusal) as caught:
        systems.supported(facts_of(text))
    assert caught.value.kind == "unsupported-os"
    assert why in caught.value.message
    assert "RHEL 7, 8, 9, 10; Rocky Linux 8, 9, 10" in caught.value.hint
    assert "2023" not in caught.value.hint


def test_a_rebuild_without_a_row_names_its_platform() -> None:
    text = (
        'NAME="New"\nID="new"\nID_LIKE="rhel centos fedora"\nVERSION_ID="10.1"\nPLATFORM_ID="platform:el10"\n'
    )
    found = systems.supported(facts_of(text))
    assert (found.repository, found.needs) == ("rhel/10", "kernel-modules-extra")
    with pytest.raises(Refusal):
        systems.supported(facts_of(text.replace("rhel ", "")))
