"""Secrets in plain text: find them in inventories, vaults, tables and notes, and import them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from provision.credentials.vault import Vault
from provision.plaintext.intake import Found
from provision.settings import Settings


def keep(
    settings: Settings, found: tuple[Found, ...], recorded: Callable[[Found], AbstractContextManager[None]]
) -> None:
    """Store the secrets found, each inside its context ``recorded``; raises as ``credentials.store``.

    The embedded file stores all or none; another keyring one after the other.
    """
    vault = Vault.of(settings)
    rows = [(each, (each.owner, each.kind, each.secret)) for each in found if each.secret is not None]
    for batch in [rows] if vault.writes_at_once else [[row] for row in rows]:
        with ExitStack() as stack:
            for each, _ in reversed(batch):  # recorded when the contexts end, so in the order of the table
                stack.enter_context(recorded(each))
            vault.replace([entry for _, entry in batch])
