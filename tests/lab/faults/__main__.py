"""Run the fault harness: ``python -m tests.lab.faults --runs 200 --seed 1``."""

import argparse
import json
import signal
import sys
import time
from pathlib import Path

from provision import lab as labs
from tests.lab.faults import harden, lived_in, plan, run, table
from tests.lab.faults.table import Result

STATE = Path(".provision/chaos")
# Three at once keep two cores busy: a fault is waited for more than it is worked at.
HOSTS = {"provision": 3, "harden": 3, "lived-in": 4}
PLAYERS = {"provision": (plan.draw, run.play_all), "harden": (harden.draw, harden.play_all),
           "lived-in": (lived_in.draw, lived_in.play_all)}  # fmt: skip


def main() -> int:
    """Play the requested faults and print the table; return 0 when every host recovered from every fault."""
    asked = _arguments()
    draw, play_all = PLAYERS[asked.work]
    faults = draw(asked.runs, asked.seed, asked.hosts)
    if asked.list:
        print("\n".join(map(str, faults)))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that the lab goes
    place = (STATE / f"{time.strftime('%Y%m%d-%H%M%S')}-{asked.seed}").absolute()
    place.mkdir(parents=True)
    started = time.monotonic()
    subnet = labs.free_subnet() if asked.subnet is None else asked.subnet
    with run.open_lab(f"cha{subnet}", asked.hosts, subnet, STATE, asked.profile) as lab:
        results = play_all(lab, faults, place, lambda result: _tell(result, place / "faults.jsonl"))
    text = table.markdown(results)
    (place / "table.md").write_text(text)
    print(
        f"{text}\nseed {asked.seed}, {len(results)} faults, {(time.monotonic() - started) / 60:.0f} minutes"
    )
    return int(any(result.problems for result in results))


def _tell(result: Result, file: Path) -> None:
    with file.open("a") as lines:
        lines.write(json.dumps(result.record()) + "\n")
    timing = f"{result.seconds:5.1f} s, recovered in {result.recover_s:.1f} s"
    print(
        f"{result.fault}: {result.ended}, {timing}", *result.problems, sep="\n  ", file=sys.stderr, flush=True
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=30, help="how many faults")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same faults")
    parser.add_argument("--hosts", type=int, help="how many hosts, each broken by itself")
    parser.add_argument("--subnet", type=int, help="the lab's, 198.18.N.0/24; else a free one")
    parser.add_argument("--work", choices=tuple(PLAYERS), default="provision", help="what is broken")
    parser.add_argument("--profile", default="el10", help="what the hosts are dressed as")
    parser.add_argument("--list", action="store_true", help="print the faults and break nothing")
    asked = parser.parse_args()
    asked.hosts = asked.hosts or HOSTS[asked.work]
    return asked


if __name__ == "__main__":
    sys.exit(main())
