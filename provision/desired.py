"""Check the values that say what a host shall become: data for the role, and never a template."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from provision.errors import InventoryError

PREFIX = "docker_engine_"
# What the role documents in meta/argument_specs.yml, and a person may set.
KNOWN = tuple(
    PREFIX + word
    for word in ("state", "version", "upgrade", "channel", "mirror", "gpg_key", "gpg_fingerprint",
                 "daemon_options", "lock_timeout")
)  # fmt: skip
# They end up as one line of a file or one word of a command on the host.
_SHAPES = {
    PREFIX + "version": (re.compile(r"latest|[0-9][A-Za-z0-9.+~_-]*"), "latest, or a version like 28.5.2"),
    PREFIX + "mirror": (re.compile(r"https?://[!-~]+"), "an http:// or https:// address without spaces"),
    PREFIX + "gpg_key": (re.compile(r"[^\x00-\x1f\x7f]*"), "a path or an address, in one line"),
}
# A template, a control character, or half a character, which no YAML can hold.
_NO_DATA = re.compile(r"\{\{|\{%|\{#|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_DEEPEST = 20


def checked(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the role's values of the host ``name``; raises InventoryError naming host and value."""
    found = {key: value for key, value in values.items() if key.startswith(PREFIX)}
    for key, value in found.items():
        _check(name, key, value)
    return found


def _check(name: str, key: str, value: Any) -> None:
    if key not in KNOWN:
        near = difflib.get_close_matches(key[:80], KNOWN, 1)
        hint = f"did you mean {near[0]}?" if near else "known are: " + ", ".join(KNOWN)
        raise InventoryError(f"{name}: {ascii(key)[:80]} is not known", hint)
    _check_data(name, key, value, _DEEPEST)
    pattern, wanted = _SHAPES.get(key, (None, ""))
    if pattern and not pattern.fullmatch(str(value)):
        raise InventoryError(
            f"{name}: {key} is refused: {ascii(value)[:80]}",
            f"it must be {wanted}; correct it in the inventory",
        )


def _check_data(name: str, key: str, value: Any, levels: int) -> None:
    """Raise when a text in ``value`` is a template or holds control characters."""
    if not levels:
        raise InventoryError(f"{name}: {key} is nested too deep", f"{_DEEPEST} levels are enough")
    if isinstance(value, (Mapping, list)):
        for item in [*value, *value.values()] if isinstance(value, Mapping) else value:
            _check_data(name, key, item, levels - 1)
    if isinstance(value, str) and _NO_DATA.search(value):
        raise InventoryError(
            f"{name}: {key} holds a template or control characters: {ascii(value)[:80]}",
            "write the value itself; templates are not evaluated here",
        )
