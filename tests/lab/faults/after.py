"""What must hold on host and controller when a fault is over and one run without faults has ended."""

import json
import time
from pathlib import Path
from typing import Any

from provision.lab import processes
from tests.lab.faults import ground
from tests.lab.faults.site import POLL_S, Site

# Processes of a run that was ended may take a moment to go.
GONE_LIMIT_S = 10.0
OURS = "docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin"
# Mounts of containers come and go with them.
_MOUNTS = "awk '{print $2}' /proc/self/mounts | grep -vE '^/(var/lib|run)/(docker|containerd)'; true"
# Each line that it prints is something that is left, or is only half there.
_LOOK = f"""\
[ ! -e /run/provision.lock ] || flock -n /run/provision.lock true || echo lock /run/provision.lock is held
find / -xdev \\( -name '.provision-*' -o -name '*;[0-9a-f]???????' \\) | sed 's/^/half a file: /'
ls -d /var/tmp/provision-* /tmp/provision-* /run/provision-* 2> /dev/null | sed 's/^/left /'
for run in /var/lib/provision/*/; do
    [ -s "$run/journal" ] || echo "run $run has no journal"
    [ -s "$run/result" ] || echo "run $run has no result"
done
rpm -qa --qf '%{{NAME}}\\n' | grep -v gpg-pubkey | sort | uniq -d | sed 's/^/twice in the rpm database: /'
rpm -V {OURS} | sed 's/^/rpm -V: /'
"""
# What a run may change, and must give back when it says that it has undone it.
_SNAPSHOT = f"""\
rpm -qa {OURS} gpg-pubkey | sort
cd /etc && sha256sum docker/daemon.json yum.repos.d/* pki/rpm-gpg/* /var/lib/provision/*.json 2> /dev/null
systemctl is-enabled docker.service; systemctl is-active docker.service; true
"""
AS_BEFORE = ("undone", "nothing was changed")


def mounts(site: Site) -> frozenset[str]:
    """Return the mount points of the host, without those of containers."""
    return frozenset(site.inside(_MOUNTS).splitlines())


def problems(site: Site, planted: dict[str, ground.State], mounted: frozenset[str]) -> list[str]:
    """Return all problems; ``planted`` and ``mounted`` are the state before the fault."""
    found = [*site.inside(_LOOK).splitlines(), *ground.check(site, planted)]
    found += [f"mounted or no longer: {point}" for point in mounts(site) ^ mounted]
    found += _half_records(site.host.directory / "root/var/lib/provision")
    if not ground.keeper_runs(site):
        found.append("the container that ran before does not run")
    return found + _left_on_host(site) + _left_on_controller(site)


def snapshot(site: Site) -> list[str]:
    """Return the parts of the host that a run may change, one line each."""
    return site.inside(_SNAPSHOT).splitlines()


def undone(site: Site, before: list[str]) -> list[str]:
    """Return what differs from ``before``, although the run on the host reports that it was undone."""
    states = [str((site.result(run).get("error") or {}).get("state", "")) for run in site.new_runs()]
    if len(states) != 1 or not states[0].startswith(AS_BEFORE):
        return []
    now = snapshot(site)
    return [f"{states[0]}, but: {line}" for line in sorted(set(before) ^ set(now))]


def untold(site: Site, runs: set[str]) -> list[str]:
    """Return those of ``runs``, which no controller has acknowledged, that the next run did not report."""
    told = {run["run"] for run in (site.report() or {}).get("earlier", ())}
    return [f"run {run} was never told of" for run in sorted(runs - told)]


def further(site: Site, report: dict[str, Any]) -> list[str]:
    """Return the problems of a run that should have nothing to do, and should prove everything."""
    wrong = [
        f"check: {check['name']}: {check['detail']}" for check in report["checks"] if check["passed"] is False
    ]
    if report["changes"]:
        wrong.append("a further run changed " + ", ".join(change["name"] for change in report["changes"]))
    return (
        wrong if report["status"] == "ok" else [*wrong, f"a further run: {report['status']} {site.error()}"]
    )


def _half_records(records: Path) -> list[str]:
    found = []
    for file in (*records.glob("*/result"), *records.glob("*.json")):
        try:
            json.loads(file.read_text())
        except ValueError:
            found.append(f"half a file: {file.name} of {file.parent.name}")
    return found


def _left_on_host(site: Site) -> list[str]:
    left = _last(lambda: [" ".join(process.words)[:80] for process in site.host_code()])
    return [f"process in the host: {words}" for words in left]


def _left_on_controller(site: Site) -> list[str]:
    runs = [f"left by a run: {path.name}" for path in site.runtime.iterdir()]
    left = _last(lambda: _running((str(site.project.path), str(site.runtime))))
    return runs + [f"process on the controller: {words[:80]}" for words in left]


def _running(places: tuple[str, ...]) -> list[str]:
    lines = (" ".join(words) for _, words in processes.command_lines())
    return [words for words in lines if any(place in words for place in places)]


def _last(look: Any) -> list[str]:
    """Return what ``look`` still finds after GONE_LIMIT_S."""
    until = time.monotonic() + GONE_LIMIT_S
    while (found := look()) and time.monotonic() < until:
        time.sleep(POLL_S)
    return list(found)
