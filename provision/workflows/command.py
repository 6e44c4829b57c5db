"""Make a task from a function: give it the shared flags, and guard its work.

What a command needs is imported when it runs, so that `fab --list` does not wait for it.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from invoke.exceptions import Exit
from invoke.tasks import task

_HELP = {
    "inventory": "an Ansible inventory: file, directory or script; may be given several times",
    "keyring": "the keyring backend to use, e.g. keyring.backends.SecretService.Keyring",
    "unlock_fd": "read the keyring file's master password from this file descriptor",
    "color": "auto, always or never",
    "output": "text, or json for one stream of lines on stdout",
}
_DEFAULTS: dict[str, Any] = {
    "inventory": [],
    "keyring": "",
    "unlock_fd": "",
    "color": "auto",
    "output": "text",
}
# The shared flags of a task without a project, with one, and of a run.
LOCAL = ("color",)
PROJECT = ("inventory", "keyring", "unlock_fd", "color")
RUN = (*PROJECT, "output")
# The help of options that several commands share.
LIMIT = {"limit": "only these hosts or groups, an Ansible pattern"}
VIA = {"via": "public or private: which address of each host is used"}
HOSTS = {"hosts": "web1, web1,web2, a group, or all"} | VIA
LOCK = {"lock-timeout": "seconds to wait while another run is at work on a host (default: 30)"}
DISRUPT = {
    "allow-disruption": "do not ask before what runs on a host is stopped or restarted",
    "serial": "how many hosts are disrupted at a time (default: 1)",
    "max-fail": "disrupt no further host after N failures, or after N% of these hosts failed (default: 1)",
}
EOL = {"accept-eol": "install packages on a system that gets no updates any more, like CentOS 7"}
BUNDLE = {"bundle": "a file of fab bundle.make, for hosts that reach no package repository"}
AGREE = {"plan": "only show what would be done", "yes": "do not ask; needed without a terminal"}

Body = Callable[..., int | None]


def command(
    *,
    help: dict[str, str] | None = None,
    positional: tuple[str, ...] = (),
    shared: tuple[str, ...] = PROJECT,
    name: str | None = None,
) -> Callable[[Body], Any]:
    """Return a decorator that makes a task of ``body(flags, **own)``, which returns an exit code or None."""

    def decorate(body: Body) -> Any:
        own = [p for each, p in inspect.signature(body).parameters.items() if each != "flags"]
        more = [_parameter(each, _DEFAULTS[each]) for each in shared]

        @functools.wraps(body)
        def run(context: Any, **values: Any) -> None:
            from provision.workflows.guard import guarded

            if code := guarded(body, context, values, shared):
                raise Exit(code=code)

        run.__signature__ = inspect.Signature([_parameter("context"), *own, *more])  # type: ignore[attr-defined]
        texts = (help or {}) | {each.replace("_", "-"): _HELP[each] for each in shared}
        lists = ["inventory"] if "inventory" in shared else []
        return task(name=name, help=texts, positional=positional, iterable=lists, auto_shortflags=False)(run)

    return decorate


def _parameter(name: str, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
