"""trust: the public key that each host must show, pinned by inventory name and compared before any login."""

import base64
import binascii
import fcntl
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace as changed
from pathlib import Path

from provision import atomic
from provision.errors import ChangedHostKey, InventoryError, ProvisionError, UnknownHostKey, UsageError
from provision.model import INVENTORY_NAME, Host, HostKey

# Returns each key that a host shows, the best type first.
Fetch = Callable[[Host], Iterable[HostKey]]

FETCHES_AT_ONCE = 32
CHANGED = "reinstalled, the address was given to another server, or someone sits in between"
# The best first; ssh itself accepts any of the pinned keys.
_ORDER = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
TRUST = re.compile(r"trust=(\S+)")


def trust(hosts: tuple[Host, ...], pins: Path, fetch: Fetch) -> dict[str, HostKey | ProvisionError]:
    """Return, by host, its key or an error.

    A pinned host is not contacted. For a host with ``host_key: SHA256:…`` in the inventory and no pin,
    ``fetch`` returns its keys, which are compared and pinned. A host without either gets UnknownHostKey; one
    whose pin, inventory and key disagree gets ChangedHostKey; and one whose keys cannot be fetched gets what
    ``fetch`` raises. Raises InventoryError for a pins file that cannot be read, UsageError when it cannot be
    written.
    """
    pinned = read_pins(pins)
    with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        found = pool.map(lambda host: _key_or_error(host, pinned.get(host.name, ()), fetch), hosts)
        keys = {host.name: key for host, key in zip(hosts, found, strict=True)}
    for key in keys.values():
        if isinstance(key, HostKey) and key.name not in pinned:
            record(pins, key)
    return keys


def record(pins: Path, key: HostKey, replace: str | None = None) -> None:
    """Pin one key, with its others; the lines of other hosts are unchanged.

    Existing keys of the host are replaced, all of them, only when ``replace`` is the fingerprint of one; else
    raises ChangedHostKey. Raises InventoryError or UsageError as ``trust``.
    """
    with _locked(pins):
        old = read_pins(pins).get(key.name, ())
        fresh = [each for each in key.all if not any(_same(each, pin) for pin in old)]
        is_named = replace in {pin.fingerprint for pin in old}
        if old and len(fresh) == len(key.all) and not is_named:
            raise ChangedHostKey.than_pinned(key.name, old[0].fingerprint, key.fingerprint)
        doomed = [pin for pin in old if is_named and not any(_same(each, pin) for each in key.all)]
        if fresh or doomed:
            lines = "".join(f"{each.name} {each.type} {each.key} trust={each.trust}\n" for each in fresh)
            _write(pins, _without(doomed, _text(pins)) + lines)


def read_pins(pins: Path) -> Mapping[str, tuple[HostKey, ...]]:
    """Return the pinned keys by inventory name; a missing file counts as empty.

    Each line is ``name type key trust=…``. Raises InventoryError, with the line number, for anything else:
    hashed names, patterns, lists and markers would match more hosts than the line shows.
    """
    found: dict[str, tuple[HostKey, ...]] = {}
    for number, line in enumerate(_text(pins).split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            key = _parsed(line, f"{pins}:{number}")
            found[key.name] = (*found.get(key.name, ()), key)
    return found


def _key_or_error(host: Host, pinned: tuple[HostKey, ...], fetch: Fetch) -> HostKey | ProvisionError:
    try:
        return _from_pins(host, pinned) if pinned else _from_inventory(host, fetch)
    except ProvisionError as error:
        return error


def _from_pins(host: Host, pinned: tuple[HostKey, ...]) -> HostKey:
    matching = [key for key in pinned if host.host_key in (None, key.fingerprint)]
    if not matching:
        pin = pinned[0].fingerprint
        raise ChangedHostKey(
            f"for {host.name} the inventory names another host key than its pin",
            "compare with the cloud console; if the inventory is right: "
            f"`fab hosts.trust {host.name} --replace {pin}`; else correct host_key in the inventory",
            evidence=f"inventory {host.host_key}, pinned {pin}",
        )
    best = min(matching, key=lambda key: _ORDER.index(key.type) if key.type in _ORDER else len(_ORDER))
    return changed(best, others=tuple(key for key in matching if key is not best))


def _from_inventory(host: Host, fetch: Fetch) -> HostKey:
    if host.host_key is None:
        raise UnknownHostKey(
            f"the key of {host.name} is not pinned, so nothing was sent to it",
            f"`fab hosts.trust {host.name}`",
            meaning="a password sent to the wrong machine is lost; compare the fingerprint first",
        )
    offered = []
    for key in fetch(host):
        if key.fingerprint == host.host_key:
            return changed(key, name=host.name, trust="console")
        offered.append(f"{key.fingerprint} ({key.type})")
    raise ChangedHostKey(
        f"{host.name} shows another host key than the inventory says",
        "compare with the cloud console; only if it agrees: correct host_key in the inventory",
        evidence=f"inventory {host.host_key}, offered {', '.join(offered)}",
        meaning=CHANGED,
    )


def _parsed(line: str, place: str) -> HostKey:
    name, kind, blob, *comment = [*line.split(), "", "", ""]
    if not INVENTORY_NAME.fullmatch(name):
        raise _bad_line(place, f"{name[:40]!r} is not the inventory name of one host")
    if not blob or type_inside(blob) != kind:
        raise _bad_line(place, f"the key of {name} is not a whole public key of its type")
    mark = TRUST.search(" ".join(comment))
    return HostKey(name, kind, blob, mark.group(1) if mark else "console")


def type_inside(blob: str) -> str:
    """Return the key type inside the base64 text of a public key; empty for other text."""
    try:
        data = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return data[4 : 4 + int.from_bytes(data[:4])].decode("ascii", "replace")


def _bad_line(place: str, what: str) -> InventoryError:
    file = place.rpartition(":")[0]
    return InventoryError(
        f"{place}: {what}", f"each line of {file} is: name type key trust=…; correct or remove this one"
    )


def _without(doomed: list[HostKey], text: str) -> str:
    gone = [[pin.name, pin.type, pin.key] for pin in doomed]
    lines = text.removesuffix("\n").split("\n") if text else []
    return "".join(f"{line}\n" for line in lines if line.split()[:3] not in gone)


def _same(one: HostKey, other: HostKey) -> bool:
    return (one.type, one.key) == (other.type, other.key)


def _text(pins: Path) -> str:
    try:
        return pins.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InventoryError(f"the pins file {pins} cannot be read: {error}", f"ls -l {pins}") from error


@contextmanager
def _locked(pins: Path) -> Iterator[None]:
    # Lock the directory, so that no lock file is beside the pins, which are committed.
    try:
        pins.parent.mkdir(parents=True, exist_ok=True)
        directory = os.open(pins.parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot_write(pins, error) from error
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _write(pins: Path, text: str) -> None:
    try:
        atomic.replace(Path(os.path.realpath(pins)), text.encode())  # a symbolic link is kept
    except OSError as error:
        raise _cannot_write(pins, error) from error


def _cannot_write(pins: Path, error: OSError) -> UsageError:
    return UsageError(f"the pins file {pins} cannot be written: {error.strerror}", f"ls -ld {pins.parent}")
