"""`fab provision --resume`: repeat the last provision for the hosts that failed."""

import sys
from pathlib import Path
from typing import Any

from invoke.parser.context import ParserContext
from invoke.parser.parser import Parser

from provision.errors import UsageError
from provision.report import advice, past
from provision.report.buckets import GOOD, judged
from provision.report.layout import count


def resumed(typed: str, state_dir: Path) -> str:
    """Return the complete command for ``typed``: the options of the last one, and its failed hosts.

    Prints to stderr how many hosts are left out. Raises UsageError when there is no run to resume.
    """
    last = past.last_of(state_dir, "provision")
    if last is None:
        raise UsageError(f"there is no run of fab provision in {state_dir} to resume", "`fab provision`")
    good = sum(judged(host) in GOOD for host in last.hosts)
    whole = advice.resumed(typed, last.command, last.run)
    print(
        f"resuming run {last.run}: {len(last.hosts) - good} of {count(len(last.hosts), 'host')}; "
        f"{good} left out, they succeeded\n{whole}",
        file=sys.stderr,
    )
    return whole


def read_again(task: Any, command: str) -> dict[str, Any]:
    """Return the values of ``task``'s options in ``command``."""
    context = ParserContext(task.name, args=task.get_arguments())
    values: dict[str, Any] = Parser([context]).parse_argv(advice.words(command))[0].as_kwargs
    return values
