"""More hosts than a process has files or cores for: simulated ones, so nothing is said of work on hosts."""

from pathlib import Path

from bench import crowd
from bench.place import open_place
from provision import lab as labs

HOSTS = 300


def test_a_crowd_of_hosts_is_slow_and_never_unreachable(tmp_path: Path) -> None:
    with open_place(1, labs.free_subnet(), tmp_path / "crowd") as place:
        crowd.simulate(place, HOSTS)
        reading, results = crowd.measure(place)
    assert results == {"ok": HOSTS}
    assert reading.pss_mb - reading.masters_mb < 120 + 1.5 * HOSTS
