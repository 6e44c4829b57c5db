"""One bridge per lab; nothing is routed or translated, so firewall rules and sysctls do not change."""

import json
from contextlib import suppress
from pathlib import Path

from provision.errors import LabError
from provision.lab.command import run
from provision.lab.record import Lab, bridge


def up(lab: Lab) -> None:
    """Create the lab's bridge with the gateway's address."""
    run("ip", "link", "add", "name", lab.bridge, "type", "bridge")
    run("ip", "link", "set", lab.bridge, "alias", lab.directory)
    run("ip", "address", "add", f"{lab.gateway}/24", "dev", lab.bridge)
    run("ip", "link", "set", lab.bridge, "up")


def down(directory: Path) -> None:
    """Remove the bridge of the lab in ``directory``, if any; that of another lab of the same name stays."""
    for link in links():
        # An interrupted up may have left it without its alias.
        if link["ifname"] == bridge(directory.name) and link.get("ifalias") in (None, str(directory)):
            run("ip", "link", "delete", bridge(directory.name))


def port(machine: str) -> str:
    """Return nspawn's name of a container's port on the bridge."""
    return f"vb-{machine}"


def drop_port(machine: str) -> None:
    """Remove the bridge port of a stopped container.

    The kernel removes it some time after the last process; until then a new container cannot start.
    """
    with suppress(LabError):
        run("ip", "link", "delete", port(machine))


def links() -> list[dict[str, object]]:
    """Return this machine's bridges as ``ip`` describes them."""
    found: list[dict[str, object]] = json.loads(run("ip", "-json", "link", "show", "type", "bridge") or "[]")
    return [link for link in found if link]


def refuse_taken(lab: Lab) -> None:
    """Raise LabError when the lab's name or its subnet are in use on this machine."""
    taken = [link for link in links() if link["ifname"] == lab.bridge]
    if taken:
        where = taken[0].get("ifalias", "an unknown directory")
        raise LabError(f"another lab called {lab.name} is up, kept in {where}", "run `fab lab.down` there")
    if f" {lab.gateway}/" in run("ip", "-o", "-4", "address"):
        raise LabError(f"the subnet of {lab.gateway} is in use", "`fab lab.down` where that lab is kept")


def free_subnet() -> int:
    """Return the lowest N such that this machine has no lab on 198.18.N.0/24."""
    there = run("ip", "-o", "-4", "address")
    return next(number for number in range(256) if f" 198.18.{number}.1/" not in there)


def inside(leader: int, *argv: str, stdin: str = "") -> str:
    """Run a program of this machine in the network namespace of ``leader``."""
    return run("nsenter", "--target", str(leader), "--net", *argv, stdin=stdin)
