"""Read secrets from an inventory, an Ansible vault, or a table."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from provision.credentials.entries import MADE, Kind, Owner, flaw, set_command
from provision.errors import UsageError
from provision.inventory.host_values import PLAIN_PASSWORDS
from provision.inventory.sources import listing
from provision.model import Secret
from provision.plaintext import scan

_REFERENCE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_DEEPEST_REFERENCE = 5
_HEADINGS = (["owner", "secret"], ["owner", "kind", "secret"])
_TABLE = "each line is OWNER,SECRET or OWNER,KIND,SECRET, in quotes where a comma or a quote is inside"


@dataclass(frozen=True, slots=True)
class Found:
    """One secret and its owner; ``secret`` is None if it could not be read, for a ``reason``."""

    owner: Owner
    kind: Kind
    secret: Secret | None
    reason: str = ""


class _Unclear(Exception):
    """A value whose secret cannot be determined; the message says why."""


def from_inventory(
    sources: tuple[Path, ...], environ: Mapping[str, str], vault: Secret | None
) -> tuple[Found, ...]:
    """Return each host's secrets as Ansible would use them; those of a group become those of its hosts.

    ``vault`` decrypts values. Raises InventoryError when Ansible cannot read the sources.
    """
    with listing(sources, "", environ, vault) as started:
        hosts: Mapping[str, Mapping[str, Any]] = started.result().get("_meta", {}).get("hostvars", {})
    return tuple(
        found for name, values in hosts.items() for found in _of_host(Owner.host(name), values, vault)
    )


def from_vault(file: Path, vault: Secret) -> tuple[Found, ...]:
    """Read an encrypted YAML file of ``OWNER: SECRET`` or ``OWNER: {KIND: SECRET}``.

    Raises UsageError for a wrong password or other content.
    """
    try:
        content = yaml.safe_load(_decrypted(scan.read_text(file), vault))
        return _each_once((str(file), one) for one in _of_mapping(content, file))
    except (OSError, yaml.YAMLError, AttributeError, ValueError, RecursionError, _Unclear) as error:
        raise UsageError(
            f"{file} holds no table of secrets that this vault password opens",
            "it is YAML, OWNER: SECRET or OWNER: {KIND: SECRET}; for Ansible's own layout leave out --vault",
            evidence=str(error) if isinstance(error, OSError | _Unclear) else "",
        ) from None


def from_table(text: str) -> tuple[Found, ...]:
    """Read CSV of ``OWNER,SECRET`` or ``OWNER,KIND,SECRET``; the first line may be this heading.

    Raises UsageError with the line number, and without content of the line.
    """
    rows = csv.reader(text.removeprefix("\ufeff").splitlines(keepends=True), strict=True)
    try:
        return _each_once(
            (f"line {rows.line_num}", _of_row(row, rows.line_num))
            for row in rows
            if row and row not in _HEADINGS
        )
    except csv.Error:
        raise UsageError(f"line {rows.line_num} is not CSV", _TABLE) from None


def sealed(sources: tuple[Path, ...]) -> bool:
    """Return whether Ansible's vault encrypts any part of ``sources``."""
    return any(scan.VAULT in text for _, text in _texts(sources))


def holders(sources: tuple[Path, ...], secrets: tuple[Secret, ...]) -> tuple[Path, ...]:
    """Return the files that contain one of ``secrets``, another secret in plain text, or a vault."""
    words = {secret.reveal() for secret in secrets}
    return tuple(
        file
        for file, text in _texts(sources)
        if scan.VAULT in text or any(word in text for word in words) or any(scan.find(text, True))
    )


def _of_host(owner: Owner, values: Mapping[str, Any], vault: Secret | None) -> Iterator[Found]:
    # For each kind the last variable takes effect.
    effective = {kind: key for key, kind in PLAIN_PASSWORDS.items() if values.get(key) is not None}
    for kind, key in effective.items():
        try:
            text = _resolved(values[key], values, vault)
            if text:
                yield Found(owner, Kind(kind), _usable(Secret(text)))
        except _Unclear as unclear:
            yield Found(owner, Kind(kind), None, f"{key} {unclear}")


def _resolved(value: Any, values: Mapping[str, Any], vault: Secret | None) -> str:
    for _ in range(_DEEPEST_REFERENCE):
        text = _plain(value, vault)
        reference = _REFERENCE.fullmatch(text.strip())
        if not reference:
            break
        if reference[1] not in values:
            raise _Unclear(f"refers to {reference[1]}, which is not set")
        value = values[reference[1]]
    if isinstance(value, str) and ("{{" in text or "{%" in text):
        raise _Unclear("is a template that only Ansible can work out")
    return text.removesuffix("\n")  # from a block, or from text piped into ansible-vault


def _plain(value: Any, vault: Secret | None) -> str:
    if isinstance(value, Mapping) and "__ansible_vault" in value:
        return _decrypted(value["__ansible_vault"], vault)
    if isinstance(value, Mapping) and "__ansible_unsafe" in value:
        value = value["__ansible_unsafe"]
    return _secret_of(value).reveal()


def _secret_of(value: Any) -> Secret:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _Unclear("is no text: put it in quotes")
    return _usable(Secret(str(value)))


def _usable(secret: Secret) -> Secret:
    problem = flaw(secret) if secret.reveal() else ""
    if problem:
        raise _Unclear(f"cannot be a secret: {problem}")
    return secret


def _owner(name: object) -> Owner:
    if name in PLAIN_PASSWORDS:
        raise _Unclear(f"{name} is a variable, and no owner of a secret")
    try:
        return Owner.parse(str(name))
    except UsageError:  # its message repeats the name
        raise _Unclear("one of its keys is no host, group/NAME or all") from None


def _of_mapping(content: Mapping[Any, Any], file: Path) -> Iterator[Found]:
    for name, kinds in content.items():
        owner = _owner(name)
        named = kinds if isinstance(kinds, Mapping) else {Kind.PASSWORD: kinds}
        for kind, value in named.items():
            yield Found(owner, _typed_kind(kind, f"{file}: {owner}"), _secret_of(value))


def _each_once(rows: Iterable[tuple[str, Found]]) -> tuple[Found, ...]:
    """Return the secrets; raises UsageError for two different ones of the same owner and kind."""
    found: dict[tuple[Owner, Kind], Found] = {}
    for place, one in rows:
        if found.setdefault((one.owner, one.kind), one) != one:
            raise UsageError(
                f"{place} gives {one.owner} a second {one.kind}",
                "keep one of the two; NAME and host/NAME are the same owner",
            )
    return tuple(found.values())


def _typed_kind(word: Any, place: str) -> Kind:
    """Return the kind that ``word`` names; raises UsageError for one that cannot be set."""
    typed = tuple(kind for kind in Kind if kind not in MADE)
    if word not in typed:
        raise UsageError(f"{place} names no known kind", f"one of {', '.join(typed)}")
    return Kind(word)


def _decrypted(text: str, vault: Secret | None) -> str:
    """Decrypt one vault text; ansible-inventory leaves single values in a file encrypted."""
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib, VaultSecret

    if vault is None:
        raise _Unclear("is in a vault, and there is no vault password")
    try:
        secret = VaultSecret(vault.reveal().encode())
        return str(VaultLib([("default", secret)]).decrypt(text.encode()).decode())
    except (AnsibleError, UnicodeDecodeError):
        raise _Unclear("is in a vault that this vault password does not open") from None


def _of_row(row: list[str], line: int) -> Found:
    if len(row) not in (2, 3):
        raise UsageError(f"line {line} has {len(row)} parts", _TABLE)
    kind = _typed_kind(row[1] if len(row) == 3 else Kind.PASSWORD, f"line {line}")
    try:
        owner, secret = Owner.parse(row[0]), Secret(row[-1])
    except UsageError:  # its message repeats the text, which is the secret if columns are swapped
        raise UsageError(f"line {line} begins with no host, group/NAME or all", _TABLE) from None
    problem = flaw(secret)
    if problem:
        raise UsageError(f"line {line}: this cannot be a {kind}: {problem}", set_command(owner, kind))
    return Found(owner, kind, secret)


def _texts(sources: tuple[Path, ...]) -> Iterator[tuple[Path, str]]:
    """Yield the files of an inventory with their texts: itself, and the variables beside it."""
    beside = [source.parent / name for source in sources for name in ("group_vars", "host_vars")]
    places = dict.fromkeys([*sources, *(place for place in beside if place.is_dir())])
    for file in dict.fromkeys(file for place in places for file in scan.files(place)):
        try:
            yield file, scan.read_text(file)
        except OSError:  # ansible-inventory has reported it, or does not read the file either
            continue
