"""Check that the inventory has the owner of a secret, before anything is stored."""

import difflib
import os
from collections.abc import Iterable, Sequence

from provision.credentials import Owner
from provision.errors import InventoryError, UsageError
from provision.hints import Command
from provision.inventory import expect_there
from provision.inventory.sources import listing
from provision.settings import Settings, is_there
from provision.workflows.guard import typed
from provision.workflows.project import EXAMPLE, is_lab

_MOST_NAMED = 12
_NO_GROUPS = {"all", "ungrouped"}  # of Ansible itself: no secret is looked up as group/all or group/ungrouped
LAB_NOTE = "this is the keyring of the lab that is up; it is removed with the lab"


def listed(owners: Iterable[Owner]) -> str:
    """Return the unique names of ``owners``; a number replaces those beyond the first few."""
    names = list(dict.fromkeys(map(str, owners)))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def expect_known(project: Settings, owners: Iterable[Owner], *, unlisted: bool = False) -> None:
    """Raise UsageError for an owner that the inventory does not have.

    A named inventory must exist; if the default one does not, owners are not checked. ``unlisted`` allows
    owners that are not in the inventory, except in a lab. The keyring of a lab, which is removed with it,
    does not accept secrets for ``all`` either, which may be meant for real servers.
    """
    if project.inventory_is_named:
        expect_there(project.inventory)
    wanted = [owner for owner in dict.fromkeys(owners) if owner.name or is_lab(project)]
    is_askable = all(map(is_there, project.inventory)) and (is_lab(project) or not unlisted)
    if not wanted or not is_askable:
        return
    known = _known(project, wanted)
    lacking = [owner for owner in wanted if str(owner) not in known]
    if lacking and is_lab(project):
        raise _not_for_the_lab(lacking)
    if lacking:
        raise _unknown(lacking, known)


def _known(project: Settings, wanted: Sequence[Owner]) -> set[str]:
    """Return the hosts and groups of the inventory, written as owners; it may have plain passwords."""
    try:
        with listing(project.inventory, "", os.environ) as started:
            data = started.result()
    except InventoryError as error:
        raise UsageError(
            f"it is unknown whether the inventory has {listed(wanted)}: {error.failure.message}",
            "fix the inventory, or add --unlisted",
            evidence=error.failure.evidence,
        ) from error
    groups = {name: part for name, part in data.items() if name != "_meta"}
    hosts = {host for part in groups.values() for host in part.get("hosts", ())}
    hosts |= set(data.get("_meta", {}).get("hostvars", {}))
    below = {child for part in groups.values() for child in part.get("children", ())}
    return {f"host/{name}" for name in hosts} | {f"group/{name}" for name in {*groups, *below} - _NO_GROUPS}


def _not_for_the_lab(lacking: Sequence[Owner]) -> UsageError:
    return UsageError(
        "a lab is up, and its keyring only accepts secrets of its hosts: "
        f"nothing was stored for {listed(lacking)}",
        (
            "for servers of yours name their inventory: ",
            Command(f"{typed()} --inventory {EXAMPLE}", ""),
            "; or take the lab down: ",
            Command("lab.down"),
        ),
        meaning="while a lab is up, commands without --inventory are about the lab",
    )


def _unknown(lacking: Sequence[Owner], known: set[str]) -> UsageError:
    names = {each.removeprefix("host/"): each for each in sorted(known)}
    wanted = str(lacking[0]).removeprefix("host/")
    same = [f"group/{wanted}"] if f"group/{wanted}" in known else []
    near = same or difflib.get_close_matches(wanted, names, 1)
    first = f"did you mean {near[0]}?" if near else "`fab hosts.list` names them"
    return UsageError(
        f"the inventory has no {listed(lacking)}: nothing was stored",
        f"{first}; if it is not in the inventory yet: the same command with --unlisted",
    )
