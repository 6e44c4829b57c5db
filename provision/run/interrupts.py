"""Turn Ctrl-C, SIGTERM and SIGHUP into an orderly end: once, what runs is finished; twice, now."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# The shell's convention, documented in the README: 128 + the signal's number.
_EXIT = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


class Terminated(KeyboardInterrupt):
    """SIGTERM came, where Ctrl-C would have raised KeyboardInterrupt."""


class TerminalClosed(KeyboardInterrupt):
    """SIGHUP came: the terminal is gone."""


_RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated, signal.SIGHUP: TerminalClosed}


class Cancel:
    """Whether the person stopped the run, and what is to be ended then.

    Until ``begin`` no host is touched, and a signal raises at once. From then on the first one calls
    what ``then`` was given, and the second raises. After that, and after ``end``, signals change
    nothing: a third Ctrl-C must cut short neither the cleaning nor the report.
    """

    def __init__(self) -> None:
        self.exit_code = 0
        self._callbacks: list[Callable[[], None]] = []
        self._is_orderly = False
        self._is_deaf = False
        self._is_asking = False

    def is_set(self) -> bool:
        """Return whether the run was stopped."""
        return self.exit_code != 0

    def then(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` at the first signal."""
        self._callbacks.append(callback)

    def begin(self) -> None:
        """Say that from now on there is something to bring to an end."""
        self._is_orderly = True

    def end(self) -> None:
        """Say that all that is left to do is to write down what was done."""
        self._is_deaf = True

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Let the first signal raise until the context ends: a person is asked, and nothing else runs."""
        self._is_asking = True
        try:
            yield
        finally:
            self._is_asking = False

    def trigger(self, number: int, _frame: FrameType | None) -> None:
        """Be the signal handler."""
        if self._is_deaf:
            return
        is_first = not self.is_set()
        self.exit_code = self.exit_code or _EXIT[signal.Signals(number)]
        if self._is_asking or not self._is_orderly or not is_first:
            self._is_deaf = True
            raise _RAISED[signal.Signals(number)]
        for callback in self._callbacks:
            callback()


@contextmanager
def catch_signals() -> Iterator[Cancel]:
    """Yield a Cancel that SIGINT, SIGTERM and SIGHUP set, for as long as the context lasts.

    After a signal the process is about to end, and all stay ignored. SIGHUP is left alone under nohup.
    """
    cancel = Cancel()
    heard = [number for number in _EXIT if number != signal.SIGHUP or _default(number)]
    before = {number: signal.signal(number, cancel.trigger) for number in heard}
    try:
        yield cancel
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if cancel.is_set() else handler)


def _default(number: signal.Signals) -> bool:
    return signal.getsignal(number) != signal.SIG_IGN


def ignore() -> None:
    """Let no further signal disturb the last words of a command that was stopped."""
    for number in _EXIT:
        signal.signal(number, signal.SIG_IGN)


def exit_code_of(stop: KeyboardInterrupt) -> int:
    """Return the exit code of a command that ``stop`` ended."""
    return next(_EXIT[number] for number, kind in _RAISED.items() if type(stop) is kind)
