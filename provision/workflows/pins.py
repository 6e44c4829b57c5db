"""hosts.trust: fetch a host's keys, have one confirmed, and pin it; or compare all pins."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from provision.entrants import read
from provision.errors import ChangedHostKey, ProvisionError, UnknownHostKey, UsageError
from provision.inventory import Selection
from provision.inventory.host_values import natural
from provision.model import Host, HostKey, HostReport, Status
from provision.report.exit_code import exit_code
from provision.report.layout import clean
from provision.run import audit
from provision.settings import Settings
from provision.ssh import witness
from provision.ssh.remote import way_through
from provision.trust import FETCHES_AT_ONCE, read_pins, record
from provision.trust.console import Exported, exported
from provision.workflows.consent import confirm
from provision.workflows.guard import hint_text
from provision.workflows.reach import sessions, shell_entrants

Keys = Callable[[Host], Iterator[HostKey]]
_NOTHING = Exported((), ())


@dataclass(frozen=True, slots=True)
class Proof:
    """What the command line says about keys: a fingerprint, a console's export, the pin to replace."""

    fingerprint: str = ""
    from_file: str = ""
    replace: str = ""


def trust(project: Settings, limit: str, proof: Proof, via: str) -> None:
    """Pin the key of each selected host by ``proof``, or by a confirmation at the terminal."""
    selection = read(project, limit, via)
    if proof.fingerprint and len(selection.hosts) > 1:
        raise UsageError("a fingerprint belongs to one host", "name one host, or use --from-file")
    names = [host.name for host in selection.hosts]
    text = _read(proof.from_file) if proof.from_file else ""
    with _ways(project, selection) as keys:
        for host in selection.hosts:
            said = exported(text, host.name, names) if proof.from_file else _NOTHING
            _pin(project, host, keys, proof, said)


def check(project: Settings, limit: str, via: str) -> int:
    """Compare each host's key with its pin, without logging in; return the exit code."""
    selection, pins = read(project, limit, via), read_pins(project.pins)
    with _ways(project, selection) as keys, ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        judge = partial(_verdict, pins=pins, keys=keys)
        verdicts = dict(zip(selection.hosts, pool.map(judge, selection.hosts), strict=True))
    for host in sorted(verdicts, key=lambda host: natural(host.name)):
        print(clean(f"{host.name}  {_described(verdicts[host])}"))
    _audit_check(project, verdicts)
    statuses = (v.failure.status if isinstance(v, ProvisionError) else Status.OK for v in verdicts.values())
    return exit_code([HostReport("", status) for status in statuses])


def _verdict(host: Host, pins: Mapping[str, tuple[HostKey, ...]], keys: Keys) -> HostKey | ProvisionError:
    """Return the pinned key that the host shows, or the error: there is none, or it shows none of them."""
    pinned = pins.get(host.name, ())
    if not pinned:
        return UnknownHostKey(f"no key of {host.name} is pinned", f"`fab hosts.trust {host.name}`")
    offered = []
    try:
        for key in keys(host):
            offered.append(key)
            if any((pin.type, pin.key) == (key.type, key.key) for pin in pinned):
                return key
    except ProvisionError as error:
        return error
    return ChangedHostKey.than_pinned(host.name, pinned[0].fingerprint, offered[0].fingerprint)


def _described(verdict: HostKey | ProvisionError) -> str:
    if isinstance(verdict, HostKey):
        return f"shows its pin, {verdict.type} {verdict.fingerprint}"
    failure = verdict.failure
    return (
        f"{failure.message}{failure.evidence and f' ({failure.evidence})'}; next: {hint_text(failure.next)}"
    )


def _audit_check(project: Settings, verdicts: dict[Host, HostKey | ProvisionError]) -> None:
    audit.record(
        project.state_dir,
        *(audit.Entry("hosts.trust --check", host.name, verdict.fingerprint, audit.DONE)
          if isinstance(verdict, HostKey)
          else audit.Entry("hosts.trust --check", host.name, "", verdict.failure.kind)
          for host, verdict in verdicts.items()),
    )  # fmt: skip


def _pin(project: Settings, host: Host, keys: Keys, proof: Proof, said: Exported) -> None:
    old = read_pins(project.pins).get(host.name, ())
    key = _chosen(host, old, keys, proof, said)
    if all(any((pin.type, pin.key) == (each.type, each.key) for pin in old) for each in key.all):
        print(f"{host.name} shows {key.fingerprint}, which is pinned already")
        return
    with audit.recorded(project.state_dir, "hosts.trust", host.name, key.fingerprint):
        _expect_replaced(old, key, proof.replace)
        is_proven = bool(said.keys or said.fingerprints or proof.fingerprint or host.host_key)
        if not is_proven and not (project.interactive and _confirmed(key)):
            raise UnknownHostKey(
                f"{host.name} shows {key.fingerprint} ({key.type}); it is not confirmed, so not pinned",
                "compare it with the cloud console, then: "
                f"`fab hosts.trust {host.name} --fingerprint {key.fingerprint}`",
            )
        word = "console" if is_proven else "tofu"
        pins = [replace(each, trust=word, others=()) for each in key.all]
        record(project.pins, replace(pins[0], others=tuple(pins[1:])), proof.replace or None)
    for pin in pins:
        print(f"pinned {host.name} {pin.type} {pin.fingerprint} in {os.path.relpath(project.pins)}")


def _chosen(host: Host, old: tuple[HostKey, ...], keys: Keys, proof: Proof, said: Exported) -> HostKey:
    """Return the key to pin: those of the file, else the shown one that ``proof`` or the inventory names."""
    if said.keys:
        return replace(said.keys[0], others=said.keys[1:])
    wanted = said.fingerprints or tuple(filter(None, [proof.fingerprint or host.host_key]))
    pinned = {pin.fingerprint for pin in old}
    offered = []
    for key in keys(host):
        if key.fingerprint in (wanted or pinned) or not (wanted or pinned):
            return key
        offered.append(key)
    if wanted:
        raise ChangedHostKey(
            f"{host.name} shows another host key than the one you gave",
            "take the fingerprint from the cloud console again; if it still differs, do not log in",
            evidence=f"given {', '.join(wanted)}, offered "
            + ", ".join(f"{key.fingerprint} ({key.type})" for key in offered),
        )
    return offered[0]


def _expect_replaced(old: tuple[HostKey, ...], key: HostKey, named: str) -> None:
    pinned = {pin.fingerprint for pin in old}
    if old and named not in pinned and pinned.isdisjoint(each.fingerprint for each in key.all):
        raise ChangedHostKey.than_pinned(key.name, old[0].fingerprint, key.fingerprint)


def _confirmed(key: HostKey) -> bool:
    shown = f"{key.name} shows this host key:\n  {key.type} {key.fingerprint}\n"
    return confirm(f"{shown}Compare it with what the cloud console says.", "yes")


def _read(place: str) -> str:
    try:
        return sys.stdin.read() if place == "-" else Path(place).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{place} cannot be read: {error.strerror}", f"ls -l {place}") from error


def _jumps(selection: Selection) -> tuple[Host, ...]:
    """Return the jump hosts of the selected hosts, which may be selected themselves."""
    by_name = {host.name: host for host in (*selection.jumps, *selection.hosts)}
    found: dict[str, Host] = {}
    for host in selection.hosts:
        while host.jump and host.jump not in found:
            host = by_name[host.jump]
            found[host.name] = host
    return tuple(found.values())


@contextmanager
def _ways(project: Settings, selection: Selection) -> Iterator[Keys]:
    """Yield a function that fetches a host's keys; it logs in only to jump hosts."""
    jumps = _jumps(selection)
    with ExitStack() as stack:
        opened = stack.enter_context(sessions(shell_entrants(project, Selection(jumps, ())))) if jumps else {}

        def keys(host: Host) -> Iterator[HostKey]:
            if not host.jump:
                return witness.fetch_keys(host)
            session = opened[host.jump]
            if isinstance(session, ProvisionError):
                raise session
            return witness.fetch_keys(host, lambda: stack.enter_context(way_through(session, host)))

        yield keys
