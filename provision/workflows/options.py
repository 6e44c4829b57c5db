"""The values of options that several commands share."""

import math
import re
from pathlib import Path
from typing import Any

from provision import bundle
from provision.bundle import Bundle
from provision.errors import UsageError
from provision.run.consent import Pace
from provision.workflows.project import whole_number


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


def bundle_of(file: str) -> Bundle | None:
    """Return the bundle of --bundle, if it was given; raises UsageError unless every byte of it is right."""
    return bundle.read(Path(file).expanduser()) if file else None


def lock_values(lock_timeout: str) -> dict[str, Any]:
    """Return the role's value for --lock-timeout, if it was given."""
    return {"lock_timeout": whole_number("lock-timeout", lock_timeout)} if lock_timeout else {}


def eol_values(accept_eol: bool) -> dict[str, Any]:
    """Return the role's value for --accept-eol, if it was given."""
    return {"accept_eol": True} if accept_eol else {}


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
