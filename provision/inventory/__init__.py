"""read: turn any Ansible inventory into checked Hosts; its values are data, never code or commands."""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provision.errors import InventoryError, NothingSelected
from provision.inventory import host_values
from provision.inventory.sources import listing
from provision.model import Host
from provision.settings import LONGEST_SHOWN, Settings, is_there

# The pattern for every host; an empty limit is an error, and never means this.
ALL = "all"
_PATTERN_SIGNS = "*?[]~"
_NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected ``hosts``, and ``jumps``, through which some of them are reached."""

    hosts: tuple[Host, ...]
    jumps: tuple[Host, ...]


def read(
    settings: Settings, *, limit: str = ALL, via: str = "public", environ: Mapping[str, str]
) -> Selection:
    """Read the inventory sources and select by ``limit`` (an Ansible pattern).

    ``via`` is 'public' or 'private', and selects the address. Raises InventoryError for an invalid source or
    value, NothingSelected when no host matches.
    """
    expect_there(settings.inventory)
    if not limit.strip():
        raise NothingSelected("the limit is empty", "name hosts or groups, or leave --limit out for all")
    data, chosen = _listed(settings.inventory, limit, environ)
    return _select(data, chosen, via)


def expect_there(sources: tuple[Path, ...]) -> None:
    """Raise InventoryError for a source that does not exist."""
    for source in sources:
        if not is_there(source):
            shown = str(source)[:LONGEST_SHOWN]
            raise InventoryError(f"there is no inventory at {shown}", "name yours with --inventory PATH")


def _listed(
    sources: tuple[Path, ...], limit: str, environ: Mapping[str, str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    with ExitStack() as stack:
        whole = stack.enter_context(listing(sources, "", environ))
        part = stack.enter_context(listing(sources, limit, environ)) if limit != ALL else None
        data = whole.result()
        names = _names(data)
        if not names:
            hint = "add one under all: hosts:, see inventory/hosts.yml"
            raise NothingSelected("the inventory holds no host", hint)
        _check_names(names, data)
        _check_limit(limit, names, data)
        try:
            chosen = names if part is None else _names(part.result())
        except InventoryError:  # listing all hosts worked, so the pattern is wrong
            chosen = ()
    if not chosen:
        raise _no_match(f"{limit} matches no host", names, data)
    return data, chosen


def _select(data: Mapping[str, Any], chosen: tuple[str, ...], via: str) -> Selection:
    variables, groups = data["_meta"]["hostvars"], _groups_by_host(data)

    def host(name: str, way: str) -> Host:
        return host_values.host(name, variables.get(name, {}), groups.get(name, ()), way)

    hosts = tuple(host(name, via) for name in chosen)
    jumps: dict[str, Host] = {}
    queue = [h for h in hosts if h.jump]
    while queue:
        asking = queue.pop()
        name = asking.jump or ""
        if name not in groups:
            raise InventoryError(
                f"{asking.name} names the jump host {name}, which is not in the inventory",
                f"add {name} as a host, or remove jump_host from {asking.name}",
            )
        if name not in jumps:
            jumps[name] = host(name, "public")  # it is the entrance to the private network
            queue += [jumps[name]] if jumps[name].jump else []
        elif _is_circle(asking.name, jumps):
            raise InventoryError(
                f"the jump hosts of {asking.name} form a circle", "correct jump_host in the inventory"
            )
    return Selection(hosts, tuple(jump for name, jump in jumps.items() if name not in chosen))


def _is_circle(start: str, jumps: Mapping[str, Host]) -> bool:
    name = jumps[start].jump if start in jumps else None
    while name and name != start:
        name = jumps[name].jump if name in jumps else None
    return name == start


def _names(data: Mapping[str, Any]) -> tuple[str, ...]:
    seen = dict.fromkeys(data.get("_meta", {}).get("hostvars", {}))
    for key, group in data.items():
        if key != "_meta":
            seen |= dict.fromkeys(group.get("hosts", ()))
    return tuple(sorted(seen, key=host_values.natural))


def _groups_by_host(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return each host's groups, the nearest first, without 'all'."""
    real = {name: group for name, group in data.items() if name not in ("_meta", "all", "ungrouped")}
    parents: dict[str, list[str]] = {}
    for name, group in real.items():
        for child in group.get("children", ()):
            parents.setdefault(child, []).append(name)
    found: dict[str, tuple[str, ...]] = {}
    for host in _names(data):
        level = [name for name, group in real.items() if host in group.get("hosts", ())]
        seen: dict[str, None] = {}
        while level:
            seen |= dict.fromkeys(level)
            level = [above for name in level for above in parents.get(name, ()) if above not in seen]
        found[host] = tuple(seen)
    return found


def _check_names(names: tuple[str, ...], data: Mapping[str, Any]) -> None:
    groups = tuple(name for name in data if name not in ("_meta", "all", "ungrouped"))
    for name in (*names, *groups):
        host_values.check_name(name)
    for kind in (names, groups):
        lower: dict[str, str] = {}
        for name in kind:
            twin = lower.setdefault(name.lower(), name)
            if twin != name:
                raise InventoryError(
                    f"the names {twin} and {name} differ only in case",
                    "rename one: names reach file names and ssh patterns",
                )


def _check_limit(limit: str, names: tuple[str, ...], data: Mapping[str, Any]) -> None:
    # Ansible ignores an unknown name, and goes on with the others
    words = [word.strip().lstrip("!&") for word in re.split(r"[,:]", limit)]
    plain = [word for word in words if word and not set(word) & set(_PATTERN_SIGNS)]
    strange = [word for word in plain if word not in {*names, *data}]
    if strange:
        raise _no_match(f"no host and no group is called {', '.join(strange)}", names, data)


def _no_match(what: str, names: tuple[str, ...], data: Mapping[str, Any]) -> NothingSelected:
    groups = [name for name in data if name not in ("_meta", "all", "ungrouped")]
    listed = ", ".join(names[:_NAMES_SHOWN])
    listed += f" and {len(names) - _NAMES_SHOWN} more" * (len(names) > _NAMES_SHOWN)
    return NothingSelected(
        what,
        "`fab hosts.list` shows all",
        evidence=f"hosts: {listed}" + (f"; groups: {', '.join(groups)}" if groups else ""),
    )
