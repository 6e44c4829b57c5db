"""The next command to type, derived from the one that was typed."""

import shlex
from collections.abc import Container, Iterator
from itertools import islice, takewhile

from provision.hints import Command, Hint

LIMITS = ("--limit", "-l")
# The options that select hosts and how to reach them; every verb has them.
SELECTION = (*LIMITS, "--inventory", "-i", "--via", "--keyring")
# The options that every command of a project has, also one for a single host.
PROJECT = ("--inventory", "-i", "--keyring")
_LONG = {"-i": "--inventory", "-l": "--limit"}
PLAN_ONLY = ("--diff", "--detailed-exitcode", "--plan")
# The options of a run that take a value; every other word is the name of hosts.
VALUED = (
    *SELECTION,
    "--lock-timeout",
    "--serial",
    "--max-fail",
    "--tolerate",
    "--unlock-fd",
    "--color",
    "--output",
)
# The commands that have the options of a project: by group, and those without a group.
_GROUPS = ("hosts", "credentials", "keys")
_UNGROUPED = ("plan", "provision", "verify", "uninstall")
# The only command of its group that connects to hosts, and so has --via.
_ROTATE = "credentials.rotate"
# The options about how one run is shown or unlocked, not about what it does.
_OWN_OF_A_RUN = ("--output", "--color", "--unlock-fd")
# Consent covered what ran on the hosts at that time, not what runs there now.
_AGREED_ONCE = "--allow-disruption"


def verb(command: str) -> str:
    """Return the verb of a command line: plan, provision, verify, hosts.ping."""
    return _parts(command)[1]


def is_plan(command: str) -> bool:
    """Return whether ``command`` only shows what would change."""
    _, typed, options = _parts(command)
    return typed == "plan" or "--plan" in options


def same_hosts(command: str, next_verb: str) -> str:
    """Return ``next_verb`` for the hosts of ``command``."""
    program, typed, options = _parts(command)
    named, others = _named(options) if _names_hosts(typed) else ([], options)
    limit = ["--limit", *named] if named not in ([], ["all"]) else []
    return shlex.join([*program, next_verb, *limit, *_sorted_out(others, SELECTION)[0]])


def carry_out(plan: str) -> str:
    """Return the command that carries out ``plan``, with the same options."""
    program, typed, options = _parts(plan)
    verb = "provision" if typed == "plan" else typed
    return shlex.join([*program, verb, *(word for word in options if word not in PLAN_ONLY)])


def show_diff(plan: str) -> str:
    """Return ``plan`` with all details."""
    return shlex.join([*shlex.split(plan), "--diff"])


def again(command: str) -> str:
    """Return ``command`` for its hosts that failed."""
    program, typed, options = _parts(command)
    if _names_hosts(typed):
        return shlex.join([*program, typed, "@last.failed", *_named(options)[1]])
    _, others = _sorted_out(options, LIMITS)
    return f"{shlex.join([*program, typed, *others])} --limit @last.failed"


def resumed(command: str, last: str, run: str) -> str:
    """Return ``command`` with the options of the line ``last``, for the hosts that failed in ``run``."""
    program, typed, options = _parts(command)
    own = _sorted_out([word for word in options if word != "--resume"], LIMITS)[1]
    anew = {word.partition("=")[0] for word in own} & set(VALUED)
    before = _sorted_out(_parts(last)[2], {*LIMITS, *_OWN_OF_A_RUN, *anew})[1]
    before = [word for word in before if word != _AGREED_ONCE]
    return shlex.join([*program, typed, *before, *own, "--limit", f"@{run}.failed"])


def words(command: str) -> list[str]:
    """Return the verb and its options, without the program."""
    _, typed, options = _parts(command)
    return [typed, *options]


def as_typed(hint: Hint, command: str) -> Hint:
    """Return ``hint`` with its commands as this person types them: program, inventory, keyring, --via.

    Options that a command has already are not added again.
    """
    return tuple(_as_typed(part, command) if isinstance(part, Command) else part for part in hint)


def _as_typed(advised: Command, command: str) -> Command:
    if not advised.program:
        return advised
    program, _, options = _parts(command)
    verb, *own = advised.line.split(" ")
    has = {_LONG.get(word.partition("=")[0], word.partition("=")[0]) for word in own}
    if verb.startswith("credentials.") and verb != _ROTATE:
        has.add("--via")
    group, _, in_group = verb.partition(".")
    is_about_a_project = group in _GROUPS if in_group else verb in _UNGROUPED
    named = _carried(options) if is_about_a_project else ()
    missing = [word for name, words in named if name not in has for word in words]
    return Command(" ".join([verb, *map(shlex.quote, missing), *own]), shlex.join(program))


def _carried(options: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the options that a hint copies, each with its words as typed."""
    left = iter(_sorted_out(options, (*PROJECT, "--via"))[0])
    for word in left:
        name = word.partition("=")[0]
        yield _LONG.get(name, name), [word] if "=" in word else [word, *islice(left, 1)]


def _parts(command: str) -> tuple[list[str], str, list[str]]:
    """Split a command line into the program with its own options, the verb and its options."""
    words = shlex.split(command)
    own = list(takewhile(lambda word: word.startswith("-"), words[1:]))
    start = 1 + len(own)
    return words[:start], "".join(words[start : start + 1]), words[start + 1 :]


def _names_hosts(verb: str) -> bool:
    """Return whether ``verb`` takes its hosts without a flag, as each in a group (hosts.ping) does."""
    return "." in verb


def _named(options: list[str]) -> tuple[list[str], list[str]]:
    """Split ``options`` into the name of the hosts and the rest."""
    found: list[str] = []
    others: list[str] = []
    takes_value = False
    for word in options:
        (others if takes_value or word.startswith("-") else found).append(word)
        takes_value = not takes_value and word in VALUED
    return found, others


def _sorted_out(options: list[str], wanted: Container[str]) -> tuple[list[str], list[str]]:
    """Split ``options`` into those in ``wanted``, with their values, and the rest."""
    found: list[str] = []
    others: list[str] = []
    takes_value = False
    for word in options:
        mine = takes_value or word.partition("=")[0] in wanted
        (found if mine else others).append(word)
        takes_value = not takes_value and word in wanted
    return found, others
