"""Thousands of simulated hosts: ``python -m bench.crowd 250 500 1000 2000``.

One stand-in host's sshd answers under all their names, and a stub answers in place of the host code. So this
measures the controller alone: connections, shards, ledger, report. It says nothing about work on hosts.
"""

import argparse
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from bench import contenders, gauge
from bench.contenders import PRODUCT
from bench.place import Place, open_place
from provision import credentials, lab
from provision.credentials import Kind, Owner
from provision.workflows.project import Flags, settings

ANSWER = {
    "changed": False, "changes": [], "consent": None, "containers": None, "earlier": [], "error": None,
    "installed": False, "system": "simulated", "undone": [], "waited": [],
}  # fmt: skip
# Only the command that keeps a master open is run; the rest gets the answer of a host that is right.
STUB = """\
#!/bin/sh
case $SSH_ORIGINAL_COMMAND in *'exec cat'*) exec sh -c "$SSH_ORIGINAL_COMMAND" ;; esac
cat > /dev/null
echo '{answer}'
"""
SSHD = "MaxStartups 1000\nMaxSessions 100\nForceCommand /root/stub\n"
INSTALL = """\
cat > /root/stub; chmod 755 /root/stub
printf '{sshd}' > /etc/ssh/sshd_config.d/00-crowd.conf
systemctl reload sshd
"""
HEADS = ("hosts", "wall s", "CPU s a host", "own peak PSS MB", "of the ssh masters, MB", "results")


def main() -> int:
    """Print one row for each number of hosts; 1 when a host had no result."""
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description=__doc__)
    parser.add_argument("hosts", type=int, nargs="+")
    parser.add_argument("--subnet", type=int, default=97, help="the lab's, 198.18.N.0/24")
    parser.add_argument("--place", default=".provision/crowd", help="where the lab and the project are made")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that the lab goes
    print("| " + " | ".join(HEADS) + " |\n" + "|---" * len(HEADS) + "|", flush=True)
    complete = True
    with open_place(1, asked.subnet, Path(asked.place).absolute()) as place:
        for count in asked.hosts:
            names = simulate(place, count)
            reading, results = measure(place)
            complete = complete and results == {"ok": names}
            print(_row(count, reading, results), flush=True)
    return 0 if complete else 1


def simulate(place: Place, count: int) -> int:
    """Let the one host of ``place`` answer under ``count`` names; return their number."""
    (host,) = place.lab.hosts
    stub = STUB.format(answer=json.dumps(ANSWER, sort_keys=True))
    script = INSTALL.format(sshd=SSHD.replace("\n", "\\n"))
    lab.execute(host, "sh", "-c", script, stdin=stub.encode()).check_returncode()
    project = settings(Flags(), place.project)
    assert host.password
    credentials.store(project, Owner.everyone(), Kind.PASSWORD, host.password)
    names = [f"sim{number}" for number in range(1, count + 1)]
    inventory = {"all": {"hosts": {key: {"ansible_host": host.address} for key in names}}}
    project.inventory[0].write_text(json.dumps(inventory))
    kind, key = host.host_key.split()[:2]
    project.pins.write_text("".join(f"{name} {kind} {key} trust=lab\n" for name in names))
    return count


def measure(place: Place) -> tuple[gauge.Reading, dict[str, int]]:
    """Run `fab provision --no-verify` once, and return what it cost and how many hosts ended how."""
    argv = PRODUCT.argv(place, "noop")
    assert argv
    environment, log = contenders.environment(place), place.project / "crowd.log"
    reading = gauge.read(argv, cwd=place.project, env=environment, log=log, sample=True, limit_s=1800)
    report: dict[str, Any] = json.loads((place.project / ".provision/latest/report.json").read_text())
    return reading, dict(Counter(host["status"] for host in report["hosts"]))


def _row(count: int, reading: gauge.Reading, results: dict[str, int]) -> str:
    own = reading.pss_mb - reading.masters_mb
    told = ", ".join(f"{number} {status}" for status, number in results.items())
    cells = (count, f"{reading.wall_s:.1f}", f"{reading.cpu_s / count:.3f}", f"{own:.0f}",
             f"{reading.masters_mb:.0f}", told)  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.exit(main())
