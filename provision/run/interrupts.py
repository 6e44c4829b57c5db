"""Stop a run in order at Ctrl-C, SIGTERM or SIGHUP; a second signal stops it at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# The shell's convention, documented in the README: 128 + the signal's number.
_EXIT = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


class Terminated(KeyboardInterrupt):
    """SIGTERM was received; Ctrl-C raises KeyboardInterrupt itself."""


class TerminalClosed(KeyboardInterrupt):
    """SIGHUP was received: the terminal was closed."""


_RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated, signal.SIGHUP: TerminalClosed}


class Cancel:
    """The handler of signals, and whether one has stopped the run.

    Until ``begin`` no host is touched, and a signal raises at once. After it, the first signal calls the
    callbacks, and the second raises. Then, and after ``end``, signals are ignored: a third Ctrl-C must
    interrupt neither cleanup nor report.
    """

    def __init__(self) -> None:
        self.exit_code = 0
        self._is_urgent = False
        self._callbacks: list[Callable[[], None]] = []
        self._is_orderly = False
        self._is_deaf = False
        self._is_asking = False

    def is_set(self) -> bool:
        """Return whether a signal has stopped the run."""
        return self.exit_code != 0

    def is_urgent(self) -> bool:
        """Return whether a second signal has come: nothing is waited for any more."""
        return self._is_urgent

    def then(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` at the first signal."""
        self._callbacks.append(callback)

    def begin(self) -> None:
        """Start handling signals in order: hosts are touched from now on."""
        self._is_orderly = True

    def end(self) -> None:
        """Ignore signals from now on: only the report is left to write."""
        self._is_deaf = True

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Make the first signal raise until the context ends, while a person is asked."""
        self._is_asking = True
        try:
            yield
        finally:
            self._is_asking = False

    def trigger(self, number: int, _frame: FrameType | None) -> None:
        """Handle signal ``number``."""
        if self._is_deaf:
            return
        self._is_urgent = self.is_set()
        self.exit_code = self.exit_code or _EXIT[signal.Signals(number)]
        if self._is_asking or not self._is_orderly or self._is_urgent:
            self._is_deaf = True
            raise _RAISED[signal.Signals(number)]
        for callback in self._callbacks:
            callback()


@contextmanager
def catch_signals() -> Iterator[Cancel]:
    """Yield a Cancel that handles SIGINT, SIGTERM and SIGHUP until the context ends.

    After a signal the process is about to exit, and they stay ignored. An ignored SIGHUP (nohup) stays
    ignored.
    """
    cancel = Cancel()
    caught = [
        number for number in _EXIT if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    ]
    before = {number: signal.signal(number, cancel.trigger) for number in caught}
    try:
        yield cancel
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if cancel.is_set() else handler)


def ignore() -> None:
    """Ignore further signals while a stopped command prints its last message."""
    for number in _EXIT:
        signal.signal(number, signal.SIG_IGN)


def exit_code_of(stop: KeyboardInterrupt) -> int:
    """Return the exit code of a command that ``stop`` interrupted."""
    return next(_EXIT[number] for number, kind in _RAISED.items() if type(stop) is kind)
