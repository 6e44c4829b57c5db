"""The runbook about a failed run has a row for every kind of error, and for no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from provision import errors
from provision.ssh.errors import _WORDS

CHECKOUT = Path(__file__).parents[2]
RUNBOOK = CHECKOUT / "docs/runbooks/a-failed-run.md"
KIND = re.compile(r"[a-z-]+")
# Their first argument is a kind.
RAISED = {"HostError", "Refusal", "Cause", "WireError"}


def texts(node: ast.AST) -> set[str]:
    found = {str(each.value) for each in ast.walk(node) if isinstance(each, ast.Constant)}
    return {text for text in found if KIND.fullmatch(text)}


def kinds_in(tree: ast.Module) -> Iterator[str]:
    """Yield the kinds that a module raises; a variable may have any text that is assigned to its name."""
    assigned: dict[str, set[str]] = {}
    attributes = {node for each in ast.walk(tree) if isinstance(each, ast.ClassDef) for node in each.body}
    for node in set(ast.walk(tree)) - attributes:
        for name in getattr(node, "targets", ()):
            assigned.setdefault(getattr(name, "id", ""), set()).update(texts(node))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = [word.value for word in call.keywords if word.arg == "kind"]
        for value in given + call.args[: called in RAISED]:
            if isinstance(value, ast.Name):
                yield from assigned.get(value.id, ())
            elif isinstance(value, ast.Constant):
                yield from texts(value)


def all_kinds() -> set[str]:
    found = {word.kind for word in _WORDS if word.kind}
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    found |= {each.kind for each in classes if issubclass(each, errors.ProvisionError)}
    for file in sorted((CHECKOUT / "provision").rglob("*.py")):
        found.update(kinds_in(ast.parse(file.read_text())))
    return found


def test_each_kind_has_one_row_in_the_runbook() -> None:
    table = re.findall(r"^ *\| (`[^|]*`) \|", RUNBOOK.read_text(), re.MULTILINE)
    rows = [kind for row in table for kind in row.replace("`", "").split(", ")]
    assert sorted(rows) == sorted(all_kinds())
