"""The engine as systemd and the file system see it."""

import re

import pytest

from provision.checks.facts import Facts
from provision.checks.wording import wanted

CONTAINERD = "containerd.service"
LOADABLE = ("docker.service", CONTAINERD)


def _unit(facts: Facts, name: str) -> dict[str, str]:
    return facts.units.get(name, {"ActiveState": "not there", "UnitFileState": "not there"})


@pytest.mark.parametrize("name", LOADABLE)
def test_service_runs(facts: Facts, name: str) -> None:
    """{name} is running."""
    state = _unit(facts, name)["ActiveState"]
    # It would not answer if it needed this unit.
    if name == CONTAINERD and facts.own_engine and facts.info and state not in ("active", "failed"):
        pytest.skip(f"the distribution's engine ({facts.own_engine}) runs without {name}")
    assert state == "active", wanted("active", state)


def test_engine_starts_at_boot(facts: Facts) -> None:
    """The engine starts when the host boots."""
    states = [_unit(facts, f"docker.{kind}")["UnitFileState"] for kind in ("service", "socket")]
    assert states[0] == "enabled", wanted("docker.service enabled", states[0])


def test_nothing_of_the_engine_has_failed(facts: Facts) -> None:
    """No systemd unit of the engine is in the state failed."""
    failed = [name for name, unit in facts.units.items() if unit["ActiveState"] == "failed"]
    assert not failed, wanted("no failed unit", failed)


def _socket(facts: Facts) -> list[str]:
    assert facts["socket"].ok, wanted("/var/run/docker.sock", facts["socket"].last_line)
    return facts["socket"].text.strip().split("|")


def test_socket_mode(facts: Facts) -> None:
    """Only root and the socket's group may use the engine's socket."""
    kind, mode = _socket(facts)[:2]
    assert (kind, mode) == ("socket", "660"), wanted("a socket of mode 660", f"a {kind} of mode {mode}")


def test_socket_owner(facts: Facts) -> None:
    """The engine's socket belongs to root and the group docker."""
    owner = ":".join(_socket(facts)[2:])
    assert owner == "root:docker", wanted("root:docker", owner)


def test_engine_does_not_listen_on_tcp(facts: Facts) -> None:
    """The engine listens on no TCP port."""
    if not facts["listeners"].ok:
        pytest.skip("the host has no ss")
    lines = [line.split() for line in facts["listeners"].text.splitlines() if '("dockerd' in line]
    # A Swarm's own ports (cluster management, gossip) require certificates: they are not the open API.
    ports = [words[3] for words in lines if not (facts.is_swarm and re.search(r":(2377|7946)$", words[3]))]
    assert not ports, wanted("no TCP listener of dockerd", ports)


def test_no_tcp_socket_is_configured(facts: Facts) -> None:
    """Neither the command line nor daemon.json gives the engine a TCP socket."""
    hosts = (facts.daemon or {}).get("hosts") or []
    words = [*facts["arguments"].text.split(), *([hosts] if isinstance(hosts, str) else map(str, hosts))]
    found = [word for word in words if "tcp://" in word]
    assert not found, wanted("no tcp:// address", found)
