"""Check the inventory values that reach a command line, an ssh config, a path or a page."""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provision import desired
from provision.errors import InventoryError
from provision.model import INVENTORY_NAME, Host

_DNS_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?"
)
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
# The interface of a link-local IPv6 address, fe80::1%eth0; Python accepts any text.
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
# What OpenSSH 8.4 cannot quote in a config: a quote, a backslash, a ${variable}.
_UNQUOTABLE = re.compile(r"[\"\\]|\$\{")

# Variables with a plain-text password, which are refused. In Ansible's order: the last that is set counts.
PLAIN_PASSWORDS = {
    "ansible_pass": "password",
    "ansible_password": "password",
    "ansible_ssh_pass": "password",
    "ansible_ssh_password": "password",
    "ansible_become_password": "sudo",
    "ansible_become_pass": "sudo",
    "ansible_sudo_pass": "sudo",
    "ansible_private_key_passphrase": "passphrase",
    "ansible_ssh_private_key_passphrase": "passphrase",
}
_UNDERSTOOD = {
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_ssh_private_key_file",
    "ansible_become",
}
# Accepted when they agree with what is done anyway.
_HARMLESS = {
    "ansible_connection": ("ssh", "smart"),
    "ansible_become_method": ("sudo", "ansible.builtin.sudo"),
    "ansible_become_user": ("root",),
}
_IGNORED = {"ansible_python_interpreter", "ansible_group_priority"}
_ADVICE = {
    "ansible_ssh_common_args": "for a jump host write jump_host: NAME",
    "ansible_ssh_extra_args": "for a jump host write jump_host: NAME",
}


def host(name: str, values: Mapping[str, Any], groups: tuple[str, ...], via: str) -> Host:
    """Return one Host from its inventory variables; raises InventoryError with host and value."""
    _refuse_unsafe(name, values)
    return Host(
        name=name,
        address=_address(name, values, via),
        port=_port(name, values.get("ansible_port", 22)),
        user=_matching(name, "ansible_user", values.get("ansible_user", "root"), _USER),
        become=_boolean(name, values.get("ansible_become", False)),
        jump=_optional(name, "jump_host", values, INVENTORY_NAME),
        groups=groups,
        key_file=_key_file(name, values.get("ansible_ssh_private_key_file")),
        host_key=_optional(name, "host_key", values, _FINGERPRINT),
        desired=desired.checked(name, values),
        decided=desired.decided(values),
    )


def check_name(name: str) -> None:
    """Raise InventoryError unless ``name`` is a valid name of a host or group."""
    if not INVENTORY_NAME.fullmatch(name):
        raise InventoryError(
            f"the name {ascii(name)[:80]} is refused",
            "use letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63",
        )


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that puts web2 before web10."""
    # compared as text: names are sorted before they are checked, and int() refuses 5000 digits
    parts = re.findall("([0-9]+)|([^0-9]+)", name)
    return [
        (1, 0, word) if word else (0, len(digits.lstrip("0")), digits.lstrip("0")) for digits, word in parts
    ]


def _refuse_unsafe(name: str, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if key in PLAIN_PASSWORDS:
            kind = "" if PLAIN_PASSWORDS[key] == "password" else f" --kind {PLAIN_PASSWORDS[key]}"
            raise InventoryError(
                f"{name} has a password in plain text: {key}",
                f"`fab credentials.set {name}{kind}`, then remove {key} from the inventory; "
                "`fab credentials.import` takes all that are there",
            )
        is_accepted = key in _UNDERSTOOD | _IGNORED or value in _HARMLESS.get(key, ())
        if key.startswith("ansible_") and not is_accepted:
            shown = ascii(key)[1:80].rstrip("'")
            raise InventoryError(
                f"{name} sets {shown}, which is refused",
                _ADVICE.get(key, "remove it: it would change how the host is reached, unchecked"),
            )


def _address(name: str, values: Mapping[str, Any], via: str) -> str:
    if via == "private":
        if "private_address" not in values:
            raise InventoryError(
                f"{name} has no private_address", "add private_address, or leave out --via private"
            )
        key, value = "private_address", values["private_address"]
    else:
        key, value = "ansible_host", values.get("ansible_host", name)
    wanted = "an IP address or a DNS name"
    try:
        address = ipaddress.ip_address(str(value))
    except ValueError:
        # a name of only digits and dots is a mistyped address
        if re.fullmatch(r"[0-9.]+", str(value)):
            raise _refused(name, key, value, wanted) from None
        return _matching(name, key, value, _DNS_NAME, wanted)
    if not _INTERFACE.fullmatch(getattr(address, "scope_id", None) or "none"):
        raise _refused(name, key, value, wanted)
    return str(address)


def _port(name: str, value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,5}", str(value)) or not 1 <= int(value) <= 65535:
        raise _refused(name, "ansible_port", value, "a number from 1 to 65535")
    return int(value)


def _boolean(name: str, value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise _refused(name, "ansible_become", value, "true or false")
    return words[str(value).lower()]


def _key_file(name: str, value: Any) -> Path | None:
    if not value:
        return None
    if not isinstance(value, str) or not value.isprintable() or _UNQUOTABLE.search(value):
        wanted = "a path without quotes, backslashes, control characters and ${"
        raise _refused(name, "ansible_ssh_private_key_file", value, wanted)
    return Path(os.path.expanduser(value)).absolute()


def _optional(name: str, key: str, values: Mapping[str, Any], pattern: re.Pattern[str]) -> str | None:
    return _matching(name, key, values[key], pattern) if values.get(key) is not None else None


def _matching(name: str, key: str, value: Any, pattern: re.Pattern[str], wanted: str = "") -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _refused(name, key, value, wanted or f"text like {pattern.pattern}")
    return value


def _refused(name: str, key: str, value: Any, wanted: str) -> InventoryError:
    return InventoryError(
        f"{name}: {key} is refused: {ascii(value)[:80]}", f"it must be {wanted}; correct it in the inventory"
    )
