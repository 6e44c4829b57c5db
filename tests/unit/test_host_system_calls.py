"""What reaches the disk, and in which order: strace records what the kernel was asked for."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = "write,fsync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir"
LINE = re.compile(r'(?:\d+ +)?(\w+)\((?:\d+<([^>]*)>|"([^"]*)")(?:, "([^"]*)")?')
ROOT = Path(__file__).resolve().parents[2]
START = f"""\
import sys
sys.path.insert(0, {str(ROOT)!r})
from provision.host.ground import files; from provision.host.runs import journal
from provision.host.ground.machine import Machine
machine = Machine(sys.argv[1])
"""


@pytest.fixture
def calls(tmp_path_factory):
    """Return a program's calls below a directory: (call, path, the second path or what is written)."""

    def record(place, program):
        log = tmp_path_factory.mktemp("strace") / "log"
        watch = ["strace", "-f", "-y", "-e", f"trace={CALLS}", "-o", log]
        subprocess.run([*watch, sys.executable, "-c", START + program, place], check=True, timeout=60)
        found = [LINE.match(line) for line in log.read_text().splitlines()]
        rows = [(call[1], call[2] or call[3], call[4] or "") for call in found if call]
        return [
            (name, path.removeprefix(str(place)), more) for name, path, more in rows if str(place) in path
        ]

    return record


def test_a_file_is_synced_before_it_is_renamed_and_then_its_folder(calls, tmp_path):
    (tmp_path / "file").write_text("old")
    found = calls(tmp_path, "files.replace_file(machine.path('/file'), b'new')")
    temporary = found[0][1]
    assert temporary.startswith("/.provision-")
    assert found == [
        ("write", temporary, "new"),
        ("fsync", temporary, ""),
        ("rename", temporary, f"{tmp_path}/file"),
        ("fsync", "", ""),
    ]


def test_a_removal_and_a_folder_that_came_along_reach_the_disk_too(calls, tmp_path):
    found = calls(
        tmp_path, "change = files.FileChange(machine, '/etc/docker/x', b'1'); change.apply(); change.undo()"
    )
    last = [(name, path) for name, path, _ in found][-6:]
    assert last == [
        ("unlink", "/etc/docker/x"), ("fsync", "/etc/docker"), ("rmdir", "/etc/docker"), ("fsync", "/etc"),
        ("rmdir", "/etc"), ("fsync", ""),
    ]  # fmt: skip
    made = [(name, path) for name, path, _ in found][:4]
    assert made == [("mkdir", "/etc"), ("fsync", ""), ("mkdir", "/etc/docker"), ("fsync", "/etc")]


def test_a_change_is_in_the_journal_on_the_disk_before_it_begins(calls, tmp_path):
    (tmp_path / "var/lib/provision/r1").mkdir(parents=True)
    found = calls(tmp_path, "journal.Journal(machine, 'r1').note('begin', number=0)")
    folder = "/var/lib/provision/r1"
    assert [call[:2] for call in found] == [
        ("write", f"{folder}/journal"), ("fsync", f"{folder}/journal"), ("fsync", folder),
    ]  # fmt: skip
