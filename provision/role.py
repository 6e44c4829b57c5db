"""The role's manual, ``meta/argument_specs.yml``: the types and defaults of its variables."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_PACKAGE = Path(__file__).resolve().parent
PREFIX = "docker_engine_"


def playbooks() -> Path:
    """Return the directory of the playbooks: inside the wheel, or beside the package in a checkout."""
    installed = _PACKAGE / "_playbooks"
    return installed if installed.is_dir() else _PACKAGE.parent / "playbooks"


@functools.cache
def _validator() -> Any:
    # Imported here, as it takes 0.05 s: a run does it in a thread while ansible-inventory is at work.
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    manual = playbooks() / "roles" / "docker_engine" / "meta" / "argument_specs.yml"
    options = yaml.load(manual.read_bytes(), Loader=yaml.CSafeLoader)["argument_specs"]["main"]["options"]
    return ArgumentSpecValidator(options)


def typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return all variables of the role without their prefix: typed ``values``, and defaults for the rest.

    Raises ValueError with a sentence about each value that the manual does not allow.
    """
    judged = _validator().validate({PREFIX + name: value for name, value in values.items()})
    if judged.error_messages:
        raise ValueError("; ".join(judged.error_messages))
    return {name.removeprefix(PREFIX): value for name, value in judged.validated_parameters.items()}
