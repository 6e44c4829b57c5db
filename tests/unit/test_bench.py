"""What the bench makes of its readings, and how it takes them."""

import os
import sys
from pathlib import Path
from typing import Any

from bench import gauge, table


def row(wall: float, cpu: float, hosts: int = 10) -> dict[str, Any]:
    return {
        "hosts": hosts, "wall_s": [wall], "cpu_s": [cpu], "hosts_cpu_s": [hosts * 0.2], "pss_mb": [150.0],
        "calls": [2.0],
    }  # fmt: skip


def record(ours_s: float) -> dict[str, Any]:
    rows = {"floor": row(1.0, 1.0), "ours": row(ours_s, 1.4), "plain": row(30.0, 15.0)}
    stages = [{"read": 0.5, "converge": ours_s - 0.5}]
    return {
        "hosts": 10, "started": "", "machine": "", "payload_bytes": 30 << 10,
        "scenes": {"noop": rows}, "stages": stages,
    }  # fmt: skip


def verdicts(ours_s: float) -> dict[str, bool]:
    return {target.name: target.is_met for target in table.targets(record(ours_s))}


def test_a_no_op_that_costs_a_second_more_on_each_host_is_not_met() -> None:
    assert all(verdicts(2.5).values())
    late = verdicts(3.5)
    assert not late["no-op ≤ 1.2 s + 1.4 x floor"]
    assert not late["no-op, plain role's wall ÷ ours"]
    assert "| no-op ≤ 1.2 s + 1.4 x floor | 3.50 s | ≤ 2.60 s | **not met** |" in table.markdown(record(3.5))


def test_ratios_are_to_the_floor_of_the_same_scene() -> None:
    line = "| no-op | 10 | ours | 3.20 (3.20 to 3.20) | 3.20 | 0.140 | 1.40 | 0.20 | 150 | 2.0 |"
    assert line in table.markdown(record(3.2))


def test_of_verify_only_what_each_further_host_adds_is_compared() -> None:
    one = {"floor": row(1.0, 1.0, 1), "ours": row(4.0, 1.0, 1)}
    ten = {"floor": row(10.0, 1.0), "ours": row(13.9, 1.0)}
    found = record(2.5) | {"scenes": {"verify1": one, "verify": ten}}
    (further,) = (each for each in table.targets(found) if each.name.startswith("verify"))
    assert (further.is_met, round(further.figure, 2)) == (True, 1.1)


def read(script: str, log: Path, *, sample: bool = False) -> gauge.Reading:
    return gauge.read(
        ["sh", "-c", script], cwd=log.parent, env=dict(os.environ), log=log, sample=sample, limit_s=20
    )


def test_a_process_that_stays_behind_is_counted_and_ended(tmp_path: Path) -> None:
    left = tmp_path / "left"
    spin = "import os, time; print(os.getpid(), flush=True)\nwhile time.process_time() < 0.3: pass"
    spin += "\nprint(0, flush=True)\ntime.sleep(60)"
    spun = f"until [ $(wc -l <{left}) = 2 ]; do sleep 0.05; done"
    reading = read(f'{sys.executable} -c "{spin}" >{left} & {spun}', tmp_path / "log")
    assert (reading.rc, reading.cpu_s > 0.25, reading.wall_s < 10) == (0, True, True)
    assert not Path(f"/proc/{left.read_text().split()[0]}").exists()


def test_memory_is_that_of_all_processes(tmp_path: Path) -> None:
    hold = f"{sys.executable} -c 'import time; held = bytearray(30 << 20); time.sleep(1.5)'"
    reading = read(f"{hold} & {hold}; wait", tmp_path / "log", sample=True)
    assert 60 < reading.pss_mb < 120
