"""What the tasks about secrets in plain text do: take them into the keyring, and look for them."""

import getpass
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from provision import audit
from provision import credentials as keyring
from provision.credentials import intake
from provision.credentials.entries import set_command
from provision.credentials.intake import Found
from provision.credentials.master import from_descriptor
from provision.credentials.scan import Finding
from provision.errors import UsageError
from provision.inventory import expect_there
from provision.model import Secret
from provision.report.clean import clean
from provision.report.layout import count
from provision.settings import Settings
from provision.tasks.project import whole_number

TABLE_CAP_BYTES = 4 << 20


def from_table(project: Settings) -> int:
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
    return _stored(project, found, _behind_stdin())


def from_vault(project: Settings, file: Path, vault_fd: str) -> int:
    """Import a file that Ansible's vault encrypts."""
    found = intake.from_vault(file, _vault_password(project, vault_fd))
    return _stored(project, found, (file,))


def from_inventory(project: Settings, vault_fd: str) -> int:
    """Import the passwords of the inventory, and name the files that held them."""
    expect_there(project.inventory)
    sealed = vault_fd or intake.sealed(project.inventory)
    vault = _vault_password(project, vault_fd) if sealed else None
    found = intake.from_inventory(project.inventory, os.environ, vault)
    secrets = tuple(each.secret for each in found if each.secret)
    return _stored(project, found, intake.holders(project.inventory, secrets) if found else ())


def show(findings: Iterable[Finding]) -> int:
    """Print what was found, without a secret, and give 2 when there was anything."""
    total, places = 0, set()
    for each in findings:
        total += 1
        places.add(each.file)
        print(clean(f"{each.file}:{each.line}: {each.what}" if each.line else f"{each.file}: {each.what}"))
    if not total:
        return 0
    print(
        f"{count(total, 'finding')} in {count(len(places), 'file')}\n"
        "Next   fab credentials.import for an inventory, fab credentials.set NAME for a note; then remove\n"
        "       it there. A line that is none: write  pragma: allowlist secret  behind it",
        file=sys.stderr,
    )
    return 2


def _stored(project: Settings, found: tuple[Found, ...], files: tuple[Path, ...]) -> int:
    if not found:
        raise UsageError("there is no password to import", "fab credentials.set NAME stores one")
    stored = keyring.keep(project, found, lambda each: _recorded(project, each))
    left = [each for each in found if each.secret is None]
    for each in found:
        if each.secret:
            print(f"stored the {each.kind} of {each.owner}")
    for each in left:
        print(clean(f"left   the {each.kind} of {each.owner}: {each.reason}; {_by_hand(each)}"))
    if stored and files:
        print("now destroy, or clear of passwords, what held them (shred -u FILE), and every copy of it:")
        sys.stdout.writelines(f"  {clean(os.path.relpath(file))}\n" for file in files)
    if stored:
        print(
            "a password that lay in plain text, or in a repository, is no secret: change it on the host too"
        )
    return 8 if left else 0


def _recorded(project: Settings, found: Found) -> AbstractContextManager[None]:
    return audit.recorded(project.state_dir, f"credentials.import {found.kind}", str(found.owner))


def _by_hand(found: Found) -> str:
    return set_command(found.owner, found.kind)


def _vault_password(project: Settings, descriptor: str) -> Secret:
    if descriptor:
        return Secret(from_descriptor("vault-fd", whole_number("vault-fd", descriptor)))
    if not project.interactive:
        raise UsageError(
            "a part of it is in a vault, and there is no terminal to ask for the vault's password",
            "give it by a descriptor: fab credentials.import … --vault-fd 3 3< FILE",
        )
    return Secret(getpass.getpass("Password of the vault: "))


def _behind_stdin() -> tuple[Path, ...]:
    if not stat.S_ISREG(os.fstat(0).st_mode):
        return ()
    return (Path(os.readlink("/proc/self/fd/0")),)
