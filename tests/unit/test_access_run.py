"""Access to many hosts at once: a second Ctrl-C waits for nobody."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.access.run import AT_ONCE, side_by_side
from provision.errors import AccessRefused, ProvisionError
from provision.model import Host, Session
from provision.run.interrupts import catch_signals

SILENT_S = 30.0
pytestmark = pytest.mark.usefixtures("as_at_a_terminal")


def sessions(*names: str) -> tuple[Session, ...]:
    return tuple(Session(Host(name, "192.0.2.1"), Path("/run")) for name in names)


@pytest.fixture
def silence() -> Iterator[threading.Event]:
    """A host answers when this is set, at the latest after the test."""
    found = threading.Event()
    yield found
    found.set()


def test_each_host_has_its_answer_or_its_error() -> None:
    def work(session: Session) -> str:
        if session.host.name == "web2":
            raise AccessRefused("no")
        return session.host.name

    names = ["web1", "web2", *(f"app{number}" for number in range(2 * AT_ONCE))]
    found = side_by_side(work, sessions(*names), lambda: False)
    assert isinstance(found.pop("web2"), ProvisionError)
    names.remove("web2")
    assert found == {name: name for name in names}


def test_an_error_that_nobody_foresaw_is_raised() -> None:
    def work(session: Session) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, sessions("web1"), lambda: False)


def test_once_it_is_urgent_what_is_known_is_returned_and_nothing_is_begun(silence: threading.Event) -> None:
    begun: list[str] = []

    def work(session: Session) -> str:
        begun.append(session.host.name)
        if session.host.name != "quick":
            silence.wait(SILENT_S)
        return session.host.name

    started = time.monotonic()
    names = ["quick", *(f"silent{number}" for number in range(AT_ONCE + 5))]
    assert side_by_side(work, sessions(*names), lambda: len(begun) > AT_ONCE) == {"quick": "quick"}
    assert time.monotonic() - started < SILENT_S / 3
    silence.set()
    for thread in threading.enumerate():
        if thread.name == "access":
            thread.join(SILENT_S)
    assert len(begun) == AT_ONCE + 1


def test_the_second_signal_ends_the_wait_at_once(silence: threading.Event) -> None:
    begun = threading.Event()

    def work(session: Session) -> str:
        begun.set()
        silence.wait(SILENT_S)
        return session.host.name

    def type_twice() -> None:
        begun.wait(SILENT_S)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)

    typist, started = threading.Thread(target=type_twice), time.monotonic()
    with catch_signals() as cancel:
        cancel.begin()
        typist.start()
        with pytest.raises(KeyboardInterrupt):
            side_by_side(work, sessions("web1"), cancel.is_urgent)
        typist.join()
    assert time.monotonic() - started < SILENT_S / 3
    assert (cancel.exit_code, cancel.is_urgent()) == (130, True)
