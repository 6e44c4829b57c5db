"""provision.lock.yml on the controller: read with the line of each mistake, written whole or not at all."""

from pathlib import Path
from typing import Any

import pytest

from provision.errors import InventoryError, UsageError
from provision.model import Locked
from provision.pipeline import Request
from provision.settings import Settings
from provision.workflows import lockfile

SUM = "5" * 64
CENTOS, ARM = "centos/9 x86_64", "centos/9 aarch64"
ENGINE, LIBRARY = "docker-ce-3:28.5.2-1.el9.x86_64", "libcgroup-0:3.1-1.el9.x86_64"


def locked(*rows: str, system: str = CENTOS) -> Locked:
    return Locked(system, tuple((row, SUM) for row in rows or (ENGINE, LIBRARY)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / lockfile.NAME


def request_of(tmp_path: Path, verb: str, *, make: bool = False) -> Any:
    project = Settings((), tmp_path, tmp_path, tmp_path / ".provision")
    return lockfile.with_lock(Request(verb, "fab"), project, make=make).values


def test_what_is_written_is_read_and_sent_by_plan_and_provision_alone(tmp_path: Path, file: Path) -> None:
    assert request_of(tmp_path, "provision") == {}
    assert lockfile.write(file, {"web1": locked()}) == (CENTOS,)
    whole = {"lock": {"systems": {CENTOS: [[ENGINE, SUM], [LIBRARY, SUM]]}}}
    assert [request_of(tmp_path, verb) for verb in ("plan", "provision")] == [whole, whole]
    assert request_of(tmp_path, "uninstall") == request_of(tmp_path, "hosts.undo") == {}
    assert request_of(tmp_path, "plan", make=True) == {"lock": {"make": True}}


def test_a_lab_has_a_lock_file_of_its_own(tmp_path: Path) -> None:
    lab = tmp_path / ".provision/lab"
    project = Settings((), lab / "known_hosts", tmp_path, tmp_path / ".provision", lab / "master")
    assert lockfile.place(project) == lab / lockfile.NAME


def test_other_systems_stay_and_the_file_is_the_same_in_any_order(file: Path) -> None:
    lockfile.write(file, {"web1": locked(), "arm1": locked(system=ARM)})
    both = file.read_text()
    lockfile.write(file, {"web1": locked(LIBRARY, ENGINE)})
    assert file.read_text() == both
    lockfile.write(file, {})
    assert file.read_text() == both
    assert [each.name for each in file.parent.iterdir()] == [lockfile.NAME]


def test_hosts_of_one_system_that_differ_in_an_engine_write_nothing(file: Path) -> None:
    lockfile.write(file, {"web1": locked()})
    before = file.read_text()
    with pytest.raises(UsageError, match="web1 and web2 are both centos/9 x86_64") as caught:
        lockfile.write(file, {"web1": locked(), "web2": locked("docker-ce-3:29.0.0-1.el9.x86_64")})
    assert ENGINE in caught.value.failure.evidence
    assert file.read_text() == before


def test_dependencies_of_all_hosts_are_in_it_and_those_of_the_first_count(file: Path) -> None:
    second = locked(ENGINE, "libcgroup-0:3.2-1.el9.x86_64", "iptables-0:1.8-1.el9.x86_64")
    lockfile.write(file, {"web1": locked(), "web2": second})
    assert [row[0] for row in lockfile.read(file)[CENTOS]] == [ENGINE, "iptables-0:1.8-1.el9.x86_64", LIBRARY]


def good(**parts: str) -> str:
    words = {"system": CENTOS, "nevra": ENGINE, "sha256": SUM} | parts
    return "systems:\n  {system}:\n  - nevra: {nevra}\n    sha256: '{sha256}'\n".format(**words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: here belongs systems"),
        ("[", "line 1: "),
        ("systems: [", "line 1: "),
        ("a: 1\nb: 2\n", "line 1: here belongs systems, and nothing else"),
        ("systems:\n", "line 1: here belongs a name"),
        ("systems: {}\nsystems: {}\n", "line 1: a name is there twice"),
        ("\x00", "line 1: no YAML"),
        ("systems: &a\n  centos/9 x86_64: *a\n", "centos/9 x86_64 is a list of packages"),
        (good(system="CentOS 9"), "line 2: a system is written like"),
        ("systems:\n  centos/9 x86_64: []\n", "line 2: centos/9 x86_64 is a list of packages"),
        ("systems:\n  centos/9 x86_64:\n  - docker-ce\n", "line 3: here belongs nevra and sha256"),
        (good(nevra="docker-ce-28.5.2"), "line 3: nevra is written like"),
        (good(nevra="-y-0:1-1.noarch"), "line 3: nevra is written like"),
        (good(nevra="[a]"), "line 3: nevra is written like"),
        (good(sha256="abc"), "line 4: sha256 has 64 digits"),
        (good() + f"  - nevra: {ENGINE}\n    sha256: '{SUM}'\n", "line 5: docker-ce is there twice"),
        (good() + "    more: 1\n", "line 3: here belongs nevra and sha256, and nothing else"),
        ("!!python/object:os.system x", "line 1: here belongs systems"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_nothing_is_lost(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    for work in (lambda: lockfile.read(file), lambda: lockfile.write(file, {"web1": locked()})):
        with pytest.raises(InventoryError) as caught:
            work()
        assert words in caught.value.failure.message
        assert str(file) in caught.value.failure.message
    assert file.read_text() == text


def test_a_host_cannot_write_anything_else_into_the_file(file: Path) -> None:
    with pytest.raises(UsageError, match="web1 has sent something other than packages"):
        lockfile.write(file, {"web1": locked("docker-ce-3:1-1.x86_64; reboot")})
    assert not file.exists()


def test_a_file_that_cannot_be_read_or_written_says_why(file: Path) -> None:
    file.mkdir()
    with pytest.raises(UsageError, match="cannot be used: Is a directory"):
        lockfile.read(file)
