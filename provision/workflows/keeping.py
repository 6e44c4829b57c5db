"""The commands credentials.*, without those that store: make the keyring, show it, remove from it."""

from provision import credentials as keyring
from provision.credentials import Owner, parse_sort
from provision.entrants import read
from provision.errors import ProvisionError, UsageError
from provision.hints import parse
from provision.inventory import ALL
from provision.run import audit
from provision.settings import Settings, is_there
from provision.workflows.guard import hint_text
from provision.workflows.project import EXAMPLE, is_lab
from provision.workflows.storing import expect_loss_agreed


def init(project: Settings) -> str:
    """Create the keyring file, and return a message with the next command; raises UsageError in a lab."""
    if is_lab(project):
        raise UsageError(
            "a lab is up, which has a keyring of its own; it is removed with the lab",
            f"for servers of yours name their inventory: `fab credentials.init --inventory {EXAMPLE}`; "
            "or take the lab down: `fab lab.down`",
        )
    return f"made {keyring.init(project)}; now: {hint_text(parse('`fab credentials.set NAME`'))}"


def forget(project: Settings, owner: str, kind: str, *, agreed: bool) -> str:
    """Remove the secrets of ``owner``, of one kind or of all, and return a message that names them.

    Unless ``agreed``, asks before a generated secret is removed.
    """
    whose, sort = Owner.parse(owner), parse_sort(kind) if kind else None
    if sort and not agreed:
        expect_loss_agreed(project, whose, sort)
    with audit.recorded(project.state_dir, f"credentials.forget {kind}".rstrip(), str(whose)):
        gone = keyring.forget(project, whose, sort)
    return f"removed the {' and the '.join(map(str, gone))} of {whose}"


def names(project: Settings) -> tuple[str, ...]:
    """Return the names of the stored secrets."""
    has_inventory = all(map(is_there, project.inventory))
    return keyring.names(project, read(project, ALL, "public").hosts if has_inventory else ())


def show_origins(project: Settings, limit: str) -> int:
    """Print where each host's secrets come from; return the exit code, 8 when one has none."""
    missing = False
    for name, origin in keyring.check(read(project, limit, "public").hosts, project).items():
        if isinstance(origin, ProvisionError):
            missing = True
            print(f"{name}  {origin.failure.message}; next: {hint_text(origin.failure.next)}")
        else:
            print(f"{name}  {', '.join(origin)}")
    return 8 if missing else 0


def show_examination(project: Settings) -> int:
    """Print what is wrong with the keyring and what it needs; return the exit code, 1 for a fault."""
    is_faulty = False
    for found in keyring.examine(project):
        print(f"{'FAULT' if found.hint else 'ok':5}  {found.part:8} {found.seen}")
        if found.hint:
            is_faulty = True
            print(f"       next     {hint_text(found.hint)}")
    return int(is_faulty)
