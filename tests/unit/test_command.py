"""The commands as processes: what they say and how they end when something is wrong with the call."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FAB = Path(sys.executable).with_name("fab")
DOOR = "from provision.tasks import namespace\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "fabfile.py").write_text(DOOR)
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yml").write_text("all: {hosts: {web1: {ansible_host: 192.0.2.1}}}\n")
    return tmp_path


def fab(project: Path, *words: str, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(FAB), *words], cwd=project, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("plan", "--limit", ""), "the limit is empty"),
        (("plan", "--via", "pigeon"), "--via 'pigeon' is not one of public, private"),
        (("plan", "--output", "xml"), "--output 'xml' is not one of text, json"),
        (("plan", "--unlock-fd", "x"), "--unlock-fd 'x' is not a number"),
        (("plan", "--bundle", "none.tar"), "the bundle none.tar is refused: No such file or directory"),
        (("bundle.make",), "no host is named"),
        (("bundle.make", "--from", "web1", "--to", "fabfile.py"), "fabfile.py exists"),
        (("lab.up", "--hosts", "many"), "--hosts 'many' is not a number"),
        (("-H", "a,b", "plan"), "-H is not supported"),
        (("credentials.set", "web1", "--kind", "pin"), "--kind pin is not known"),
        (("hosts.shell", "web2"), "no host and no group is called web2"),
    ],
)
def test_a_wrong_word_is_named_with_what_to_type_instead(
    project: Path, words: tuple[str, ...], message: str
) -> None:
    done = fab(project, *words, capture_output=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert f"Error  {message}" in done.stderr
    assert "Next" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / ".provision").exists()


def test_a_reader_that_has_gone_is_no_success_and_no_traceback(project: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = fab(project, "hosts.list", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
