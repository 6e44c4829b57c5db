"""Every word that a person reads is reworded, and what is done stays the same: code decides by kinds."""

import json
import sys

import pytest

from provision.converge.outcome import of_answer
from provision.hints import Command
from provision.host import main
from provision.host.ground import change
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Ran
from provision.host.runs import history
from provision.model import Status
from provision.report.changes import plan_lines, summary
from provision.report.layout import Page
from provision.ssh import answer
from provision.wording import EARLIER
from tests.unit.test_host_main import (
    engine,
    files,
    host,
    kill_at,
    known_key,
    outside_the_journal,
    request,
    root,
    tell,
    undo,
)

__all__ = ("engine", "host", "known_key", "root")

# Words for a person, by module: constants, and functions that make a sentence.
_CONSTANTS = ("THERE", "REMOVED")
_SENTENCES = (
    ("provision.host.engine.unit", "in_words"),
    ("provision.host.engine.service", "in_words"),
    ("provision.host.engine.service", "_effect"),
    ("provision.host.engine.daemon_words", "_count"),
    ("provision.host.engine.daemon_words", "_difference"),
)


def other(text):
    """Return another text of which no word is left."""
    return "".join(chr(ord("a") + ord(sign) % 26) for sign in text) if text else ""


def all_other(said):
    return tuple(map(other, said)) if isinstance(said, tuple) else other(said)


@pytest.fixture
def reworded(monkeypatch):
    """Reword what the host code says: names, sides of a line, harms and messages."""

    def reword():
        plain = change.name
        monkeypatch.setattr(change, "name", lambda kind, subject: other(plain(kind, subject)))
        for name, module in sorted(sys.modules.items()):
            for word in _CONSTANTS if name.startswith("provision.host.") else ():
                if hasattr(module, word):
                    monkeypatch.setattr(module, word, other(word))
        for module, function in _SENTENCES:
            said = getattr(sys.modules[module], function)
            monkeypatch.setattr(f"{module}.{function}", lambda *a, said=said: all_other(said(*a)))
        describe = HostError.describe
        words = ("message", "hint", "evidence", "meaning", "state")
        monkeypatch.setattr(
            HostError,
            "describe",
            lambda error: describe(error) | {word: other(getattr(error, word)) for word in words},
        )

    return reword


def typed(result):
    return [(line["kind"], line["subject"], line["sign"]) for line in result["changes"]]


def outcome(result):
    """Return what the controller makes of a host's result."""
    return of_answer("web1", EARLIER, {"result": answer.known(json.loads(json.dumps(result)))})


def test_the_plan_and_its_undo_are_the_same_in_other_words(host, root, engine, reworded):
    before = files(root)
    planned = main.answer(host, request("plan"))
    reworded()
    made = main.answer(host, request("apply"))
    assert made["error"] is None
    assert typed(made) == typed(planned)
    assert not {line["name"] for line in made["changes"]} & {line["name"] for line in planned["changes"]}
    assert outcome(made).installed
    undone = undo(host, "u1")
    assert undone["error"] is None
    assert outside_the_journal(root) == before
    assert (host.installed, host.keys, host.active, host.enabled) == ({}, set(), False, False)


def test_the_report_is_the_same_in_other_words(host, engine, reworded):
    plain = outcome(main.answer(host, request("plan")))
    reworded()
    found = outcome(main.answer(host, request("plan")))
    assert summary(plain.changes) == "5 packages, daemon.json, docker started"
    assert summary(found.changes) == summary(plain.changes)
    heads = [[line[:17] for line in plan_lines(Page(), each.changes, diff=False)] for each in (plain, found)]
    assert heads[0] == heads[1]
    main.answer(host, request("apply"))
    gone = outcome(undo(host, "u1", "plan"))
    assert summary(gone.changes).startswith("5 packages removed, docker stopped, daemon.json removed, ")
    assert other("removed") not in "\n".join(plan_lines(Page(), gone.changes, diff=False))


def test_a_run_that_was_cut_short_is_known_in_other_words(host, engine, reworded):
    reworded()
    main.answer(host, request("apply"))
    tell(host, "r1")
    wanted = {"daemon_options": {"init": True}}
    kill_at(host, "restart", desired=request("apply", **wanted)["desired"])
    (dead,) = history.unended(host)
    assert dead.cut_short()
    finished = main.answer(host, request("apply", "next", **wanted))
    assert [kind for kind, _, _ in typed(finished)] == ["run", "restart"]


def test_a_journal_of_an_earlier_version_is_read_by_the_names_that_it_has(host, root, engine):
    before = files(root)
    made = main.answer(host, request("apply"))
    path = root / "var/lib/provision/r1/journal"
    path.write_text("".join(json.dumps(as_before(json.loads(line))) + "\n" for line in path.open()))
    (past,) = history.runs(host)
    lines = past.entry()["changes"]
    kept = ("name", "kind", "subject", "sign", "brief", "implied", "before", "after")
    assert [{word: line[word] for word in kept} for line in lines] == [
        {word: line[word] for word in kept} for line in made["changes"]
    ]
    assert undo(host, "u1")["error"] is None
    assert outside_the_journal(root) == before


def as_before(event):
    """Return an event of a journal as versions without kinds wrote it."""
    words = ("name", "before", "after", "disruptive", "diff")
    for each in event.get("changes", ()):
        del each["kind"], each["subject"]
        each["lines"] = [{word: line[word] for word in words} for line in each["lines"]]
    return event


def test_a_refusal_says_so_itself(host, root, reworded):
    reworded()
    host.fails = {"dnf": Ran(1, "", "Error: Status code: 404 for http://mirror.example")}
    assert outcome(main.answer(host, request("plan"))).failure.status is Status.FAILED
    (root / "etc/os-release").write_text('ID="other"\n')
    assert outcome(main.answer(host, request("plan"))).failure.status is Status.REFUSED


def test_a_hint_in_other_words_keeps_its_commands():
    words = "zz, zz `again --yes` zz `fab hosts.shell {host}` zz"
    error = dict.fromkeys(("message", "evidence", "meaning", "state"), "") | {"kind": "k", "hint": words}
    result = {"changed": False, "system": "", "changes": [], "undone": [], "earlier": [], "installed": False}
    found = outcome(result | {"consent": None, "containers": None, "error": error})
    commands = [part for part in found.failure.next if isinstance(part, Command)]
    assert commands == [Command("provision --yes"), Command("hosts.shell web1")]
