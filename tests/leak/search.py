"""Search whole file systems for canaries; only files that changed since these were made can hold one."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.leak.canaries import Needles
from tests.leak.watch import Hit

# Those that keep files; an overlay's lie in another of them.
FILE_SYSTEMS = {"btrfs", "devtmpfs", "ext2", "ext3", "ext4", "f2fs", "ramfs", "tmpfs", "xfs"}
# A file's time may be that of the kernel's last tick.
CLOCK_SLACK_S = 1.0
FILES_AT_ONCE = 500
WHOLE = "/"
# 1 is "nothing found", 2 is "a file has gone meanwhile", for find and grep alike.
_MAY_GO = (0, 1, 2)


def search(needles: Needles, roots: Iterable[Path], since_s: float) -> set[Hit]:
    """Search each file below ``roots``, on the file systems of these, that changed after ``since_s``.

    ``since_s`` is a time of the clock. A file's name counts as well as its content.
    """
    hits = set()
    for root in roots:
        files = _changed(root, since_s)
        hits |= {Hit(name, os.fsdecode(file)) for file in files for name in needles.find(file)}
        hits |= {
            Hit(name, os.fsdecode(file))
            for file in _holding(needles, files)
            for name in _names_in(needles, file)
        }
    return hits


def roots(leaders: Iterable[int]) -> tuple[Path, ...]:
    """Return the directories under which all files of this machine and of the hosts are.

    ``leaders`` are the pids of the hosts' process 1. A part of a file system, mounted elsewhere, is left
    out where the whole of it is there.
    """
    mounts = [mount for leader in ("self", *map(str, leaders)) for mount in _mounts(leader)]
    found: dict[tuple[str, str], Path] = {}
    for device, inner, place in sorted(mounts, key=lambda mount: mount[1] != WHOLE):
        if (device, WHOLE) not in found:
            found.setdefault((device, inner), place)
    return tuple(found.values())


def journal(since_s: float, prefix: tuple[str, ...] = ()) -> bytes:
    """Return the entries of systemd's journal since then: its files are compressed, so not searchable."""
    since = f"--since=@{int(since_s - CLOCK_SLACK_S)}"
    read = [*prefix, "journalctl", "--output=export", "--all", "--no-pager", since]
    return subprocess.run(read, capture_output=True, check=True, timeout=60).stdout


def _mounts(leader: str) -> Iterator[tuple[str, str, Path]]:
    """Return the device of each mount with files, the part of it that is mounted, and the mount point."""
    for line in Path(f"/proc/{leader}/mountinfo").read_text().splitlines():
        mount, _, kind = line.partition(" - ")
        _, _, device, inner, outer, *_ = mount.split()
        is_ours = leader == "self"
        if kind.split()[0] in FILE_SYSTEMS or (is_ours and outer == "/"):
            yield device, inner, Path(outer if is_ours else f"/proc/{leader}/root{outer}")


def _changed(root: Path, since_s: float) -> list[bytes]:
    test = ["-newerct", f"@{since_s - CLOCK_SLACK_S:.3f}", "-type", "f", "-print0"]
    done = subprocess.run(["find", f"{root}/", "-xdev", *test], capture_output=True, check=False)
    assert done.returncode in _MAY_GO, done.stderr
    return done.stdout.split(b"\0")[:-1]


def _holding(needles: Needles, files: list[bytes]) -> list[bytes]:
    """Return those of ``files`` that hold any needle."""
    found: list[bytes] = []
    with _in_memory(b"".join(text + b"\n" for text in needles.texts)) as patterns:
        for start in range(0, len(files), FILES_AT_ONCE):
            argv = ["grep", "-F", "-l", "-Z", "-s", "-f", f"/proc/self/fd/{patterns}", "--"]
            done = subprocess.run(
                [*argv, *files[start : start + FILES_AT_ONCE]], env={"LC_ALL": "C"}, pass_fds=(patterns,),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False,
            )  # fmt: skip
            assert done.returncode in _MAY_GO
            found += done.stdout.split(b"\0")[:-1]
    return found


def _names_in(needles: Needles, file: bytes) -> set[str]:
    try:
        return needles.find(Path(os.fsdecode(file)).read_bytes())
    except FileNotFoundError:
        return {"a canary, gone since"}


@contextmanager
def _in_memory(data: bytes) -> Iterator[int]:
    """Yield a descriptor of a file that is on no file system."""
    descriptor = os.memfd_create("needles")
    try:
        os.write(descriptor, data)
        yield descriptor
    finally:
        os.close(descriptor)
