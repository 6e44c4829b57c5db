"""The options that several commands share: their help, and their values."""

import math
import re
from typing import Any

from provision.errors import UsageError
from provision.workflows.project import whole_number

LIMIT = {"limit": "only these hosts or groups, an Ansible pattern"}
VIA = {"via": "public or private: which address of each host is used"}
HOSTS = {"hosts": "web1, web1,web2, a group, or all"} | VIA
LOCK = {"lock-timeout": "seconds to wait while another run is at work on a host (default: 30)"}
DISRUPT = {
    "allow-disruption": "do not ask before what runs on a host is stopped or restarted",
    "serial": "how many hosts are disrupted at a time (default: 1); a failure ends it",
}
AGREE = {"plan": "only show what would be done", "yes": "do not ask; needed without a terminal"}


def serial_of(text: str) -> int:
    """Return --serial, how many hosts are disrupted at a time; raises UsageError for less than 1."""
    number = whole_number("serial", text) if text else 1
    if number < 1:
        raise UsageError("--serial 0 would disrupt no host", "write --serial 1 or more")
    return number


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
