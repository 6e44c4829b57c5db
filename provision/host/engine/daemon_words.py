"""What a plan shows of daemon.json: the keys added, changed and removed, and no secret."""

import json
import re

from ..ground import secret
from ..ground.change import REMOVED
from ..ground.jsonfile import dump, parse
from .reloadable import changed

MASK = u"***"
LOGIN = re.compile(u"//[^/\\s\"@]+@")
SECRET_NAME = re.compile("token|password|passwd|secret|credential|api-?key", re.IGNORECASE)
BROKEN = "not valid JSON"


def summary(old, found, content, hidden):
    """Return (before, after) for the file ``old`` (bytes; ``found`` once parsed) replaced by ``content``."""
    if content is None:
        return "", REMOVED
    whole = parse(content.decode("utf-8", "replace"))
    if whole is None:
        return "", BROKEN
    if old is None:
        return "", _count(whole)
    if found is None:
        return BROKEN, _count(whole)
    return _difference(*[masked(side) for side in secret.shown(found, whole, hidden)])


def _difference(found, whole):
    keys = changed(found, whole)
    if len(keys) == 1:
        return "%s %s" % (keys[0], _word(found.get(keys[0]))), _word(whole.get(keys[0]))
    groups = (
        ("adds", [key for key in keys if key not in found]),
        ("changes", [key for key in keys if key in found and key in whole]),
        ("removes", [key for key in keys if key not in whole]))
    named = ", ".join("%s %s" % (verb, ", ".join(names)) for verb, names in groups if names)
    return "", named or _count(whole)


def masked(value, secret=False):
    """Return a copy to show, without logins in addresses and values of keys with a secret's name."""
    if isinstance(value, dict):
        return {key: masked(item, secret or bool(SECRET_NAME.search(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, secret) for item in value]
    if secret:
        return MASK
    return LOGIN.sub("//" + MASK + "@", value) if isinstance(value, type(u"")) else value


def shown(old, new, hidden):
    """Return copies of two contents (bytes or None) that may be shown."""
    texts = [None if side is None else side.decode("utf-8", "replace") for side in (old, new)]
    found = [None if text is None else parse(text) for text in texts]
    sides = secret.shown(found[0], found[1], hidden)
    contents = []
    for text, side in zip(texts, sides):
        if side is None and text is not None:
            # Not JSON: it is unknown where the secret is.
            text = secret.SHOWN if hidden else LOGIN.sub("//" + MASK + "@", text)
            contents.append(text.encode("utf-8"))
        else:
            contents.append(None if side is None else dump(masked(side)))
    return contents


def _count(whole):
    return "%d key%s" % (len(whole), "" if len(whole) == 1 else "s")


def _word(value):
    if value is None:
        return "unset"
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list, bool)) else "%s" % value
