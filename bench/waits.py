"""Hosts that wait for their repository: ``python -m bench.waits --hosts 20``.

Each answer of the repository comes late. With all packages there, a run that looks for newer ones does little
but wait. Wanted: many hosts take at most 1.3 times as long as one.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import yaml

from bench import contenders, gauge
from bench.contenders import PLAIN, PRODUCT, Contender
from bench.place import REPOSITORY, Place, open_place
from provision.lab import packages

# dnf asks two repositories for two files each, one after the other: 20 s. It gives up a server that is silent
# for 10 s.
DELAY_S = 5.0
WANTED = 1.3
MORE = {PRODUCT: [], PLAIN: ["-e", "docker_state=latest"]}
SECOND = """\
printf '[second]\nname=second\nbaseurl=%s\ngpgcheck=0\n' "$(sed -n 's/^baseurl *= *//p' {repository})" \
    > /etc/yum.repos.d/second.repo
"""
FORGET = "rm -rf /var/cache/dnf /var/cache/libdnf5"
HEADS = ("contender", "1 host, s (min to max)", "all hosts, s (min to max)", "all ÷ 1 host")


class Late(SimpleHTTPRequestHandler):
    """Answers each request ``delay_s`` seconds late."""

    delay_s = 0.0

    def do_GET(self) -> None:
        """Wait, and answer."""
        time.sleep(Late.delay_s)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Has room for the requests of all hosts at once."""

    request_queue_size = 256
    daemon_threads = True


def main() -> int:
    """Print one row for each contender; 0 also when the target is not met: the last line says so."""
    parser = argparse.ArgumentParser(prog="python -m bench.waits", description=__doc__)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--subnet", type=int, default=96, help="the lab's, 198.18.N.0/24")
    parser.add_argument("--place", default=".provision/waits", help="where the lab and the project are made")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that the lab goes
    print(f"Four answers of the repositories come {DELAY_S} s late each; {asked.hosts} hosts.\n")
    print("| " + " | ".join(HEADS) + " |\n" + "|---" * len(HEADS) + "|", flush=True)
    with open_place(asked.hosts, asked.subnet, Path(asked.place).absolute()) as place, late(place):
        settle(place)
        ratios = {each.name: measured(each, place, asked.rounds) for each in (PRODUCT, PLAIN)}
    verdict = "met" if ratios[PRODUCT.name] <= WANTED else "**not met**"
    print(f"\nours ≤ {WANTED} x one host: {ratios[PRODUCT.name]:.2f}, {verdict}")
    return 0


@contextmanager
def late(place: Place) -> Iterator[None]:
    """Serve the lab's packages once more, late, and make that everybody's mirror."""
    handler = partial(Late, directory=str(place.lab.directory / packages.SERVED))
    with Server((place.lab.gateway, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirror = f"http://{place.lab.gateway}:{server.server_port}"
        ours = place.project / ".provision/lab/inventory.yml"
        for file in (ours, place.plain / "inventory.yml"):
            file.write_text(file.read_text().replace(place.lab.repo_url, mirror))
        wanted = yaml.safe_load(ours.read_text())
        wanted["all"]["vars"]["docker_engine_upgrade"] = True
        ours.write_text(yaml.safe_dump(wanted))
        try:
            yield
        finally:
            server.shutdown()


def settle(place: Place) -> None:
    """Bring the hosts to where each contender has nothing to do; the server is quick meanwhile."""
    for contender in MORE:
        contenders.measure(contender, place, "fresh")
        place.on_each(f"cp {REPOSITORY} /root/repository-{contender.name}")
    place.on_each(SECOND.format(repository=REPOSITORY))
    Late.delay_s = DELAY_S


def measured(contender: Contender, place: Place, rounds: int) -> float:
    """Print the row of ``contender``, and return how many times as long all hosts take as one."""
    walls: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds):
        for single, found in walls.items():
            place.on_each(f"{FORGET}; cp /root/repository-{contender.name} {REPOSITORY}")
            found.append(_seconds(contender, place, single))
    one, every = (median(walls[single]) for single in (True, False))
    cells = [f"{median(each):.1f} ({min(each):.1f} to {max(each):.1f})" for each in walls.values()]
    print("| " + " | ".join([contender.name, *cells, f"{every / one:.2f}"]) + " |", flush=True)
    return every / one


def _seconds(contender: Contender, place: Place, single: bool) -> float:
    argv = contender.argv(place, "noop") + MORE[contender] + (["--limit", "el1"] if single else [])
    log = place.project / f"{contender.name}-waits.log"
    environment = contenders.environment(place)
    reading = gauge.read(argv, cwd=place.project, env=environment, log=log, sample=False, limit_s=1800)
    if reading.rc:
        raise RuntimeError(f"{contender.name} failed with {reading.rc}:\n{log.read_text()[-2000:]}")
    return reading.wall_s


if __name__ == "__main__":
    sys.exit(main())
