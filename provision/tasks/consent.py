"""Commands that take something away: the plan is shown first, and then a person agrees, or has agreed."""

import sys
from dataclasses import dataclass, replace
from typing import Any

from provision.errors import UsageError
from provision.model import Status
from provision.pipeline import Request
from provision.report.layout import count
from provision.tasks import runs
from provision.tasks.limit import resolve
from provision.tasks.project import Flags, settings, whole_number

INTERRUPTED = 128
LOCK = {"lock-timeout": "seconds to wait while another run is at work on a host (default: 30)"}
AGREE = {"plan": "only show what would be done", "yes": "do not ask; needed without a terminal"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked at the terminal: ``text`` with ``{hosts}`` in it, and the ``word`` that agrees."""

    text: str
    word: str = "yes"


def plan_then_do(request: Request, flags: Flags, question: Question, *, plan: bool, yes: bool) -> int:
    """Show the plan of ``request``; unless ``plan`` is all that is wanted, ask, and carry it out.

    ``yes`` has agreed beforehand. Raises UsageError when nobody agrees: then nothing was changed.
    """
    project = settings(flags)
    request = resolve(request, project.state_dir)  # once: the plan is the last run soon
    planned = replace(request, only_plan=True, typed=request.typed if plan else f"{request.typed} --plan")
    if plan:
        return runs.start(planned, flags, runs.Manner())
    if not yes and not project.interactive:
        raise UsageError(
            "this asks first, and there is no terminal to ask on",
            f"{planned.typed} shows what would be done; {request.typed} --yes does it",
        )
    report = runs.carry_out(planned, flags, runs.Manner(asks=True))
    hosts = sum(host.status is Status.CHANGED for host in report.hosts)
    if not hosts or report.exit_code >= INTERRUPTED:
        return report.exit_code
    if not yes:
        _ask(question, hosts, planned.typed)
    return runs.start(request, flags, runs.Manner())


def lock_values(lock_timeout: str) -> dict[str, Any]:
    """Give the role's value for --lock-timeout; none when it was not given."""
    return {"lock_timeout": whole_number("lock-timeout", lock_timeout)} if lock_timeout else {}


def _ask(question: Question, hosts: int, planned: str) -> None:
    text = question.text.format(hosts=count(hosts, "host"))
    print(f"{text} Type {question.word} to do it: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != question.word:
        raise UsageError("not confirmed, so nothing was changed", f"{planned} shows it again")
