"""Keep the hosts' secrets in a keyring."""

import sys
from pathlib import Path

from provision import credentials as keyring
from provision.credentials import Owner, is_made, parse_sort
from provision.entrants import read
from provision.errors import UsageError
from provision.hints import parse
from provision.inventory import ALL
from provision.plaintext import scan as search
from provision.run import audit
from provision.settings import LONGEST_SHOWN, is_there
from provision.workflows import moving, reach, storing
from provision.workflows.command import LOCAL, RUN, command, hint_text
from provision.workflows.options import HOSTS, LIMIT, LOCK
from provision.workflows.project import EXAMPLE, Flags, is_lab, settings
from provision.workflows.runs import change_access

_OWNER = {
    "owner": "a host (web1), a group (group/web) or all: each host uses the most specific one",
    "kind": "password (of the login), sudo, passphrase (of the key file), or secret/NAME (of the inventory)",
}
REPLACE = {"replace": "replace a stored secret without asking; the old one is kept as previous-KIND"}
UNLISTED = {"unlisted": "accept a host or group that the inventory does not have yet"}


@command()
def init(flags: Flags) -> None:
    """Create the keyring file, with a master password."""
    project = settings(flags)
    if is_lab(project):
        raise UsageError(
            "a lab is up, which has a keyring of its own; it is removed with the lab",
            f"for servers of yours name their inventory: `fab credentials.init --inventory {EXAMPLE}`; "
            "or take the lab down: `fab lab.down`",
        )
    print(f"made {keyring.init(project)}; now: {hint_text(parse('`fab credentials.set NAME`'))}")


@command(
    name="set",
    positional=("owner",),
    help=_OWNER | REPLACE | UNLISTED
    | {"stdin": "read the secret from standard input, one line",
       "previous": "restore the secret that was replaced last; the current one becomes the previous"},
)  # fmt: skip
def set_(
    flags: Flags, owner: str, kind: str = "password", stdin: bool = False, replace: bool = False,
    unlisted: bool = False, previous: bool = False,
) -> None:  # fmt: skip
    """Store a secret of a host, a group or all hosts.

    A stored secret is replaced only after you agree; the old one is kept as previous-KIND.
    """
    whose, sort, project = Owner.parse(owner), parse_sort(kind), settings(flags)
    if is_made(sort):
        raise UsageError(
            f"the {sort} of a host is generated and cannot be set", f"`fab keys.install {owner}`"
        )
    storing.one(project, whose, sort, storing.SetOptions(stdin, replace, unlisted, previous))


@command(help=LIMIT)
def check(flags: Flags, limit: str = ALL) -> int:
    """Show where each host's secrets come from."""
    project = settings(flags)
    return reach.show_origins(keyring.check(read(project, limit, "public").hosts, project))


@command(
    positional=("owner",),
    help=_OWNER | {"yes": "do not ask before a generated secret is removed; needed without a terminal"},
)
def forget(flags: Flags, owner: str, kind: str = "", yes: bool = False) -> None:
    """Remove the secrets of a host, a group or all hosts.

    Secrets that exist nowhere else, such as private-key and previous-password, are removed only if --kind
    names them, and after a question.
    """
    whose, sort, project = Owner.parse(owner), parse_sort(kind) if kind else None, settings(flags)
    if sort and not yes:
        storing.expect_loss_agreed(project, whose, sort)
    with audit.recorded(project.state_dir, f"credentials.forget {kind}".rstrip(), str(whose)):
        gone = keyring.forget(project, whose, sort)
    print(f"removed the {' and the '.join(map(str, gone))} of {whose}")


@command(shared=RUN, positional=("hosts",), help=HOSTS | LOCK)
def rotate(flags: Flags, hosts: str, via: str = "public", lock_timeout: str = "") -> int:
    """Change the login password; keep the old one as previous.

    The new one is pending in the keyring until a new login has proven it. If the run is interrupted at any
    point, the next run can still log in.
    """
    return change_access("credentials.rotate", flags, hosts, via, lock_timeout)


@command(name="list")
def list_(flags: Flags) -> None:
    """List the names of the stored secrets, never a value."""
    project = settings(flags)
    sys.stdout.writelines(f"{name}\n" for name in keyring.names(project, reach.known_hosts(project)))


@command()
def doctor(flags: Flags) -> int:
    """Examine the keyring and what it needs."""
    faults = 0
    for found in keyring.examine(settings(flags)):
        faults += bool(found.hint)
        print(f"{'FAULT' if found.hint else 'ok':5}  {found.part:8} {found.seen}")
        if found.hint:
            print(f"       next     {hint_text(found.hint)}")
    return min(faults, 1)


@command(
    name="import",
    help={"csv": "read a table from standard input: OWNER,SECRET or OWNER,KIND,SECRET",
          "vault": "a file of OWNER: SECRET that Ansible's vault encrypts",
          "vault-fd": "read the vault's password from this file descriptor"} | REPLACE | UNLISTED,
)  # fmt: skip
def import_(
    flags: Flags, csv: bool = False, vault: str = "", vault_fd: str = "", replace: bool = False,
    unlisted: bool = False,
) -> int:  # fmt: skip
    """Import passwords of an inventory into the keyring.

    It then names the files that contain them. --csv and --vault import from other sources.
    """
    project, agreed = settings(flags), moving.ImportOptions(replace, unlisted)
    if csv:
        return moving.from_table(project, agreed)
    if vault:
        return moving.from_vault(project, Path(vault), vault_fd, agreed)
    return moving.from_inventory(project, vault_fd, agreed)


@command(
    shared=LOCAL, positional=("path",),
    help={"path": "a file or a directory", "tracked": "only what git tracks, as for a commit hook"},
)  # fmt: skip
def scan(flags: Flags, path: str, tracked: bool = False) -> int:
    """Find passwords and keys in plain text in files."""
    place = Path(path)
    if not is_there(place):
        raise UsageError(
            f"there is no {path[:LONGEST_SHOWN]}", "`fab credentials.scan .` looks through this directory"
        )
    return moving.show(search.scan(search.tracked(place) if tracked else [place]))
