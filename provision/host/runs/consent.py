"""What a plan disrupts on the host, and whether a person has consented to exactly that."""

import hashlib
import json

from ..engine import containers
from ..ground.errors import Refusal

# More names are not listed to a person.
NAMED = 10


def expect(machine, request, changes, result):
    """Write into ``result`` what needs consent; raise unless the request has it, or only plans."""
    for change in changes:
        change.is_allowed = request.get("disruption") == "allow"
    harms = merged(changes)
    if not harms:
        return
    ids = sorted(containers.running(machine))
    digest = _digest(changes, harms)
    asked = {"digest": digest, "ids": ids, "harms": [
        {"what": harm.many, "one": harm.one, "names": names[:NAMED], "count": len(names)}
        for harm, names in harms]}
    given = request.get("consent") or {}
    agreed = (given.get("digest"), sorted(given.get("ids", ()))) == (digest, ids)
    if request["mode"] == "plan":
        result["consent"] = asked
    elif request.get("disruption") != "allow" and not agreed:
        result["consent"] = asked
        raise _not_agreed(harms, given)


def merged(changes):
    """Return the harms of all Changes as (Harm, sorted names) pairs, one for each Harm."""
    found = {}
    for change in changes:
        for harm, names in change.harms():
            found.setdefault(harm, []).extend(names)
    return [(harm, sorted(set(names))) for harm, names in sorted(found.items()) if names]


def in_words(harms):
    """Return the harms as a line: "2 containers restart: db, web; 1 unit restarts ..."."""
    return "; ".join("%s: %s" % (harm.many, named(names)) for harm, names in harms)


def named(names):
    """Return the first of these names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (" and %d more" % more if more > 0 else "")


def _digest(changes, harms):
    # A diff masks secrets. Another secret disrupts nothing else, and a digest of one could be guessed.
    lines = [[line[word] for word in ("name", "before", "after", "sign", "diff")] for change in changes
             for line in change.lines()]
    return hashlib.sha256(json.dumps([lines, harms], sort_keys=True).encode("utf-8")).hexdigest()


def _not_agreed(harms, given):
    """Return the error for harms without a consent, or after another one was ``given``."""
    if given:
        return Refusal(
            "plan-changed", "what runs on the host, or the plan, has changed since it was agreed to",
            "`fab plan --limit {host}` shows it; then: `again {host}`", in_words(harms),
            "what was agreed to is not what would be done now")
    return Refusal(
        "disruption-refused", "this would disrupt what runs on the host",
        "`again {host} --allow-disruption` does it anyway"
        " (with Ansible alone: docker_engine_disruption: allow)",
        in_words(harms), "the host is in use, and nobody has agreed to the interruption")
