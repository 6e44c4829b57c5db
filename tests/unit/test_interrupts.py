"""Signals: at once while no host is touched, in order once, then now, and then no more."""

import os
import signal

import pytest

from provision.run.interrupts import Cancel, TerminalClosed, Terminated, catch_signals, exit_code_of

pytestmark = pytest.mark.usefixtures("as_at_a_terminal")


def send(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


def begun(cancel: Cancel) -> Cancel:
    cancel.begin()
    return cancel


@pytest.mark.parametrize(
    ("number", "kind", "code"), [(2, KeyboardInterrupt, 130), (15, Terminated, 143), (1, TerminalClosed, 129)]
)
def test_before_a_host_is_touched_a_signal_raises_at_once(
    number: int, kind: type[KeyboardInterrupt], code: int
) -> None:
    with pytest.raises(KeyboardInterrupt) as caught, catch_signals() as cancel:
        send(number)
    assert type(caught.value) is kind
    assert exit_code_of(caught.value) == cancel.exit_code == code


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_the_first_signal_ends_in_order_and_the_second_raises(number: int, code: int) -> None:
    told: list[str] = []
    with catch_signals() as cancel:
        begun(cancel).then(lambda: told.append("stop"))
        send(number)
        assert told == ["stop"]
        assert (cancel.exit_code, cancel.is_urgent()) == (code, False)
        with pytest.raises(KeyboardInterrupt):
            send()
    assert (cancel.exit_code, cancel.is_urgent()) == (code, True)


def test_a_third_signal_does_not_cut_the_cleaning_short() -> None:
    with catch_signals() as cancel:
        begun(cancel)
        send()
        with pytest.raises(KeyboardInterrupt):
            send()
        send()


def test_once_all_is_done_a_signal_changes_nothing() -> None:
    with catch_signals() as cancel:
        begun(cancel).end()
        send()
        assert not cancel.is_set()


def test_after_a_signal_the_report_is_not_disturbed() -> None:
    before = signal.getsignal(signal.SIGINT)
    with catch_signals():
        pass
    assert signal.getsignal(signal.SIGINT) is before
    with catch_signals() as cancel:
        begun(cancel)
        send(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_under_nohup_a_hang_up_changes_nothing() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with catch_signals() as cancel:
        send(signal.SIGHUP)
    assert not cancel.is_set()
