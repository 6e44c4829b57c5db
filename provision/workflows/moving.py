"""credentials.import and credentials.scan: import secrets in plain text, and find them."""

import getpass
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from provision import credentials as keyring
from provision.credentials.entries import set_command
from provision.credentials.master import from_descriptor
from provision.credentials.vault import Vault
from provision.errors import UsageError
from provision.hints import Command, parse
from provision.inventory import expect_there
from provision.model import Secret
from provision.plaintext import intake, scan
from provision.plaintext.intake import Found
from provision.report.layout import clean, count
from provision.run import audit
from provision.settings import Settings
from provision.workflows import storing
from provision.workflows.consent import expect_agreed
from provision.workflows.guard import hint_text, typed
from provision.workflows.owners import LAB_NOTE, expect_known, listed
from provision.workflows.project import is_lab, whole_number

TABLE_CAP_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the command line allows: to replace secrets, and owners that the inventory does not have yet."""

    replace: bool = False
    unlisted: bool = False


def from_table(project: Settings, agreed: ImportOptions) -> int:
    """Import CSV from standard input."""
    if sys.stdin.isatty():
        raise UsageError("a table typed at a terminal would be seen", "pipe it in, or: --csv < FILE")
    data = sys.stdin.buffer.read(TABLE_CAP_BYTES + 1)
    if len(data) > TABLE_CAP_BYTES:
        raise UsageError(f"the table is larger than {TABLE_CAP_BYTES >> 20} MB", "split it")
    try:
        found = intake.from_table(data.decode())
    except UnicodeDecodeError:
        raise UsageError("the table is not UTF-8 text", "convert it, as with iconv, and pipe it in") from None
    return _stored(project, found, _behind_stdin(), agreed)


def from_vault(project: Settings, file: Path, vault_fd: str, agreed: ImportOptions) -> int:
    """Import a file that Ansible's vault encrypts."""
    found = intake.from_vault(file, _vault_password(project, vault_fd))
    return _stored(project, found, (file,), agreed)


def from_inventory(project: Settings, vault_fd: str, agreed: ImportOptions) -> int:
    """Import the passwords of the inventory, and name the files that contain them."""
    expect_there(project.inventory)
    sealed = vault_fd or intake.sealed(project.inventory)
    vault = _vault_password(project, vault_fd) if sealed else None
    found = intake.from_inventory(project.inventory, os.environ, vault)
    secrets = tuple(each.secret for each in found if each.secret)
    files = intake.holders(project.inventory, secrets) if found else ()
    return _stored(project, found, files, replace(agreed, unlisted=True))  # they come from the inventory


def show_scan(place: Path, *, tracked: bool) -> int:
    """Print what looks like a secret in the files of ``place``, without it; return 2 if there is any.

    ``tracked`` limits the search to what git tracks.
    """
    total, places = 0, set()
    for each in scan.scan(scan.tracked(place) if tracked else [place]):
        total += 1
        places.add(each.file)
        print(clean(f"{each.file}:{each.line}: {each.what}" if each.line else f"{each.file}: {each.what}"))
    if not total:
        return 0
    next_ = parse("`fab credentials.import` for an inventory, `fab credentials.set NAME` for a note")
    print(
        f"{count(total, 'finding')} in {count(len(places), 'file')}\nNext   {hint_text(next_)}; then remove\n"
        "       it there. A line that is none: write  pragma: allowlist secret  behind it",
        file=sys.stderr,
    )
    return 2


def _stored(
    project: Settings, found: tuple[Found, ...], files: tuple[Path, ...], agreed: ImportOptions
) -> int:
    if not found:
        raise UsageError("there is no password to import", "`fab credentials.set NAME` stores one")
    expect_known(project, (each.owner for each in found), unlisted=agreed.unlisted)
    taken = [each for each in found if each.secret is not None]
    old = {each: keyring.held(project, each.owner, each.kind) for each in taken}
    fresh = [each for each in taken if old[each] != each.secret]
    _expect_agreed(project, [each for each in fresh if old[each] is not None], agreed)
    _keep(project, fresh)
    for each in taken:
        print(_saved_line(each, old[each]))
    left = [each for each in found if each.secret is None]
    for each in left:
        by_hand = hint_text(parse(set_command(each.owner, each.kind)))
        print(clean(f"left   the {each.kind} of {each.owner}: {each.reason}; {by_hand}"))
    if taken:
        _say_what_remains(project, files)
    return 8 if left else 0


def _expect_agreed(project: Settings, replaced: list[Found], agreed: ImportOptions) -> None:
    """Ask once about all secrets that would be replaced; raises UsageError without consent."""
    if not replaced or agreed.replace:
        return
    what = f"{count(len(replaced), 'stored secret')}: {listed(each.owner for each in replaced)}"
    expect_agreed(
        f"This replaces {what}; the old ones are kept as previous.",
        "nothing was stored",
        interactive=project.interactive,
        what=f"this replaces {what}",
        how=(Command(f"{typed()} --replace", ""), " replaces them, and keeps the old ones as previous"),
    )


def _keep(project: Settings, found: Iterable[Found]) -> None:
    """Store and record the secrets found; raises as ``credentials.store``.

    The embedded file stores all or none; another keyring one after the other.
    """
    vault = Vault.of(project)
    rows = [(each, (each.owner, each.kind, each.secret)) for each in found if each.secret is not None]
    for batch in [rows] if vault.writes_at_once else [[row] for row in rows]:
        with ExitStack() as stack:
            for each, _ in reversed(batch):  # recorded when the contexts end, so in the order of the table
                verb = f"credentials.import {each.kind}"
                stack.enter_context(audit.recorded(project.state_dir, verb, str(each.owner)))
            vault.replace([entry for _, entry in batch])


def _saved_line(each: Found, old: Secret | None) -> str:
    if old is None:
        return f"stored the {each.kind} of {each.owner}"
    if old == each.secret:
        return f"unchanged: the {each.kind} of {each.owner}"
    return storing.replaced(each.owner, each.kind)


def _say_what_remains(project: Settings, files: tuple[Path, ...]) -> None:
    if is_lab(project):
        print(LAB_NOTE)
    if files:
        print(
            "now destroy the files that contain them (shred -u FILE), or remove the passwords; each copy too:"
        )
        sys.stdout.writelines(f"  {clean(os.path.relpath(file))}\n" for file in files)
    print("a password that was in plain text, or in a repository, is not secret: change it on the host too")


def _vault_password(project: Settings, descriptor: str) -> Secret:
    if descriptor:
        return Secret(from_descriptor("vault-fd", whole_number("vault-fd", descriptor)))
    if not project.interactive:
        raise UsageError(
            "a part of it is in a vault, and there is no terminal to ask for the vault's password",
            "give it by a descriptor: `fab credentials.import … --vault-fd 3 3< FILE`",
        )
    return Secret(getpass.getpass("Password of the vault: "))


def _behind_stdin() -> tuple[Path, ...]:
    if not stat.S_ISREG(os.fstat(0).st_mode):
        return ()
    return (Path(os.readlink("/proc/self/fd/0")),)
