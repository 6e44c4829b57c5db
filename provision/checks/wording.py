"""The wording of checks that have not passed."""

from typing import NoReturn

import pytest

from provision.checks.facts import OPTIONS, Facts


class Advice(pytest.skip.Exception):  # type: ignore[name-defined, misc]
    """A recommended setting is off on this host, which is not a failure."""


def judge_off(facts: Facts, key: str, effect: str) -> NoReturn:
    """End the check of a recommended ``key`` that is off: failed where somebody wants it on."""
    who, on = facts.decision(key)
    assert not on, f"want {key} on ({who}), is off"
    advise(f"{key} is off", effect, who)


def judge_unrotated(facts: Facts, log: str, effect: str) -> NoReturn:
    """End the check of a ``log`` in json-file without a size: failed where somebody wants it rotated."""
    want = facts.wanted_rotation
    assert not want, f"want {want}, is json-file without a max-size"
    advise(f"{log} not rotated", effect, facts.who_declined_rotation)


def advise(state: str, effect: str, who: str) -> NoReturn:
    """End the check with advice: the state, who decided it, if anybody did, and its effect."""
    if not who:
        raise Advice(f"{state}; {effect}; {OPTIONS} sets what is recommended")
    why = f" by choice ({OPTIONS})" if who == OPTIONS else f": {who} says so"
    raise Advice(f"{state}{why}; {effect}")


def wanted(want: object, found: object) -> str:
    """Return ``want …, is …`` for two values as a person writes them."""
    return f"want {_text(want)}, is {_text(found)}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple, set, frozenset)):
        return " ".join(str(item) for item in value) or "none"
    return "none" if value is None or value == "" else str(value)
