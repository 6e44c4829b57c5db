"""Make a task from a function: shared flags, typed errors to exit codes, one place that exits."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from invoke.exceptions import Exit
from invoke.tasks import task

from provision.errors import ProvisionError, UsageError
from provision.model import HostReport
from provision.report.console import page_for
from provision.report.error import error_text
from provision.report.exit_code import exit_code
from provision.report.layout import Page
from provision.tasks.project import Flags

_SHARED_HELP = {
    "inventory": "an Ansible inventory: file, directory or script; may be given several times",
    "keyring": "the keyring backend to use, e.g. keyring.backends.SecretService.Keyring",
    "unlock-fd": "read the keyring file's master password from this file descriptor",
    "color": "auto, always or never",
    "output": "text, or json for one stream of lines on stdout",
}
_SHARED: dict[str, Any] = {"inventory": [], "keyring": "", "unlock_fd": -1, "color": "auto", "output": "text"}
_CHOICES = {"color": ("auto", "always", "never"), "output": ("text", "json"), "via": ("public", "private")}

Body = Callable[..., int | None]


def command(
    *, help: dict[str, str] | None = None, positional: tuple[str, ...] = (), **options: Any
) -> Callable[[Body], Any]:
    """Decorate ``body(flags, **own)``, which gives an exit code or None, as a task with the shared flags."""

    def decorate(body: Body) -> Any:
        own = [p for name, p in inspect.signature(body).parameters.items() if name != "flags"]

        @functools.wraps(body)
        def run(context: Any, **values: Any) -> None:
            code = _guarded(body, context, values)
            if code:
                raise Exit(code=code)

        run.__signature__ = inspect.Signature([_parameter("context"), *own, *_shared()])  # type: ignore[attr-defined]
        texts = (help or {}) | _SHARED_HELP
        return task(
            help=texts, positional=positional, iterable=["inventory", *options.pop("iterable", ())],
            auto_shortflags=False, **options,
        )(run)  # fmt: skip

    return decorate


def _shared() -> list[inspect.Parameter]:
    return [_parameter(name, default) for name, default in _SHARED.items()]


def _parameter(name: str, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)


def _guarded(body: Body, context: Any, values: dict[str, Any]) -> int:
    page = page_for(sys.stderr)
    try:
        _check(context, values)
        shared = {name: values.pop(name) for name in _SHARED}
        page = page_for(sys.stderr, shared["color"])
        return body(Flags(**shared), **values) or 0
    except ProvisionError as error:
        _say(error, page)
        return 1 if isinstance(error, UsageError) else exit_code_of(error)
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        return 130


def _say(error: ProvisionError, page: Page) -> None:
    text = error_text(error.failure, width=page.width, colour=page.colour, ascii=page.ascii)
    sys.stderr.write(text)


def exit_code_of(error: ProvisionError) -> int:
    """Give the exit code of one host's error, as a run over that host would have ended."""
    return exit_code((HostReport("", error.failure.status),))


def _check(context: Any, values: dict[str, Any]) -> None:
    if hasattr(context, "host"):
        raise UsageError("-H runs a task once per host, which is not meant here", "use --limit web1,web2")
    for name, allowed in _CHOICES.items():
        if name in values and values[name] not in allowed:
            flag = name.replace("_", "-")
            raise UsageError(
                f"--{flag} {values[name]!r} is not one of {', '.join(allowed)}", "fab --help COMMAND"
            )
