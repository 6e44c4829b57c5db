"""The forms in which a check speaks that has not simply passed."""

from typing import NoReturn

import pytest


class Advice(pytest.skip.Exception):  # type: ignore[name-defined, misc]
    """What is recommended is decided otherwise on this host; nothing is wrong with it."""


OPTION = "docker_engine_daemon_options"


def advise(reason: str, effect: str, option: str = OPTION) -> NoReturn:
    """End the check with an advice: what is so, the option that decides it, and what follows from it."""
    raise Advice(f"{reason} by choice ({option}); {effect}")


def wanted(want: object, found: object) -> str:
    """Give ``want …, is …`` for two values as a person writes them."""
    return f"want {_text(want)}, is {_text(found)}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple, set, frozenset)):
        return " ".join(str(item) for item in value) or "none"
    return "none" if value is None or value == "" else str(value)
