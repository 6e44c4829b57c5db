"""The order of hosts in the steps: each as soon as it is ready, and last those that are disrupted."""

from collections.abc import Iterable, Iterator
from contextlib import closing

from provision.hints import HOST
from provision.run.consent import Waiting, stopped
from provision.ssh.remote import save_sessions
from provision.steps import Batch, Run, Step, Target


def roll_out(steps: tuple[Step, ...], run: Run, batches: Iterable[Batch]) -> None:
    """Take the hosts of ``batches`` through the steps; then ask about those that wait for consent.

    Hosts with consent go through the same steps, a few at a time, until one fails.
    """
    for batch in batches:
        _finish(steps, run, batch)
    agreed, refused = _answer(run)
    for each in refused:
        run.ledger.converged(each.name, each.outcome)
    failed = ""
    for waiting in run.room.batches(agreed):
        if failed:
            for each in waiting:
                again = run.order.words.again.replace(HOST, each.name)
                run.ledger.drop(each.name, stopped(each.name, failed, again))
            continue
        _finish(steps, run, tuple(Target(each.session, each.values) for each in waiting))
        failed = next((each.name for each in waiting if run.ledger.has_failed(each.name)), "")


def _finish(steps: tuple[Step, ...], run: Run, batch: Batch) -> None:
    if batch:
        save_sessions(tuple(target.session for target in batch), batch[0].session.run_dir)
    for done in _through(steps, run, batch):
        for target in done:
            run.ledger.leave(target.name)


def _through(steps: tuple[Step, ...], run: Run, batch: Batch) -> Iterator[Batch]:
    """Take ``batch`` through the steps; hosts that a step yields go on while it handles the rest."""
    if not steps:
        yield batch
        return
    if not batch or run.cancel.is_set():
        return
    with closing(steps[0](run, batch)) as parts:
        for part in parts:
            yield from _through(steps[1:], run, part)


def _answer(run: Run) -> tuple[tuple[Waiting, ...], tuple[Waiting, ...]]:
    """Return the hosts with consent and those without; after a signal none has it."""
    if not run.cancel.is_set():
        try:
            with run.cancel.asking():
                return run.room.answer()
        except KeyboardInterrupt:
            pass
    return (), run.room.everybody()
