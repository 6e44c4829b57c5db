"""A FileChange can be made, made again, taken back, and taken back again; and nothing is left half."""

import errno
import os
import stat

import pytest

from provision.host.ground import change, files
from provision.host.ground.change import Together
from provision.host.ground.files import FileChange
from provision.host.ground.machine import Machine

PATH = "/etc/docker/daemon.json"


@pytest.fixture
def machine(tmp_path):
    return Machine(str(tmp_path))


def tree(root):
    """Return every path below ``root`` with its content, mode or link target."""
    found = {}
    for path in sorted(root.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        found[str(path)] = (
            mode,
            path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes(),
        )
    return found


def old_file(tmp_path, content=b"old\n", mode=0o600):
    path = tmp_path / PATH.lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("old", [None, b"old\n"])
@pytest.mark.parametrize("new", [None, b"new\n", b""])
def test_apply_and_undo_may_each_be_called_twice(machine, tmp_path, old, new):
    if old is not None:
        old_file(tmp_path, old)
    before = tree(tmp_path)
    step = FileChange(machine, PATH, new)
    step.apply()
    once = tree(tmp_path)
    assert machine.read(PATH) == new
    step.apply()
    assert tree(tmp_path) == once
    step.undo()
    assert tree(tmp_path) == before
    step.undo()
    assert tree(tmp_path) == before


def test_needed_says_whether_the_content_differs(machine, tmp_path):
    old_file(tmp_path)
    assert FileChange(machine, PATH, b"new\n").needed()
    assert not FileChange(machine, PATH, b"old\n").needed()
    assert not FileChange(machine, "/etc/none", None).needed()


def test_a_replaced_file_keeps_its_mode(machine, tmp_path):
    path = old_file(tmp_path, mode=0o640)
    FileChange(machine, PATH, b"new\n").apply()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_is_readable_by_all_and_writable_by_its_owner(machine, tmp_path):
    FileChange(machine, PATH, b"new\n").apply()
    assert stat.S_IMODE((tmp_path / PATH.lstrip("/")).stat().st_mode) == 0o644


def test_a_link_stays_a_link(machine, tmp_path):
    path = old_file(tmp_path)
    real = path.with_name("real.json")
    path.rename(real)
    path.symlink_to("real.json")
    step = FileChange(machine, PATH, b"new\n")
    step.apply()
    assert path.is_symlink()
    assert real.read_bytes() == b"new\n"
    step.undo()
    assert path.is_symlink()
    assert real.read_bytes() == b"old\n"


def test_undo_keeps_a_folder_that_others_use_by_now(machine, tmp_path):
    step = FileChange(machine, PATH, b"new\n")
    step.apply()
    (tmp_path / "etc/docker/theirs").touch()
    step.undo()
    assert os.listdir(tmp_path / "etc/docker") == ["theirs"]


def test_undo_is_harmless_when_apply_never_ran(machine, tmp_path):
    FileChange(machine, PATH, b"new\n").undo()
    assert tree(tmp_path) == {}


def test_a_failed_write_leaves_the_old_file_and_no_temporary(machine, tmp_path, monkeypatch):
    old_file(tmp_path)
    before = tree(tmp_path)

    def refuse(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        FileChange(machine, PATH, b"new\n").apply()
    assert tree(tmp_path) == before


def test_the_diff_is_unified_and_names_the_path(machine, tmp_path):
    old_file(tmp_path)
    assert FileChange(machine, PATH, b"new\n").diff == f"--- {PATH}\n+++ {PATH}\n@@ -1 +1 @@\n-old\n+new\n"
    assert FileChange(machine, "/etc/x", b"a\n").diff.startswith("--- /dev/null\n+++ /etc/x\n")


def test_backups_hold_what_would_be_lost(machine, tmp_path):
    old_file(tmp_path)
    step = Together(
        "both", "", "", "", [FileChange(machine, PATH, b"new\n"), FileChange(machine, "/etc/x", b"a\n")]
    )
    assert step.backups() == [(PATH, b"old\n")]


def test_together_undoes_the_last_part_first(machine):
    order = []

    class Part(change.Change):
        def __init__(self, name):
            self.subject = name

        def apply(self):
            order.append("+" + self.subject)

        def undo(self):
            order.append("-" + self.subject)

    both = Together("both", "", "", "", [Part("a"), Part("b")])
    both.apply()
    both.undo()
    assert order == ["+a", "+b", "-b", "-a"]


def test_an_undo_of_what_was_never_written_writes_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("old")
    change = FileChange(Machine(str(tmp_path)), "/file", b"new")
    monkeypatch.setattr("provision.host.ground.files.replace_file", _read_only)
    with pytest.raises(OSError, match="read-only"):
        change.apply()
    change.undo()
    assert (tmp_path / "file").read_text() == "old"


def _read_only(*_):
    raise OSError(errno.EROFS, "read-only")


def test_an_owner_and_a_mode_that_are_given_are_set(machine, tmp_path):
    old_file(tmp_path, mode=0o640)
    dress = files.Dress(0o600, os.geteuid(), os.getegid())
    step = FileChange(machine, PATH, b"old\n", dress=dress)
    assert step.needed()
    step.apply()
    assert stat.S_IMODE((tmp_path / PATH.lstrip("/")).stat().st_mode) == 0o600
    step.undo()
    assert stat.S_IMODE((tmp_path / PATH.lstrip("/")).stat().st_mode) == 0o640
