"""A secret in the desired state: it is never printed, and is removed from every message."""

import json

# The form of a secret in the state: {"secret": NAME, "value": TEXT}.
_NAME, _VALUE = "secret", "value"
SHOWN = u"(secret)"
CHANGED = u"(secret changed)"
# All secrets of this process, which handles one request: no program's error may repeat them.
_KNOWN = set()
# A shorter one would match parts of many words.
_SHORTEST = 4


class SecretText(object):
    """A text that is neither printed nor written as JSON unless it is revealed."""

    __slots__ = ("_text",)

    def __init__(self, text):
        self._text = text
        _KNOWN.add(text)

    def reveal(self):
        """Return the text; only for the one file that needs it."""
        return self._text

    def __repr__(self):
        return "SecretText(***)"

    def __reduce__(self):
        raise TypeError("a SecretText is not pickled")


def typed(value):
    """Return ``value`` with a SecretText wherever one was sent."""
    if isinstance(value, dict):
        if set(value) == {_NAME, _VALUE}:
            return SecretText(value[_VALUE])
        return {key: typed(item) for key, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else value


def revealed(value):
    """Return ``value`` with the text of each SecretText, to be written."""
    if isinstance(value, SecretText):
        return value.reveal()
    if isinstance(value, dict):
        return {key: revealed(item) for key, item in value.items()}
    return [revealed(item) for item in value] if isinstance(value, list) else value


def inside(value):
    """Return whether ``value`` contains a SecretText."""
    if isinstance(value, dict):
        return any(inside(item) for item in value.values())
    return any(inside(item) for item in value) if isinstance(value, list) else isinstance(value, SecretText)


def scrub(text):
    """Return ``text`` without any secret of this run."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    # A program may quote one verbatim, or as JSON and Go's %q do.
    forms = {
        form for known in _KNOWN if len(known) >= _SHORTEST
        for form in (known, json.dumps(known)[1:-1], json.dumps(known, ensure_ascii=False)[1:-1])}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, SHOWN)
    return text


def shown(old, new, hidden):
    """Return copies of two mappings (or None) to show, with the values of the keys ``hidden`` masked."""
    sides = [None if side is None else dict(side) for side in (old, new)]
    for key in hidden:
        both = all(side is not None and key in side for side in sides)
        changed = both and old[key] != new[key]
        for side, word in zip(sides, (SHOWN, CHANGED if changed else SHOWN)):
            if side is not None and key in side:
                side[key] = word
    return sides
