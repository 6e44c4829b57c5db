"""read: turn any Ansible inventory into checked Hosts; the inventory is data, never code or command."""

import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from provision import host_values
from provision.errors import InventoryError, NothingSelected
from provision.model import Host
from provision.settings import Settings

READ_TIMEOUT_S = 60
# An inventory that cannot be parsed, or says a thing twice, is an error and not a warning.
_STRICT = {
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    "ANSIBLE_DUPLICATE_YAML_DICT_KEY": "error",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
}
_PATTERN_SIGNS = "*?[]:,!&~"
_NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Selection:
    """``hosts`` are acted on; ``jumps`` are only passed through."""

    hosts: tuple[Host, ...]
    jumps: tuple[Host, ...]


def read(
    settings: Settings, *, limit: str = "", via: str = "public", environ: Mapping[str, str]
) -> Selection:
    """Read the inventory sources and select by ``limit`` (an Ansible pattern; empty means all).

    ``via`` is 'public' or 'private' and chooses the address. Raises InventoryError for a source or
    a value that is refused, NothingSelected when no host is left.
    """
    for source in settings.inventory:
        if not source.exists():
            raise InventoryError(f"there is no inventory at {source}", "name yours with --inventory PATH")
    with ThreadPoolExecutor(2) as pool:
        everything = pool.submit(_list, settings.inventory, "", environ)
        limited = pool.submit(_list, settings.inventory, limit, environ) if limit else everything
        data = everything.result()
        names = _names(data)
        chosen = _names(limited.result()) if not limit or not limited.exception() else ()
    if not chosen:
        raise _nothing(limit, names, data, limited.exception())
    _check_names(names, data)
    return _select(data, chosen, via)


def _select(data: Mapping[str, Any], chosen: tuple[str, ...], via: str) -> Selection:
    variables, groups = data["_meta"]["hostvars"], _groups_by_host(data)

    def host(name: str) -> Host:
        return host_values.host(name, variables.get(name, {}), groups.get(name, ()), via)

    hosts = tuple(host(name) for name in chosen)
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
            jumps[name] = host(name)
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


def _list(sources: tuple[Path, ...], limit: str, environ: Mapping[str, str]) -> dict[str, Any]:
    argv = [str(Path(sys.executable).with_name("ansible-inventory")), "--list"]
    argv += [word for source in sources for word in ("-i", str(source))]
    argv += [f"--limit={limit}"] if limit else []
    try:
        done = subprocess.run(
            argv, capture_output=True, env=dict(environ) | _STRICT, timeout=READ_TIMEOUT_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise InventoryError(
            f"the inventory gave no end in {READ_TIMEOUT_S} s",
            "run it by hand: ansible-inventory --list -i " + str(sources[0]),
        ) from None
    if done.returncode != 0:
        raise InventoryError(
            "the inventory cannot be read: " + ", ".join(map(str, sources)),
            f"look at it with: ansible-inventory --list -i {sources[0]}",
            evidence=_first_error(done.stderr.decode("utf-8", "replace")),
        )
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def _first_error(text: str) -> str:
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("[ERROR]", "ERROR!"))]
    telling = [line for line in lines if "Failed to parse" in line or "rror" in line]
    return ((telling or errors or lines or [""])[0])[:300]


def _names(data: Mapping[str, Any]) -> tuple[str, ...]:
    seen = dict.fromkeys(data.get("_meta", {}).get("hostvars", {}))
    for key, group in data.items():
        if key != "_meta":
            seen |= dict.fromkeys(group.get("hosts", ()))
    return tuple(sorted(seen, key=host_values.natural))


def _groups_by_host(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Give each host's groups, the nearest first; 'all' is left out."""
    parents = {
        child: name for name, group in data.items() if name != "_meta" for child in group.get("children", ())
    }
    groups: dict[str, tuple[str, ...]] = dict.fromkeys(_names(data), ())
    for name, group in data.items():
        chain, above = [name], parents.get(name)
        while above:
            chain, above = [*chain, above], parents.get(above)
        for host in group.get("hosts", ()) if name != "_meta" else ():
            own = [g for g in chain if g not in ("all", "ungrouped")]
            groups[host] = tuple(dict.fromkeys([*groups[host], *own]))
    return groups


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


def _nothing(
    limit: str, names: tuple[str, ...], data: Mapping[str, Any], error: BaseException | None
) -> Exception:
    if not names:
        return NothingSelected(
            "the inventory holds no host", "add one under all: hosts:, see inventory/hosts.yml"
        )
    known = set(names) | set(data)
    strange = [
        word
        for word in limit.split(",")
        if word and not set(word) & set(_PATTERN_SIGNS) and word not in known
    ]
    groups = [name for name in data if name not in ("_meta", "all", "ungrouped")]
    listed = ", ".join(names[:_NAMES_SHOWN]) + (
        f" and {len(names) - _NAMES_SHOWN} more" * (len(names) > _NAMES_SHOWN)
    )
    what = f"--limit {limit} matches no host" + (f": unknown {', '.join(strange)}" if strange else "")
    return NothingSelected(
        what,
        "fab hosts.list shows all",
        evidence=f"hosts: {listed}" + (f"; groups: {', '.join(groups)}" if groups else ""),
    )


def with_desired(host: Host, **values: Any) -> Host:
    """Give ``host`` with more desired values; the command line's win over the inventory's."""
    return replace(host, desired={**host.desired, **values})
