"""Pass on results while others are still in progress, in batches."""

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, Queue
from typing import TypeVar

T = TypeVar("T")


def in_batches(
    work: Callable[[Callable[[T], None]], None], wait_s: float, longest_s: float
) -> Generator[tuple[T, ...], None, None]:
    """Run ``work`` in a thread, and yield in batches what it passes to its argument.

    A batch ends when nothing has followed for ``wait_s``, when ``longest_s`` have passed since its first
    item, and when ``work`` ends. Raises what ``work`` raises. A caller that stops early must close the
    iterator, which then waits for ``work``.
    """
    done: Queue[T | None] = Queue()

    def run() -> None:
        try:
            work(done.put)
        finally:
            done.put(None)

    with ThreadPoolExecutor(1, "batches") as pool:
        running = pool.submit(run)
        yield from _batches(done, wait_s, longest_s)
        running.result()


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
        end = end if batch else time.monotonic() + longest_s
        if one is None:
            yield tuple(batch)
            return
        batch.append(one)
