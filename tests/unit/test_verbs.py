"""The table of verbs agrees with itself, and with the commands that a person types."""

import pytest
from invoke.tasks import Task

from provision.hints import HOST
from provision.steps import begin_access, prove_access
from provision.tasks import namespace
from provision.verbs import VERBS, Verb


def command(name: str) -> Task:
    found: Task = namespace[name]
    return found


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_is_a_command_that_takes_its_hosts_as_its_group_says(name: str) -> None:
    options = {argument.name: argument.positional for argument in command(name).get_arguments()}
    # report/advice.py makes the next command to type by this rule
    assert options["hosts" if "." in name else "limit"] is ("." in name)


@pytest.mark.parametrize("name", VERBS)
def test_what_to_type_again_is_a_command_that_does_no_less(name: str) -> None:
    again = VERBS[name].words.again.split()
    assert again[-1] == HOST
    assert again[0] == name or not VERBS[name].changes


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_access_is_begun_and_proven_where_a_flow_is_named(verb: Verb) -> None:
    steps = [step for step in verb.steps if step in (begin_access, prove_access)]
    assert steps == ([begin_access, prove_access] if verb.access else [])


def test_only_plan_is_a_plan_by_itself() -> None:
    assert [name for name, verb in VERBS.items() if verb.plans] == ["plan"]
