"""Whether the inventory has the owner that a secret is for, asked before anything is stored."""

import difflib
import os
from collections.abc import Iterable, Sequence
from typing import Any

from provision.credentials import Owner
from provision.errors import InventoryError, UsageError
from provision.listing import listing
from provision.settings import Settings, is_there
from provision.tasks.project import EXAMPLE, is_lab

_MOST_NAMED = 12
LAB_NOTE = "this is the keyring of the lab that is up; it is removed with the lab"


def listed(owners: Iterable[Owner]) -> str:
    """Return the names of ``owners``, each once, and a number where they are many."""
    names = list(dict.fromkeys(map(str, owners)))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def expect_known(project: Settings, owners: Iterable[Owner], *, unlisted: bool = False) -> None:
    """Raise UsageError for an owner that the inventory lacks; without an inventory nothing is known.

    ``unlisted`` allows one that is not in it yet, but never in the lab's: its keyring is removed with it.
    """
    wanted = [owner for owner in dict.fromkeys(owners) if owner.name]
    is_askable = all(map(is_there, project.inventory)) and (is_lab(project) or not unlisted)
    if not wanted or not is_askable:
        return
    known = _known(project, wanted)
    lacking = [owner for owner in wanted if str(owner) not in known]
    if lacking and is_lab(project):
        raise _not_in_the_lab(lacking)
    if lacking:
        raise _unknown(lacking, known)


def _known(project: Settings, wanted: Sequence[Owner]) -> set[str]:
    """Return the hosts and groups of the inventory as owners are written; plain passwords may be in it."""
    try:
        with listing(project.inventory, "", os.environ) as started:
            data = started.result()
    except InventoryError as error:
        raise UsageError(
            f"it is unknown whether the inventory has {listed(wanted)}: {error.failure.message}",
            "mend the inventory, or add --unlisted",
            evidence=error.failure.evidence,
        ) from error
    return {f"host/{name}" for name in data.get("_meta", {}).get("hostvars", {})} | _groups(data)


def _groups(data: dict[str, Any]) -> set[str]:
    parts = {name: part for name, part in data.items() if name != "_meta"}
    hosts = {f"host/{host}" for part in parts.values() for host in part.get("hosts", ())}
    below = {child for part in parts.values() for child in part.get("children", ())}
    return hosts | {f"group/{name}" for name in {*parts, *below}}


def _not_in_the_lab(lacking: Sequence[Owner]) -> UsageError:
    one = lacking[0].name if lacking[0].scope == "host" else str(lacking[0])
    command = f"credentials.set {one}" if len(lacking) == 1 else "credentials.import …"
    return UsageError(
        f"a lab is up, and it has no {listed(lacking)}: nothing was stored in its keyring",
        f"for a server of yours name its inventory: `fab {command} --inventory {EXAMPLE}`; "
        "or take the lab down: `fab lab.down`",
        meaning="while a lab is up, commands without --inventory are about the lab",
    )


def _unknown(lacking: Sequence[Owner], known: set[str]) -> UsageError:
    return UsageError(
        f"the inventory has no {listed(lacking)}: nothing was stored",
        f"{_near(lacking[0], known)}; if it is not in the inventory yet: the same command with --unlisted",
    )


def _near(owner: Owner, known: set[str]) -> str:
    names = {each.removeprefix("host/"): each for each in sorted(known)}
    typed = str(owner).removeprefix("host/")
    same = [f"group/{typed}"] if f"group/{typed}" in known else []
    found = same or difflib.get_close_matches(typed, names, 1)
    return f"did you mean {found[0]}?" if found else "`fab hosts.list` names them"
