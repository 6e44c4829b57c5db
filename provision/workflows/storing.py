"""credentials.set: ask for one secret, and store it so that no other is lost; and the question of forget."""

import getpass
import sys
from dataclasses import dataclass

from provision import credentials as keyring
from provision.credentials import Owner, Sort, is_made, parse_sort
from provision.credentials.entries import set_command
from provision.errors import UsageError
from provision.hints import Command, parse
from provision.model import Secret
from provision.run import audit
from provision.settings import Settings
from provision.workflows.consent import expect_agreed
from provision.workflows.guard import hint_text, typed
from provision.workflows.owners import LAB_NOTE, expect_known
from provision.workflows.project import is_lab


@dataclass(frozen=True, slots=True)
class SetOptions:
    """The options of credentials.set: where the secret comes from, and what is allowed."""

    from_stdin: bool = False
    replace: bool = False
    unlisted: bool = False
    previous: bool = False


def set_secret(project: Settings, owner: str, kind: str, manner: SetOptions) -> None:
    """Store one secret, for ``owner`` and ``kind`` as typed; raises UsageError for a generated kind."""
    whose, sort = Owner.parse(owner), parse_sort(kind)
    if is_made(sort):
        raise UsageError(
            f"the {sort} of a host is generated and cannot be set", f"`fab keys.install {owner}`"
        )
    one(project, whose, sort, manner)


def one(project: Settings, owner: Owner, kind: Sort, manner: SetOptions) -> None:
    """Store one secret; raises UsageError if it would replace another one without consent."""
    expect_known(project, [owner], unlisted=manner.unlisted)
    old = keyring.held(project, owner, kind)  # first: without the keyring a person would type in vain
    secret = _previous(project, owner, kind) if manner.previous else _secret(owner, kind, manner.from_stdin)
    if old == secret:
        print(f"unchanged: the {kind} of {owner} is this one already")
        return
    if old is not None and not (manner.replace or manner.previous):
        _ask(project, owner, kind)
    with audit.recorded(project.state_dir, f"credentials.set {kind}", str(owner)):
        keyring.store(project, owner, kind, secret)
    print(f"stored the {kind} of {owner}" if old is None else replaced(owner, kind))
    if is_lab(project):
        print(LAB_NOTE)


def replaced(owner: Owner, kind: Sort) -> str:
    """Return the message about a secret that replaced another one."""
    back = hint_text(parse(set_command(owner, kind, " --previous")))
    return f"replaced the {kind} of {owner}; the old one is kept as {keyring.previous(kind)} ({back})"


def expect_loss_agreed(project: Settings, owner: Owner, kind: Sort) -> None:
    """Ask before a generated secret is removed; raises UsageError without consent."""
    if not is_made(kind) or keyring.held(project, owner, kind) is None:
        return
    expect_agreed(
        f"This removes the only copy of the {kind} of {owner}; it is not kept as previous.",
        "nothing was removed",
        interactive=project.interactive,
        what=f"this removes the only copy of the {kind} of {owner}",
        how=(Command(f"{typed()} --yes", ""), " removes it"),
    )


def _ask(project: Settings, owner: Owner, kind: Sort) -> None:
    by_flag = set_command(owner, kind, " --stdin --replace")
    expect_agreed(
        f"This replaces the stored {kind} of {owner}; the old one is kept as previous.",
        "nothing was stored",
        interactive=project.interactive,
        what=f"another {kind} of {owner} is stored already",
        how=f"{by_flag} replaces it, and keeps the old one as previous",
    )


def _previous(project: Settings, owner: Owner, kind: Sort) -> Secret:
    place = keyring.previous(kind)
    secret = keyring.held(project, owner, place) if place else None
    if secret is None:
        raise UsageError(f"the keyring holds no previous {kind} of {owner}", "`fab credentials.list`")
    return secret


def _secret(owner: Owner, kind: Sort, from_stdin: bool) -> Secret:
    if from_stdin and sys.stdin.isatty():
        raise UsageError(
            "a secret typed at a terminal would be seen",
            "leave out --stdin, and it is asked for and not shown; or pipe it in",
        )
    if from_stdin:
        try:  # as bytes: in text mode a carriage return inside a secret would end it
            line = sys.stdin.buffer.readline().decode()
        except UnicodeDecodeError:
            raise UsageError("the secret is not UTF-8 text", "pipe in UTF-8, one line") from None
        return Secret(line.removesuffix("\n").removesuffix("\r"))
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on", "pipe the secret in and add --stdin")
    return Secret(getpass.getpass(f"{kind} of {owner}: "))
