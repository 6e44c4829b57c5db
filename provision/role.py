"""The role's manual, ``meta/argument_specs.yml``: the types and defaults of its variables."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

_PACKAGE = Path(__file__).resolve().parent
PREFIX = "docker_engine_"


def playbooks() -> Path:
    """Return the directory of the playbooks: inside the wheel, or beside the package in a checkout."""
    installed = _PACKAGE / "_playbooks"
    return installed if installed.is_dir() else _PACKAGE.parent / "playbooks"


@functools.cache
def _validator() -> ArgumentSpecValidator:
    manual = playbooks() / "roles" / "docker_engine" / "meta" / "argument_specs.yml"
    options = yaml.load(manual.read_bytes(), Loader=yaml.CSafeLoader)["argument_specs"]["main"]["options"]
    return ArgumentSpecValidator({name.removeprefix(PREFIX): option for name, option in options.items()})


def typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return all variables of the role, without their prefix: ``values`` in their types, else the default.

    Raises ValueError with a sentence about each value that the manual does not allow.
    """
    judged = _validator().validate(dict(values))
    if judged.error_messages:
        raise ValueError("; ".join(judged.error_messages))
    return dict(judged.validated_parameters)
