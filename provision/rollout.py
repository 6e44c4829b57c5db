"""The order of hosts in the steps: each as soon as it is ready, and last those that are disrupted."""

from dataclasses import replace

from provision.hints import HOST
from provision.run.consent import Waiting, stopped
from provision.steps import Run, Step, Stream, Target, back


def roll_out(steps: tuple[Step, ...], run: Run, arrivals: Stream) -> None:
    """Take the hosts that arrive through the steps; then ask about those that wait for consent.

    Hosts with consent go through the same steps, a few at a time, until too many have failed.
    """
    _finish(steps, run, arrivals)
    agreed, refused = _answer(run)
    for each in refused:
        run.ledger.converged(each.name, each.outcome)
    failed: list[str] = []
    for waiting in run.room.batches(agreed):
        if len(failed) >= run.room.pace.most(len(agreed)):
            for each in waiting:
                again = run.order.words.again.replace(HOST, each.name)
                run.ledger.drop(each.name, stopped(each.name, failed, again))
            continue
        ready = (Target(each.session, each.values) for each in waiting)
        _finish(steps, replace(run, expected=len(waiting)), ready)
        failed += [each.name for each in waiting if run.ledger.has_failed(each.name)]
    if run.reboots:
        run.reboots.start_jumps()
        _finish_rebooted(steps, run)


def _finish(steps: tuple[Step, ...], run: Run, stream: Stream) -> None:
    if run.cancel.is_set():
        return
    for step in steps:
        stream = step(run, stream)
    for target in stream:
        run.ledger.leave(target.name)
    _finish_rebooted(steps, run)


def _finish_rebooted(steps: tuple[Step, ...], run: Run) -> None:
    if run.reboots and run.reboots.expected:
        _finish(steps, replace(run, expected=run.reboots.expected), back(run, run.reboots))


def _answer(run: Run) -> tuple[tuple[Waiting, ...], tuple[Waiting, ...]]:
    """Return the hosts with consent and those without; after a signal, none has consent."""
    if not run.cancel.is_set():
        try:
            with run.cancel.asking():
                return run.room.answer()
        except KeyboardInterrupt:
            pass
    return (), run.room.everybody()
