"""From readings to a table: medians with spread, ratios to the floor, and the targets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

TITLES = {
    "fresh": "first provision",
    "noop": "no-op",
    "noop7": "no-op, el7: yum and Python 2.7",
    "change": "one daemon.json key",
    "verify": "verify",
    "verify1": "verify, 1 host",
}
NAMES = {"floor": "floor", "ours": "ours", "plain": "plain role", "pyinfra": "pyinfra"}
HEADS = (
    "scene", "hosts", "contender", "wall s (min to max)", "x floor", "CPU s a host", "x floor",
    "hosts' CPU s each", "peak PSS MB", "ssh calls a host",
)  # fmt: skip
KIB = 1024
# With fewer hosts, what each further one adds to verify is lost in the spread.
ENOUGH = 5
# With so many hosts, the fixed start weighs little.
MANY = 50

# One scene of one contender: {"wall_s": [...], "cpu_s": [...], "pss_mb": [...], "calls": [...], "hosts": n}
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One promise: its ``figure``, the ``limit`` that it must not pass (or reach, if ``at_least``)."""

    name: str
    figure: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the target is met."""
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit


def markdown(record: Mapping[str, Any]) -> str:
    """Return the whole result as Markdown: machine, readings, targets, and where a no-op's time goes."""
    return "\n".join([
        f"{record['hosts']} hosts{_containers(record)}, {record['started']}. {record['machine']}", "",
        *_readings(record["scenes"]), "", *_targets(targets(record)), "", *_profile(record),
    ]) + "\n"  # fmt: skip


def _containers(record: Mapping[str, Any]) -> str:
    count = record.get("containers", 0)
    return f" with {count} running containers each" if count else ""


def _readings(scenes: Mapping[str, Mapping[str, Row]]) -> Iterator[str]:
    yield "| " + " | ".join(HEADS) + " |"
    yield "|---" * len(HEADS) + "|"
    for scene, rows in scenes.items():
        for name, row in rows.items():
            yield _reading(scene, name, row, rows.get("floor"))


def _reading(scene: str, name: str, row: Row, floor: Row | None) -> str:
    walls = row["wall_s"]
    cells = [
        TITLES[scene], row["hosts"], NAMES[name],
        f"{median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f})", _times(row, floor, "wall_s"),
        f"{cpu(row):.3f}", _times(row, floor, "cpu_s"),
        _middle(row.get("hosts_cpu_s", []), row["hosts"]), _most(row["pss_mb"], 0), _most(row["calls"], 1),
    ]  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def _middle(values: list[float], hosts: int) -> str:
    return f"{median(values) / hosts:.2f}" if values else ""


def _most(values: list[float], digits: int) -> str:
    return f"{max(values):.{digits}f}" if values else ""


def _times(row: Row, floor: Row | None, what: str) -> str:
    return f"{median(row[what]) / median(floor[what]):.2f}" if floor else ""


def cpu(row: Row) -> float:
    """Return the controller's CPU seconds per host."""
    return float(median(row["cpu_s"])) / int(row["hosts"])


def targets(record: Mapping[str, Any]) -> list[Target]:
    """Return every target that the readings can judge."""
    scenes, hosts = record["scenes"], record["hosts"]
    found = [Target("payload", record["payload_bytes"] / KIB, 128, "KiB")]
    if "noop" in scenes:
        found += _noop(scenes["noop"], hosts)
    if "fresh" in scenes:
        floor, ours = (median(scenes["fresh"][name]["wall_s"]) for name in ("floor", "ours"))
        found.append(Target("first provision ≤ 1.2 x floor", ours / floor, 1.2, "x"))
    if "verify" in scenes and "verify1" in scenes and hosts >= ENOUGH:
        ours, floor = (_each_further(scenes, name, hosts) for name in ("ours", "floor"))
        found.append(Target("verify, each further host ≤ 1.1 x floor", ours / floor, 1.1, "x"))
    peaks = [mb for rows in scenes.values() for mb in rows.get("ours", {}).get("pss_mb", ())]
    if peaks:
        found.append(Target("peak memory ≤ 120 MB + 8 MB a host", max(peaks), 120 + 8 * hosts, "MB"))
    return found


def _each_further(scenes: Mapping[str, Mapping[str, Row]], name: str, hosts: int) -> float:
    many, one = (median(scenes[scene][name]["wall_s"]) for scene in ("verify", "verify1"))
    return float(many - one) / (hosts - 1)


def _noop(rows: Mapping[str, Row], hosts: int) -> list[Target]:
    floor, ours = rows["floor"], rows["ours"]
    times = 1.3 if hosts >= MANY else 1.4
    limit = 1.2 + times * median(floor["wall_s"])
    found = [Target(f"no-op ≤ 1.2 s + {times} x floor", median(ours["wall_s"]), limit, "s")]
    if plain := rows.get("plain"):
        wall = median(plain["wall_s"]) / median(ours["wall_s"])
        found.append(Target("no-op, plain role's wall ÷ ours", wall, 10, "x", at_least=True))
        found.append(Target("no-op, plain role's CPU ÷ ours", cpu(plain) / cpu(ours), 10, "x", at_least=True))
    return found


def _targets(found: list[Target]) -> Iterator[str]:
    yield "| target | is | wanted | |"
    yield "|---|---|---|---|"
    for target in found:
        sign = "≥" if target.at_least else "≤"
        verdict = "met" if target.is_met else "**not met**"
        wanted = f"{sign} {target.limit:.2f} {target.unit}"
        yield f"| {target.name} | {target.figure:.2f} {target.unit} | {wanted} | {verdict} |"


def _profile(record: Mapping[str, Any]) -> Iterator[str]:
    stages: list[Mapping[str, float]] = record.get("stages", [])
    if not stages:
        return
    yield "| our no-op, stage (from connect on they overlap) | median s |"
    yield "|---|---|"
    for stage in stages[0]:
        yield f"| {stage} | {median(run[stage] for run in stages):.2f} |"
