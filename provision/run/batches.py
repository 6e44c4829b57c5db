"""Pass on what arrives in batches, while more is still on its way."""

import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, Queue
from typing import TypeVar

T = TypeVar("T")


def in_batches(items: Iterable[T], wait_s: float, longest_s: float) -> Generator[tuple[T, ...], None, None]:
    """Iterate ``items`` in a thread, and yield in batches what comes.

    A batch ends when nothing has followed for ``wait_s``, when ``longest_s`` have passed since its first
    item, and when ``items`` end. Raises what ``items`` raise. A caller that stops early must close the
    iterator, which then waits for the end of ``items``.
    """
    done: Queue[T | None] = Queue()

    def take() -> None:
        try:
            for item in items:
                done.put(item)
        finally:
            done.put(None)

    with ThreadPoolExecutor(1, "batches") as pool:
        taking = pool.submit(take)
        yield from _batches(done, wait_s, longest_s)
        taking.result()


def _batches(done: Queue[T | None], wait_s: float, longest_s: float) -> Iterator[tuple[T, ...]]:
    batch: list[T] = []
    end = 0.0
    while True:
        try:
            one = done.get(timeout=max(0.0, min(wait_s, end - time.monotonic())) if batch else None)
        except Empty:
            yield tuple(batch)
            batch = []
            continue
        if one is None:
            if batch:
                yield tuple(batch)
            return
        end = end if batch else time.monotonic() + longest_s
        batch.append(one)
