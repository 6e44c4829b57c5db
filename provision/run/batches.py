"""Pass on what arrives in batches, while more is still on its way."""

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, Queue
from typing import TypeVar

T = TypeVar("T")


def in_batches(items: Iterable[T]) -> Generator[tuple[T, ...], None, None]:
    """Iterate ``items`` in a thread, and yield what has come since the last batch.

    Waits for the first of each batch. Raises what ``items`` raise. A caller that stops early must close the
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
        yield from _batches(done)
        taking.result()


def _batches(done: Queue[T | None]) -> Iterator[tuple[T, ...]]:
    one: T | None = None
    while (one := done.get()) is not None:
        batch = [one]
        with suppress(Empty):
            while (one := done.get_nowait()) is not None:
                batch.append(one)
            done.put(None)
        yield tuple(batch)
