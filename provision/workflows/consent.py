"""Consent to commands that remove or disrupt something: after the plan, or by a flag."""

import functools
import sys
import termios
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from provision.errors import UsageError
from provision.hints import Command, Hint
from provision.model import Status
from provision.pipeline import Request
from provision.report.changes import consent_lines
from provision.report.console import page_for
from provision.report.layout import Page, count
from provision.run.consent import ANYTHING, Ask, Values, Waiting, exactly
from provision.run.ledger import View
from provision.workflows import runs
from provision.workflows.project import Flags, settings
from provision.workflows.runs import MakeAsk, resolve

INTERRUPTED = 128


@dataclass(frozen=True, slots=True)
class Question:
    """A question at the terminal: ``text`` with ``{hosts}`` in it, and the ``word`` that agrees."""

    text: str
    word: str = "yes"


PURGE = Question(
    "This removes Docker from {hosts}, and deletes every image, container and volume there for good.", "purge"
)


@dataclass(frozen=True, slots=True)
class Agreed:
    """Consent on the command line: to the change, and to the disruption of what runs."""

    yes: bool = False
    disruption: bool = False


def plan_then_do(
    request: Request, flags: Flags, question: Question | None = None, *, plan: bool, agreed: Agreed
) -> int:
    """Show the plan of ``request``; then, unless ``plan``, ask and carry it out.

    ``question`` is asked in place of the verb's own. Raises UsageError, with nothing changed, without
    consent.
    """
    project = settings(flags)
    request = resolve(request, project.state_dir)  # now, since the plan becomes the last run
    planned = replace(request, only_plan=True, typed=request.typed if plan else f"{request.typed} --plan")
    if plan:
        return runs.start(planned, flags, runs.Manner())
    if not agreed.yes and not project.interactive:
        raise UsageError(
            "this needs a confirmation, and there is no terminal to ask on",
            (
                Command(planned.typed, ""),
                " shows what would be done; ",
                Command(f"{request.typed} --yes", ""),
                " does it, with --allow-disruption also where containers or units stop",
            ),
        )
    report = runs.carry_out(planned, flags, runs.Manner(asks=True))
    hosts = sum(host.status is Status.CHANGED for host in report.hosts)
    if not hosts or report.exit_code >= INTERRUPTED:
        return report.exit_code
    if agreed.yes:
        return runs.start(request, flags, runs.Manner(ask=_everybody if agreed.disruption else nobody))
    question = question or Question(request.row.asks)
    if not confirm(question.text.format(hosts=count(hosts, "host")), question.word):
        raise UsageError(
            "not confirmed, so nothing was changed", (Command(planned.typed, ""), " shows it again")
        )
    # Consent to exactly the plan that a person has seen; the host compares.
    seen = {host.name: exactly(host.consent) for host in report.hosts if host.consent}
    return runs.start(request, flags, runs.Manner(ask=lambda view: lambda waiting: seen))


def asker(flags: Flags, *, allow: bool) -> MakeAsk:
    """Return what asks about hosts that would be disrupted; with ``allow`` it agrees by itself.

    Without a terminal nobody is asked, and the hosts are refused.
    """
    if allow:
        return _everybody
    if not settings(flags).interactive:
        return nobody
    page = page_for(sys.stderr, flags.color)
    return lambda view: functools.partial(_ask_at_terminal, view, page)


def nobody(_view: View) -> None:
    """Ask nobody: hosts that would be disrupted are refused."""


def _everybody(_view: View) -> Ask:
    return lambda waiting: {each.name: ANYTHING for each in waiting}


def _ask_at_terminal(view: View, page: Page, waiting: tuple[Waiting, ...]) -> Mapping[str, Values]:
    lines = [f"{count(len(waiting), 'host')} would be disrupted:"]
    width = max(len(each.name) for each in waiting)
    for each in waiting:
        harms = "\n".join(consent_lines(each.consent))
        lines += page.labelled(f"{each.name:<{width}}", harms, 2, width + 2)
    with view.paused():
        agreed = confirm(
            "\n".join([*lines, "All other hosts are done. Anything but yes leaves these unchanged."])
        )
    return {each.name: exactly(each.consent) for each in waiting} if agreed else {}


def expect_agreed(question: str, nothing: str, *, interactive: bool, what: str, how: str | Hint) -> None:
    """Ask ``question`` about stored secrets; raises UsageError without a yes, with ``nothing`` done.

    Without a terminal, the error says ``what`` would be done, and ``how`` to agree on the command line.
    """
    if not interactive:
        raise UsageError(f"{what}, and there is no terminal to ask on", how, state=nothing)
    if not confirm(question):
        raise UsageError(f"not confirmed, so {nothing}", "`fab credentials.list`")


def confirm(question: str, word: str = "yes") -> bool:
    """Return whether a person types ``word`` after ``question`` is on the screen.

    Earlier input is dropped, as it cannot answer a question that was not read yet. The caller checks that
    there is a terminal; the end of the input means no.
    """
    sys.stdout.flush()  # the plan that the question is about
    print(question, end=" ", file=sys.stderr, flush=True)
    # In a test standard input may not be a terminal, and then nothing is typed ahead.
    with suppress(OSError, ValueError, termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    print(f"Type {word} to go on: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == word
