"""Run the work of a command: turn errors into messages and exit codes, and check what all commands share."""

import os
import shlex
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from provision.credentials.master import from_environment
from provision.errors import Interrupted, ProvisionError, UsageError
from provision.hints import Hint, render
from provision.model import HostReport
from provision.report.advice import as_typed
from provision.report.console import page_for
from provision.report.exit_code import UNKNOWN, exit_code
from provision.report.failures import error_text
from provision.report.layout import Page
from provision.run import interrupts
from provision.ssh.broker import forbid_dumps
from provision.startup import collect_less
from provision.workflows.project import Flags

_CHOICES = {"color": ("auto", "always", "never"), "output": ("text", "json"), "via": ("public", "private")}

# The shell's convention: 128 + SIGPIPE.
READER_GONE = 141


def guarded(
    body: Callable[..., int | None], context: Any, values: dict[str, Any], shared: tuple[str, ...]
) -> int:
    """Run ``body``, print its error, and return the exit code; of its ``values``, ``shared`` become Flags."""
    page = page_for(sys.stderr)
    collect_less()
    try:
        forbid_dumps()
        sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115 - open until the process exits
        from_environment()  # an inventory script must not see the master password
        _check(context, values)
        flags = Flags(**{each: values.pop(each) for each in shared})
        page = page_for(sys.stderr, flags.color)
        code = body(flags, **values) or 0
        sys.stdout.flush()  # here, as a failure at exit is not reported
        return code
    except ProvisionError as error:
        say(error, page)
        return 1 if isinstance(error, UsageError) else exit_code_of(error)
    except KeyboardInterrupt as stop:
        interrupts.ignore()
        say(Interrupted("interrupted", "run the same command again"), page)
        return interrupts.exit_code_of(stop)
    except BrokenPipeError:  # the reader of our output has gone (`fab plan | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except Exception as error:
        say(_unexpected(error), page)
        return UNKNOWN


def _unexpected(error: Exception) -> ProvisionError:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return ProvisionError(
        "an unexpected error occurred",
        "run the same command again; if it comes back, report it with the line above",
        evidence=f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})",
        state="unknown; fab plan shows how the hosts are",
    )


def say(error: ProvisionError, page: Page) -> None:
    """Print an error of the command itself, not of a host, to stderr."""
    failure = error.failure
    failure = replace(failure, next=as_typed(failure.next, typed()))
    text = error_text(failure, width=page.width, colour=page.colour, ascii=page.ascii)
    sys.stderr.write(text)


def hint_text(hint: Hint) -> str:
    """Return ``hint`` as text, with its commands as this person types them."""
    return render(as_typed(hint, typed()))


def typed() -> str:
    """Return the command line as typed, for reports and hints."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def exit_code_of(error: ProvisionError) -> int:
    """Return the exit code of a run over one host that ended with ``error``."""
    return exit_code((HostReport("", error.failure.status),))


def _check(context: Any, values: dict[str, Any]) -> None:
    if hasattr(context, "host"):
        raise UsageError("-H is not supported: it would run the task once per host", "use --limit web1,web2")
    for name, allowed in _CHOICES.items():
        if name in values and values[name] not in allowed:
            flag = name.replace("_", "-")
            raise UsageError(
                f"--{flag} {values[name]!r} is not one of {', '.join(allowed)}", "`fab --help COMMAND`"
            )
