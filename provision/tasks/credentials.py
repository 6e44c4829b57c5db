"""Keep the hosts' secrets in a keyring."""

import sys
from pathlib import Path

from provision.errors import UsageError
from provision.inventory import ALL
from provision.settings import LONGEST_SHOWN, is_there
from provision.workflows.command import HOSTS, LIMIT, LOCAL, LOCK, RUN, command
from provision.workflows.project import Flags, settings

_OWNER = {
    "owner": "a host (web1), a group (group/web) or all: each host uses the most specific one",
    "kind": "password (of the login), sudo, passphrase (of the key file), or secret/NAME (of the inventory)",
}
REPLACE = {"replace": "replace a stored secret without asking; the old one is kept as previous-KIND"}
UNLISTED = {"unlisted": "accept a host or group that the inventory does not have yet"}


@command()
def init(flags: Flags) -> None:
    """Create the keyring file, with a master password."""
    from provision.workflows import keeping

    print(keeping.init(settings(flags)))


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
    from provision.workflows import storing

    manner = storing.SetOptions(stdin, replace, unlisted, previous)
    storing.set_secret(settings(flags), owner, kind, manner)


@command(help=LIMIT)
def check(flags: Flags, limit: str = ALL) -> int:
    """Show where each host's secrets come from."""
    from provision.workflows import keeping

    return keeping.show_origins(settings(flags), limit)


@command(
    positional=("owner",),
    help=_OWNER | {"yes": "do not ask before a generated secret is removed; needed without a terminal"},
)
def forget(flags: Flags, owner: str, kind: str = "", yes: bool = False) -> None:
    """Remove the secrets of a host, a group or all hosts.

    Secrets that exist nowhere else, such as private-key and previous-password, are removed only if --kind
    names them, and after a question.
    """
    from provision.workflows import keeping

    print(keeping.forget(settings(flags), owner, kind, agreed=yes))


@command(shared=RUN, positional=("hosts",), help=HOSTS | LOCK)
def rotate(flags: Flags, hosts: str, via: str = "public", lock_timeout: str = "") -> int:
    """Change the login password; keep the old one as previous.

    The new one is pending in the keyring until a new login has proven it. If the run is interrupted at any
    point, the next run can still log in.
    """
    from provision.workflows.runs import change_access

    return change_access("credentials.rotate", flags, hosts, via, lock_timeout)


@command(name="list")
def list_(flags: Flags) -> None:
    """List the names of the stored secrets, never a value."""
    from provision.workflows import keeping

    sys.stdout.writelines(f"{name}\n" for name in keeping.names(settings(flags)))


@command()
def doctor(flags: Flags) -> int:
    """Examine the keyring and what it needs."""
    from provision.workflows import keeping

    return keeping.show_examination(settings(flags))


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
    from provision.workflows import moving

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
    from provision.workflows import moving

    place = Path(path)
    if not is_there(place):
        raise UsageError(
            f"there is no {path[:LONGEST_SHOWN]}", "`fab credentials.scan .` looks through this directory"
        )
    return moving.show_scan(place, tracked=tracked)
