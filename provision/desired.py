"""Check the desired state of a host: values for the role, which are data and never templates."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from provision import pem, role
from provision.errors import InventoryError
from provision.role import PREFIX

# The variables of meta/argument_specs.yml that a person may set.
KNOWN = tuple(
    PREFIX + word
    for word in ("state", "version", "upgrade", "channel", "mirror", "gpg_key", "gpg_fingerprint",
                 "containerd_version", "hold", "proxy", "ca_file", "daemon_options", "registry_logins",
                 "may_remove", "accept_eol", "allow_reboot", "disruption", "lock_timeout")
)  # fmt: skip
_VERSION = r"[0-9][A-Za-z0-9.+~_-]*"
# These become one line of a file, or one word of a command on the host.
_SHAPES = {
    PREFIX + "version": (re.compile(rf"latest|{_VERSION}"), "latest, or a version like 28.5.2, 28.5 or 28"),
    PREFIX + "containerd_version": (re.compile(rf"|{_VERSION}"), "empty, or a version like 2.1.9 or 2.1"),
    PREFIX + "mirror": (re.compile(r"https?://[!-~]+"), "an http:// or https:// address without spaces"),
    PREFIX + "ca_file": (re.compile(r"[^\x00-\x1f\x7f]*"), "a path, in one line"),
    PREFIX + "gpg_key": (re.compile(r"[^\x00-\x1f\x7f]*"), "a path or an address, in one line"),
}
# A template, a control character, or a lone surrogate, which YAML cannot represent.
_NO_DATA = re.compile(r"\{\{|\{%|\{#|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_DEEPEST = 20
# {secret: NAME} refers to the keyring entry secret/NAME.
SECRET = "secret"  # noqa: S105 - the word, not a secret
SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_OPTIONS, _LOGINS, _PROXY = PREFIX + "daemon_options", PREFIX + "registry_logins", PREFIX + "proxy"
_MIRROR, _CA_FILE = PREFIX + "mirror", PREFIX + "ca_file"
_HTTP_PROXY = re.compile(r"|http://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?")
_FINGERPRINT, _HOLD = PREFIX + "gpg_fingerprint", PREFIX + "hold"
# The recommended options of daemon.json; of log-opts only the size, since others can be secret.
_RECOMMENDED = ("live-restore", "no-new-privileges", "selinux-enabled", "log-driver")
_LOGS, _SIZE = "log-opts", "max-size"
_REGISTRY = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/_-]{0,200}")
_PLAIN_LOGIN = re.compile(r"//[^\s@]*:[^\s@]*@|^[\w.%+-]+:[^\s@]+@[\w.-]+:\d+$")


def checked(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the role's values for host ``name``; raises InventoryError with host and value."""
    found = {key: value for key, value in values.items() if key.startswith(PREFIX)}
    for key, value in found.items():
        _check(name, key, value)
    try:
        role.typed({key.removeprefix(PREFIX): value for key, value in found.items()})
    except ValueError as error:
        raise InventoryError(
            f"{name}: {str(error)[:240]}",
            "correct it in the inventory; meta/argument_specs.yml of the role describes each variable",
        ) from None
    return found


def secret_names(values: Any) -> tuple[str, ...]:
    """Return the names of the secrets that ``values`` refer to, unique and sorted."""
    return tuple(sorted(set(_named(values))))


def decided(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of ``values`` that the checks compare the host with, without secrets."""
    given = _mapping(values.get(_OPTIONS))
    options = _plain_values(given, _RECOMMENDED)
    if _LOGS in given:
        options[_LOGS] = None if given[_LOGS] is None else _plain_values(_mapping(given[_LOGS]), (_SIZE,))
    return ({_OPTIONS: options} if options else {}) | _plain_values(values, (_FINGERPRINT, _HOLD))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _plain_values(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    plain = (str, int, bool, type(None))
    return {name: values[name] for name in names if name in values and isinstance(values[name], plain)}


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if set(value) == {SECRET}:
            yield value[SECRET]
        else:
            for item in value.values():
                yield from _named(item)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item)


def _check(name: str, key: str, value: Any) -> None:
    if key not in KNOWN:
        near = difflib.get_close_matches(key[:80], KNOWN, 1)
        hint = f"did you mean {near[0]}?" if near else "known are: " + ", ".join(KNOWN)
        raise InventoryError(f"{name}: {ascii(key)[:80]} is not known", hint)
    _check_data(name, key, value, _DEEPEST)
    for secret in _named(value):
        is_name = isinstance(secret, str) and SECRET_NAME.fullmatch(secret)
        if key not in (_OPTIONS, _LOGINS, _PROXY) or not is_name:
            raise InventoryError(
                f"{name}: {key} has an invalid secret reference",
                f"write {{secret: NAME}}, in {_OPTIONS}, {_LOGINS} and {_PROXY} alone",
            )
    if key == _LOGINS:
        _check_logins(name, value)
    if key == _PROXY and not (_HTTP_PROXY.fullmatch(str(value)) or set(_mapping(value)) == {SECRET}):
        raise _refused(name, key, value, "http://HOST:PORT, or {secret: NAME} for an address with a login")
    pattern, wanted = _SHAPES.get(key, (None, ""))
    for each in (value or [""]) if key == _MIRROR and isinstance(value, list) else [value]:
        if pattern and not pattern.fullmatch(str(each)):
            raise _refused(name, key, each, wanted)
    if key == _CA_FILE and value:
        _check_authorities(name, str(value))


def _refused(name: str, key: str, value: Any, wanted: str) -> InventoryError:
    return InventoryError(
        f"{name}: {key} is refused: {ascii(value)[:80]}",
        f"it must be {wanted}; correct it in the inventory",
    )


def _check_authorities(name: str, where: str) -> None:
    try:
        pem.authorities(where)
    except ValueError as error:
        raise InventoryError(
            f"{name}: {_CA_FILE} is refused: {ascii(where)[:80]}",
            "it must be a file with the certificates of the authorities (PEM), and no private key",
            evidence=str(error)[:200],
        ) from None


def _check_logins(name: str, logins: Any) -> None:
    for registry, login in logins.items() if isinstance(logins, Mapping) else [("", logins)]:
        right = isinstance(login, Mapping) and set(login) == {"username", "password"}
        if not right or not isinstance(login["username"], str) or not _REGISTRY.fullmatch(str(registry)):
            raise InventoryError(
                f"{name}: {_LOGINS} is refused for {ascii(registry)[:80]}",
                "write registry.example:5000: {username: NAME, password: {secret: NAME}}",
            )
        if secret_names(login["password"]) == ():
            raise _plain(name, _LOGINS, f"{registry}: {{username: NAME, password: {{secret: NAME}}}}")


def _plain(name: str, key: str, instead: str) -> InventoryError:
    return InventoryError(
        f"{name}: {key} holds a password in plain text",
        f"`fab credentials.set {name} --kind secret/NAME`, and in the inventory {instead}",
    )


def _check_data(name: str, key: str, value: Any, levels: int) -> None:
    """Raise InventoryError when a text in ``value`` is a template or has control characters."""
    if not levels:
        raise InventoryError(f"{name}: {key} is nested too deep", f"{_DEEPEST} levels are enough")
    if isinstance(value, (Mapping, list)):
        for item in [*value, *value.values()] if isinstance(value, Mapping) else value:
            _check_data(name, key, item, levels - 1)
    if isinstance(value, str) and key in (_OPTIONS, _PROXY) and _PLAIN_LOGIN.search(value):
        raise _plain(name, key, "{secret: NAME}")
    if isinstance(value, str) and _NO_DATA.search(value):
        shown = "" if key == _LOGINS else f": {ascii(value)[:80]}"
        wanted = "{secret: NAME} for a password" if key == _LOGINS else "the value itself"
        raise InventoryError(
            f"{name}: {key} holds a template or control characters{shown}",
            f"write {wanted}; templates are not evaluated here",
        )
