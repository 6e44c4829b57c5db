"""Hand on what is done while the rest is still at work, in as few parts as a short wait allows."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, Queue
from typing import TypeVar

T = TypeVar("T")


def in_batches(
    work: Callable[[Callable[[T], None]], None], wait_s: float
) -> Generator[tuple[T, ...], None, None]:
    """Run ``work`` in a thread, and give what it hands to its argument, until it ends.

    A batch is given when nothing has followed for ``wait_s``, and at the end. Raises what ``work`` raises.
    Who stops early has to close the iterator, which then waits for the end of ``work``.
    """
    done: Queue[T | None] = Queue()

    def run() -> None:
        try:
            work(done.put)
        finally:
            done.put(None)

    with ThreadPoolExecutor(1, "batches") as pool:
        running = pool.submit(run)
        yield from _batches(done, wait_s)
        running.result()


def _batches(done: Queue[T | None], wait_s: float) -> Iterator[tuple[T, ...]]:
    batch: list[T] = []
    while True:
        try:
            one = done.get(timeout=wait_s if batch else None)
        except Empty:
            yield tuple(batch)
            batch = []
            continue
        if one is None:
            yield tuple(batch)
            return
        batch.append(one)
