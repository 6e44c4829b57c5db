"""Run the bench: ``python -m bench --hosts 10``; prints the table, keeps the readings as JSON."""

import argparse
import json
import os
import platform
import signal
import sys
import time
from pathlib import Path
from typing import Any

from bench import contenders, table
from bench.contenders import ALL, FLOOR, PLAIN, PRODUCT, PYINFRA, Contender
from bench.gauge import Reading
from bench.place import HERE, REPOSITORY, Place, open_place, set_key
from provision.errors import ProvisionError
from provision.ssh import hostcode

RESULTS = HERE / "results"
SCENES = ("fresh", "noop", "change", "verify", "verify1", "noop7")
SETTLED = SCENES[1:-1]
# systemd refuses a fourth start of a unit within a minute; who measures restarts must not meet that.
PARDON = "systemctl reset-failed docker.service docker.socket 2>/dev/null; true"

MEMORY_ROUNDS = 3

Scenes = dict[str, dict[str, dict[str, Any]]]


def main() -> int:
    """Measure what was asked for, and print it; 0 also when a target is not met: the table says so."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that the lab goes
    scenes: Scenes = {}
    record: dict[str, Any] = {
        "hosts": asked.hosts,
        "containers": asked.containers,
        "started": time.strftime("%Y-%m-%d"),
        "machine": _machine(),
        "payload_bytes": len(hostcode.plain({}).stdin),
        "scenes": scenes,
        "stages": [],
    }
    try:
        _measure_all(asked, scenes, record["stages"])
    finally:  # what took minutes is kept, also of a run that was ended
        RESULTS.mkdir(exist_ok=True)
        kept = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}-{asked.hosts}.json"
        kept.write_text(json.dumps(record, indent=1) + "\n")
        _say(f"readings: {kept}")
    print(table.markdown(record))
    return 0


def _measure_all(asked: argparse.Namespace, scenes: Scenes, stages: list[Any]) -> None:
    root = Path(asked.place).absolute()
    if PYINFRA.name not in asked.without:
        contenders.install_pyinfra()
    if "fresh" in asked.scenes:
        _fresh(asked, root, scenes)
    if "noop7" in asked.scenes:
        _old(asked, root, scenes)
    if set(asked.scenes) & set(SETTLED):
        with open_place(asked.hosts, asked.subnet, root) as place:
            _settled(asked, place, scenes, stages)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--hosts", type=int, default=10, help="how many for all but the first provision")
    parser.add_argument("--fresh-hosts", type=int, default=5, help="how many for the first provision and el7")
    parser.add_argument("--rounds", type=int, help="of a no-op; default 5")
    parser.add_argument("--slow-rounds", type=int, help="of what takes minutes; default 3")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--containers", type=int, default=0, help="how many run on each settled host")
    parser.add_argument("--without", nargs="*", choices=["plain", "pyinfra"], default=[])
    parser.add_argument("--subnet", type=int, default=99, help="the lab's, 198.18.N.0/24")
    parser.add_argument("--place", default=".provision/bench", help="where the lab and the project are made")
    asked = parser.parse_args()
    asked.rounds = asked.rounds or 5
    asked.slow_rounds = asked.slow_rounds or 3
    return asked


def _fresh(asked: argparse.Namespace, root: Path, scenes: Scenes) -> None:
    """Measure first provisions, each on hosts that have just been made."""
    for number in range(asked.slow_rounds):
        for contender in _turn(asked, number):
            with open_place(asked.fresh_hosts, asked.subnet, root) as place:
                _keep(scenes, "fresh", contender, place, _measure(contender, place, "fresh"))


def _old(asked: argparse.Namespace, root: Path, scenes: Scenes) -> None:
    """Measure a no-op on hosts with yum and Python 2.7, for which the last two contenders are not written."""
    with open_place(asked.fresh_hosts, asked.subnet, root, "el7") as place:
        contenders.measure(PRODUCT, place, "fresh")
        place.on_each(f"cp {REPOSITORY} /root/repository-{PRODUCT.name}")
        for number in range(asked.rounds):
            for contender in (FLOOR, PRODUCT) if number % 2 else (PRODUCT, FLOOR):
                _one(contender, place, "noop7", number, scenes, [])


def _settled(asked: argparse.Namespace, place: Place, scenes: Scenes, stages: list[Any]) -> None:
    """Measure on hosts that are right, so that each contender finds its own work done."""
    _say("bringing the hosts to where every contender has nothing to do")
    contenders.bring(place)
    place.on_each(f"cp {REPOSITORY} /root/repository-{PRODUCT.name}")
    for contender in (PLAIN, PYINFRA):
        if contender.name not in asked.without:
            contenders.measure(contender, place, "fresh")
            place.on_each(f"cp {REPOSITORY} /root/repository-{contender.name}")
    if asked.containers:
        _say(f"starting {asked.containers} containers on each host")
        place.run_containers(asked.containers)
    for scene in [each for each in SETTLED if each in asked.scenes]:
        rounds = asked.rounds if scene == "noop" else asked.slow_rounds
        for number in range(rounds):
            for contender in _turn(asked, number):
                _one(contender, place, scene, number, scenes, stages)


def _one(
    contender: Contender, place: Place, scene: str, number: int, scenes: Scenes, stages: list[Any]
) -> None:
    if scene not in contender.scenes:
        return
    _prepare(contender, place, scene, number)
    used = place.hosts_cpu_s()
    reading = _measure(contender, place, scene)
    row = _keep(scenes, scene, contender, place, reading)
    if used is not None:
        row["hosts_cpu_s"].append(round((place.hosts_cpu_s() or 0.0) - used, 3))
    if contender is PRODUCT and scene == "noop":
        stages.append(_stages(place, reading))
    if number < MEMORY_ROUNDS:
        # Looking at memory takes time, so it gets runs of its own.
        _prepare(contender, place, scene, -1 - number)
        sampled, calls = contenders.ssh_calls(contender, place, scene)
        row["pss_mb"].append(sampled.pss_mb)
        row["calls"].append(calls / row["hosts"])


def _prepare(contender: Contender, place: Place, scene: str, number: int) -> None:
    """Write the repository file as this contender does; the rest is the same for all."""
    whose = contender.name if contender in (PLAIN, PYINFRA) else "ours"
    place.on_each(f"cp /root/repository-{whose} {REPOSITORY}; {PARDON}")
    if scene == "change":
        set_key(place, 4 + ALL.index(contender) + len(ALL) * (number + 1 + MEMORY_ROUNDS))


def _measure(contender: Contender, place: Place, scene: str) -> Reading:
    reading = contenders.measure(contender, place, scene)
    _say(f"{scene:8} {contender.name:6} {reading.wall_s:7.2f} s  CPU {reading.cpu_s:6.2f} s")
    return reading


def _keep(scenes: Scenes, scene: str, contender: Contender, place: Place, reading: Reading) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "hosts": _hosts(place, scene),
        "wall_s": [],
        "cpu_s": [],
        "hosts_cpu_s": [],
        "pss_mb": [],
        "calls": [],
    }
    row = scenes.setdefault(scene, {}).setdefault(contender.name, empty)
    row["wall_s"].append(round(reading.wall_s, 3))
    row["cpu_s"].append(round(reading.cpu_s, 3))
    return row


def _hosts(place: Place, scene: str) -> int:
    return 1 if scene == "verify1" else len(place.lab.hosts)


def _turn(asked: argparse.Namespace, number: int) -> list[Contender]:
    """Return the contenders in another order each round."""
    here = [each for each in ALL if each.name not in asked.without]
    return here[number % len(here) :] + here[: number % len(here)]


def _stages(place: Place, reading: Reading) -> dict[str, float]:
    report = json.loads((place.project / ".provision/latest/report.json").read_text())
    stages: dict[str, float] = report["stages"]
    return stages | {"start and report": reading.wall_s - report["seconds"]}


def _machine() -> str:
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if "model name" in line), ""
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Controller and stand-in hosts on one machine: {os.cpu_count()} x {cpu or platform.machine()}, "
        f"{memory:.0f} GB, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f} at the start."
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ProvisionError, RuntimeError, TimeoutError) as problem:
        sys.exit(f"bench: {problem}")
