"""`fab provision --resume`: the last provision again, for the hosts that it left behind."""

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
    """Return the whole command that ``typed`` stands for: the last one's options, and the hosts it left behind.

    Says on stderr how many hosts are left out. Raises UsageError when there is no run to go on with.
    """
    last = past.last_of(state_dir, "provision")
    if last is None:
        raise UsageError(f"there is no run of fab provision in {state_dir} to go on with", "`fab provision`")
    right = sum(judged(host) in GOOD for host in last.hosts)
    whole = advice.resumed(typed, last.command, last.run)
    print(
        f"goes on with run {last.run}: {len(last.hosts) - right} of {count(len(last.hosts), 'host')}; "
        f"{right} left out, they were right\n{whole}",
        file=sys.stderr,
    )
    return whole


def read_again(task: Any, command: str) -> dict[str, Any]:
    """Return the values that the options of ``command`` have for ``task``."""
    context = ParserContext(task.name, args=task.get_arguments())
    values: dict[str, Any] = Parser([context]).parse_argv(advice.words(command))[0].as_kwargs
    return values
