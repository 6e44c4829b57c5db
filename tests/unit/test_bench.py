"""What the bench makes of its readings, and how it takes them."""

import os
import sys
from pathlib import Path
from typing import Any

from bench import gauge, table


def row(wall: float, cpu: float, hosts: int = 10) -> dict[str, Any]:
    return {"hosts": hosts, "wall_s": [wall], "cpu_s": [cpu], "pss_mb": [150.0], "calls": [2.0]}


def record(ours_s: float) -> dict[str, Any]:
    rows = {"floor": row(1.0, 1.0), "ours": row(ours_s, 1.4), "plain": row(30.0, 12.0)}
    stages = [{"read": 0.5, "converge": ours_s - 0.5}]
    return {
        "hosts": 10, "started": "", "machine": "", "payload_bytes": 30 << 10,
        "scenes": {"noop": rows}, "stages": stages,
    }  # fmt: skip


def verdicts(ours_s: float) -> dict[str, bool]:
    return {target.name: target.is_met for target in table.targets(record(ours_s))}


def test_a_no_op_that_costs_a_second_more_on_each_host_is_not_met() -> None:
    assert all(verdicts(3.2).values())
    late = verdicts(4.2)
    assert not late["no-op ≤ 1.5 s + 1.8 x floor"]
    assert not late["no-op, plain role's wall ÷ ours"]
    assert "| no-op ≤ 1.5 s + 1.8 x floor | 4.20 s | ≤ 3.30 s | **not met** |" in table.markdown(record(4.2))


def test_ratios_are_to_the_floor_of_the_same_scene() -> None:
    assert "| no-op | 10 | ours | 3.20 (3.20 to 3.20) | 3.20 | 0.140 | 1.40 | 150 | 2.0 |" in table.markdown(
        record(3.2)
    )


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
