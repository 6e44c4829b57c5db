"""The next command to type, made from the one that was typed, program first."""

import re
import shlex
from collections.abc import Container
from itertools import takewhile

LIMITS = ("--limit", "-l")
# The options that say which hosts are meant and how they are reached; every verb has them.
SELECTION = (*LIMITS, "--inventory", "-i", "--via", "--keyring")
# Those that every command has, also one that is about a single host.
PROJECT = ("--inventory", "-i", "--keyring")
PLAN_ONLY = ("--diff", "--detailed-exitcode")


def verb(command: str) -> str:
    """Give the verb of a command line: plan, provision, verify, hosts.ping."""
    return _parts(command)[1]


def same_hosts(command: str, next_verb: str) -> str:
    """Give ``next_verb`` for the hosts of ``command``."""
    program, _, options = _parts(command)
    return shlex.join([*program, next_verb, *_sorted_out(options, SELECTION)[0]])


def carry_out(plan: str) -> str:
    """Give the command that carries ``plan`` out, with the same options."""
    program, _, options = _parts(plan)
    return shlex.join([*program, "provision", *(word for word in options if word not in PLAN_ONLY)])


def show_diff(plan: str) -> str:
    """Give the plan that shows every detail."""
    return shlex.join([*shlex.split(plan), "--diff"])


def again(command: str) -> str:
    """Give ``command`` for those of its hosts that did not reach their good state."""
    program, typed, options = _parts(command)
    _, others = _sorted_out(options, LIMITS)
    return f"{shlex.join([*program, typed, *others])} --limit @last.failed"


def ping_again(command: str) -> str:
    """Give the ping, which takes its hosts without a flag, of those that did not answer."""
    program, typed, options = _parts(command)
    return shlex.join([*program, typed, "@last.failed", *_sorted_out(options[1:], SELECTION)[0]])


def retold(text: str, command: str) -> str:
    """Give ``text`` with its commands as this person would type them: program, inventory, keyring."""
    program, _, options = _parts(command)
    kept = _sorted_out(options, PROJECT)[0]

    def said(found: re.Match[str]) -> str:
        return shlex.join([*program, found[1], *kept])

    return re.sub(r"\bfab ((?:hosts|credentials)\.[a-z]+|plan|provision|verify)\b", said, text)


def _parts(command: str) -> tuple[list[str], str, list[str]]:
    """Split a command line into the program with its own options, the verb and its options."""
    words = shlex.split(command)
    own = list(takewhile(lambda word: word.startswith("-"), words[1:]))
    start = 1 + len(own)
    return words[:start], "".join(words[start : start + 1]), words[start + 1 :]


def _sorted_out(options: list[str], wanted: Container[str]) -> tuple[list[str], list[str]]:
    """Part the wanted options with their values, written as two words or with ``=``, from the others."""
    found: list[str] = []
    others: list[str] = []
    takes_value = False
    for word in options:
        mine = takes_value or word.partition("=")[0] in wanted
        (found if mine else others).append(word)
        takes_value = not takes_value and word in wanted
    return found, others
