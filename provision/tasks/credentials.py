"""Keep the hosts' secrets in a keyring."""

import getpass
import sys
from pathlib import Path

from provision import audit
from provision import credentials as keyring
from provision.credentials import MADE, Owner, Sort, parse_sort
from provision.credentials import scan as search
from provision.errors import UsageError
from provision.inventory import ALL
from provision.model import Secret
from provision.settings import LONGEST_SHOWN, is_there
from provision.tasks import moving, reach
from provision.tasks.command import LOCAL, ROAD, command
from provision.tasks.consent import LOCK
from provision.tasks.keys import HOSTS, change_access
from provision.tasks.project import Flags, settings

_OWNER = {
    "owner": "a host (web1), a group (group/web) or all: each host uses the nearest that there is",
    "kind": "password (of the login), sudo, passphrase (of the key file), or secret/NAME (of the inventory)",
}


@command()
def init(flags: Flags) -> None:
    """Make the keyring file, with a master password."""
    print(f"made {keyring.init(settings(flags))}; now: fab credentials.set NAME")


@command(
    name="set",
    positional=("owner",),
    help=_OWNER | {"stdin": "read the secret from standard input, one line"},
)
def set_(flags: Flags, owner: str, kind: str = "password", stdin: bool = False) -> None:
    """Store a secret of a host, a group or all hosts."""
    whose, sort, project = Owner.parse(owner), parse_sort(kind), settings(flags)
    if sort in MADE:
        raise UsageError(f"the {sort} of a host is made, and not set", f"fab keys.install {owner}")
    secret = _secret(whose, sort, stdin)
    with audit.recorded(project.state_dir, f"credentials.set {sort}", str(whose)):
        keyring.store(project, whose, sort, secret)
    print(f"stored the {sort} of {whose}")


@command(help={"limit": "only these hosts or groups, an Ansible pattern"})
def check(flags: Flags, limit: str = ALL) -> int:
    """Say for each host where its secrets come from."""
    project = settings(flags)
    return reach.show_origins(keyring.check(reach.selected(project, limit, "public").hosts, project))


@command(positional=("owner",), help=_OWNER)
def forget(flags: Flags, owner: str, kind: str = "") -> None:
    """Remove the secrets of a host, a group or all hosts.

    What was made here and nobody else knows (private-key, previous-password) goes only by its --kind.
    """
    whose, project = Owner.parse(owner), settings(flags)
    with audit.recorded(project.state_dir, f"credentials.forget {kind}".rstrip(), str(whose)):
        gone = keyring.forget(project, whose, parse_sort(kind) if kind else None)
    print(f"removed the {' and the '.join(map(str, gone))} of {whose}")


@command(shared=ROAD, positional=("hosts",), help=HOSTS | LOCK)
def rotate(flags: Flags, hosts: str, via: str = "public", lock_timeout: str = "") -> int:
    """Give hosts a new password, and keep the old one.

    It is pending in the keyring until a new login has proven it; cut off anywhere, the next run gets in.
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
        print(f"{'FAULT' if found.hint else 'right'}  {found.part:8} {found.seen}")
        if found.hint:
            print(f"       next     {found.hint}")
    return min(faults, 1)


@command(
    name="import",
    help={"csv": "read a table from standard input: OWNER,SECRET or OWNER,KIND,SECRET",
          "vault": "a file of OWNER: SECRET that Ansible's vault encrypts",
          "vault-fd": "read the vault's password from this file descriptor"},
)  # fmt: skip
def import_(flags: Flags, csv: bool = False, vault: str = "", vault_fd: str = "") -> int:
    """Take passwords of an inventory into the keyring.

    It then names the files that held them. --csv and --vault take them from elsewhere.
    """
    project = settings(flags)
    if csv:
        return moving.from_table(project)
    if vault:
        return moving.from_vault(project, Path(vault), vault_fd)
    return moving.from_inventory(project, vault_fd)


@command(
    shared=LOCAL, positional=("path",),
    help={"path": "a file or a directory", "tracked": "only what git tracks, as for a commit hook"},
)  # fmt: skip
def scan(flags: Flags, path: str, tracked: bool = False) -> int:
    """Find passwords and keys in plain text in files."""
    place = Path(path)
    if not is_there(place):
        raise UsageError(
            f"there is no {path[:LONGEST_SHOWN]}", "fab credentials.scan . looks through this directory"
        )
    return moving.show(search.scan(search.tracked(place) if tracked else [place]))


def _secret(owner: Owner, kind: Sort, from_stdin: bool) -> Secret:
    if from_stdin:
        return Secret(_line(sys.stdin.buffer.readline()))
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on", "pipe the secret in and add --stdin")
    return Secret(getpass.getpass(f"{kind} of {owner}: "))


def _line(data: bytes) -> str:
    # not as text: that takes a carriage return inside a secret for its end
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UsageError("the secret is not UTF-8 text", "pipe in UTF-8, one line") from None
