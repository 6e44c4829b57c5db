"""Show progress during a run: a view of fixed height, or one plain line per finished host."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from provision.model import Stage, Status
from provision.report.buckets import STYLES
from provision.report.console import is_live, page_for
from provision.report.layout import Page, count, duration

if TYPE_CHECKING:
    from rich.live import Live as RichLive
    from rich.text import Text

MOST_RUNNING_LINES = 4
REDRAWS_PER_SECOND = 4
_RICH_STYLES = {"good": "green", "changed": "yellow", "bad": "bold red", "away": "magenta", "weak": "dim"}


@dataclass(frozen=True, slots=True)
class Running:
    """The progress of one host: its stage, a note, and when it started the run and the stage."""

    stage: Stage
    note: str
    since: float
    stage_since: float


class Live:
    """Show progress on ``stream`` (stderr) as a count of finished hosts.

    ``verb`` is the name of the run, ``words`` are those of its buckets, ``total`` is the number of hosts. On
    a terminal the view is redrawn in place, and removed at the end; elsewhere each finished host prints a
    line. ``stage`` and ``done`` may be called from any thread.
    """

    def __init__(
        self,
        verb: str,
        total: int,
        *,
        words: Mapping[Status, str],
        stream: TextIO | None = None,
        page: Page | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verb, self._total = verb, total
        self._words = words
        self._stream = stream or sys.stderr
        self._page = page or page_for(self._stream)
        self._clock, self._begun = clock, clock()
        self._running: dict[str, Running] = {}
        self._finished: dict[str, Status] = {}
        self._lock = threading.Lock()
        self._view: RichLive | None = None

    def __enter__(self) -> Self:
        self._begun = self._clock()
        if is_live(self._stream):
            self._view = self._rich_view()
            self._view.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._view:
            self._view.stop()
            self._view = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Remove the view from the screen until the context ends."""
        shown = self._view is not None
        self.__exit__(None, None, None)
        yield
        if shown:
            self._view = self._rich_view()
            self._view.start()

    def stage(self, host: str, stage: Stage, note: str = "") -> None:
        """Show ``host`` at ``stage``; ``note`` is a few words about it."""
        now = self._clock()
        with self._lock:
            before = self._running.get(host)
            self._running[host] = Running(stage, note, before.since if before else now, now)

    def done(self, host: str, status: Status) -> None:
        """Count ``host`` as finished; a second call does not count."""
        with self._lock:
            running = self._running.pop(host, None)
            seen = host in self._finished
            self._finished[host] = status
        if not self._view and not seen:
            since = running.since if running else self._begun
            line = f"{host}  {self._words[status]}  {duration(self._clock() - since)}"
            with self._lock:
                self._stream.write(self._page.plain(line) + "\n")
                self._stream.flush()

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the view with their styles; as many for 12 hosts as for 12,000."""
        with self._lock:
            running = sorted(self._running.items(), key=lambda item: item[1].since)
            finished = list(self._finished.values())
        shown = []
        for name, where in running[:MOST_RUNNING_LINES]:
            words = (str(where.stage), where.note, duration(self._clock() - where.stage_since))
            line = f"  {name:<12}  {'  '.join(word for word in words if word)}"
            shown.append((self._page.plain(line), ""))
        empty = [("", "")] * (MOST_RUNNING_LINES - len(shown))
        more = len(running) - len(shown)
        last = f"  and {count(more, 'other')} on the way" if more else ""
        return [self._head(finished), *shown, *empty, (self._page.plain(last), "weak")]

    def _head(self, finished: list[Status]) -> tuple[str, str]:
        called = [self._words[status] for status in finished]
        said = [f"{called.count(word)} {word}" for word in dict.fromkeys(called)]
        parts = [f"{self._verb}  {len(finished)} of {count(self._total, 'host')} finished", *said]
        worst = next((STYLES[s] for s in finished if STYLES[s] in ("bad", "away")), "")
        return self._page.plain(" · ".join([*parts, duration(self._clock() - self._begun)])), worst

    def _rich_view(self) -> "RichLive":
        # Imported here: only a terminal needs it, and it takes longer than all other imports.
        from rich.console import Console
        from rich.live import Live as RichLive

        console = Console(file=self._stream, no_color=not self._page.colour, highlight=False)
        return RichLive(
            get_renderable=self._drawn,
            console=console,
            refresh_per_second=REDRAWS_PER_SECOND,
            transient=True,
            redirect_stdout=False,
        )

    def _drawn(self) -> "Text":
        from rich.text import Text

        drawn = Text(no_wrap=True, overflow="ellipsis")
        for line, style in self.lines():
            drawn.append(line + "\n", _RICH_STYLES.get(style, ""))
        return drawn
