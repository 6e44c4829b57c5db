"""Watch what every process of this machine and of the hosts shows to others while commands run."""

import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.leak.canaries import Needles

PERIOD_S = 0.05
# The watching may take this part of one core at most.
MOST_OF_A_CORE = 0.2
SHOWN = ("cmdline", "environ")
CHUNK_BYTES = 256 << 10
# Of a file at one look. One that grew is read on from a little before its last end.
LARGEST_READ_BYTES = 4 << 20
OVERLAP_BYTES = 4096


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A canary, by name, at a place where it must not be."""

    canary: str
    place: str


class Watch:
    """Keep what each process shows as arguments and environment, and what files below ``places`` hold.

    ``places`` are small directories whose files come and go: a file that exists only for a moment would
    be gone before any search.
    """

    def __init__(self, *places: Path) -> None:
        self.looks = 0
        self.longest_gap_s = 0.0
        self._places = places
        self._kept: set[tuple[str, bytes]] = set()
        self._files: dict[str, os.stat_result] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="leak watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def hits(self, needles: Needles) -> set[Hit]:
        """Return where any needle was seen."""
        return {Hit(name, place) for place, data in self._kept for name in needles.find(data)}

    def look(self) -> None:
        """Look once at everything."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                self._look_at_process(f"/proc/{pid}")
        for place in self._places:
            for file in _files(str(place)):
                with suppress(OSError):
                    self._look_at_file(file)
        self.looks += 1

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._end.is_set():
            started, spent_s = time.monotonic(), -time.thread_time()
            self.longest_gap_s = max(self.longest_gap_s, started - last)
            last = started
            self.look()
            spent_s += time.thread_time()
            self._end.wait(max(PERIOD_S, spent_s / MOST_OF_A_CORE))

    def _look_at_process(self, process: str) -> None:
        name = _read(f"{process}/comm").decode(errors="replace").strip()
        for kind in SHOWN:
            self._kept.add((f"{kind} of {name}", _read(f"{process}/{kind}")))

    def _look_at_file(self, file: os.DirEntry[str]) -> None:
        now, before = file.stat(follow_symlinks=False), self._files.get(file.path)
        self._files[file.path] = now
        if stat.S_ISREG(now.st_mode) and _mark(now) != _mark(before):
            has_grown = before and before.st_ino == now.st_ino and before.st_size < now.st_size
            start = max(before.st_size - OVERLAP_BYTES, 0) if before and has_grown else 0
            self._kept.add((file.path, _read(file.path, start)))


def _mark(status: os.stat_result | None) -> tuple[int, int, int] | None:
    return (status.st_ino, status.st_size, status.st_mtime_ns) if status else None


def _files(directory: str) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry


def _read(path: str, start: int = 0) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        data = b""
        while len(data) < LARGEST_READ_BYTES and (
            more := os.pread(descriptor, CHUNK_BYTES, start + len(data))
        ):
            data += more
        return data
    finally:
        os.close(descriptor)
