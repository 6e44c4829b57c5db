"""The options that several commands share: their help, and their values."""

import math
import re
from typing import Any

from provision.errors import UsageError
from provision.run.consent import Pace
from provision.workflows.project import whole_number

LIMIT = {"limit": "only these hosts or groups, an Ansible pattern"}
VIA = {"via": "public or private: which address of each host is used"}
HOSTS = {"hosts": "web1, web1,web2, a group, or all"} | VIA
LOCK = {"lock-timeout": "seconds to wait while another run is at work on a host (default: 30)"}
DISRUPT = {
    "allow-disruption": "do not ask before what runs on a host is stopped or restarted",
    "serial": "how many hosts are disrupted at a time (default: 1)",
    "max-fail": "disrupt no further host after N failures, or after N% of these hosts failed (default: 1)",
}
AGREE = {"plan": "only show what would be done", "yes": "do not ask; needed without a terminal"}


def pace_of(serial: str, max_fail: str) -> Pace:
    """Return --serial and --max-fail; raises UsageError for less than 1, and for more than 100 %."""
    pace = Pace(
        whole_number("serial", serial) if serial else 1,
        whole_number("max-fail", max_fail.removesuffix("%")) if max_fail else 1,
        max_fail.endswith("%"),
    )
    if pace.serial < 1:
        raise UsageError("--serial 0 would disrupt no host", "write --serial 1 or more")
    if pace.max_fail < 1 or (pace.percent and pace.max_fail > 100):
        raise UsageError(f"--max-fail {max_fail} is not possible", "write --max-fail 2, or --max-fail 10%")
    return pace


def lock_values(lock_timeout: str) -> dict[str, Any]:
    """Return the role's value for --lock-timeout, if it was given."""
    return {"lock_timeout": whole_number("lock-timeout", lock_timeout)} if lock_timeout else {}


def tolerated(word: str) -> float | None:
    """Return --tolerate as the number of unreachable hosts that do not count in the exit code.

    ``math.inf`` is any number, None none. Raises UsageError for another word.
    """
    if not word:
        return None
    found = re.fullmatch(r"unreachable(?:=([0-9]{1,5}))?", word)
    if not found:
        raise UsageError(f"--tolerate {word} is not known", "write --tolerate unreachable, or unreachable=2")
    return float(found.group(1)) if found.group(1) else math.inf
