"""Turn Ctrl-C and SIGTERM into an orderly end: once, what runs is finished; twice, now."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# The shell's convention, documented in the README: 128 + the signal's number.
_EXIT = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Cancel:
    """Whether the person stopped the run, and what is to be ended then."""

    def __init__(self) -> None:
        self.exit_code = 0
        self._callbacks: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        """Tell whether the run was stopped."""
        return self.exit_code != 0

    def then(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` at the first signal."""
        self._callbacks.append(callback)

    def trigger(self, number: int, _frame: FrameType | None) -> None:
        """Be the signal handler."""
        if self.is_set():
            raise KeyboardInterrupt
        self.exit_code = _EXIT[signal.Signals(number)]
        for callback in self._callbacks:
            callback()


@contextmanager
def catch_signals() -> Iterator[Cancel]:
    """Give a Cancel that SIGINT and SIGTERM set, for as long as the context lasts."""
    cancel = Cancel()
    before = {number: signal.signal(number, cancel.trigger) for number in _EXIT}
    try:
        yield cancel
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
