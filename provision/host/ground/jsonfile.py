"""A JSON file that others write too: one mapping, or Unreadable."""

import codecs
import json
import re

# dockerd honours a byte order mark (moby, daemon/config, getConflictFreeConfiguration).
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_PLACE = re.compile(r"line (\d+) column (\d+)")


class Unreadable(ValueError):
    """Not a JSON object; ``why`` is the parser's reason, at ``line`` and ``column`` (0: unknown)."""

    def __init__(self, why, line=0, column=0):
        ValueError.__init__(self, why)
        self.why = why
        self.line = line
        self.column = column


def read(content):
    """Return the mapping in a file's bytes, empty for None, blanks or null; else raise Unreadable."""
    text = _text(content or b"")
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RuntimeError) as error:
        # The parser's words up to the position: never the file's content.
        place = _PLACE.search("%s" % error)
        line, column = (int(place.group(1)), int(place.group(2))) if place else (0, 0)
        raise Unreadable(("%s" % error).split(": ")[0], line, column)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Unreadable("it is not a JSON object", 1, 1)
    return found


def duplicates(content):
    """Return the keys that occur twice in a mapping of the file: a rewrite would lose one."""
    twice = set()

    def note(pairs):
        names = [name for name, _ in pairs]
        twice.update(name for name in names if names.count(name) > 1)
        return dict(pairs)

    text = _text(content or b"")
    if text.strip():
        json.loads(text, object_pairs_hook=note)
    return sorted(twice)


def parse(text):
    """Return the mapping, empty for an empty file; None for an unreadable one."""
    try:
        return read(text.encode("utf-8", "replace"))
    except Unreadable:
        return None


def dump(value):
    """Return the bytes of a file, with sorted keys so that equal values give equal files."""
    text = json.dumps(value, indent=2, sort_keys=True, separators=(",", ": "))
    return (text + "\n").encode("ascii")


def _text(content):
    mark, encoding = next((pair for pair in _MARKS if content.startswith(pair[0])), (b"", "utf-8"))
    content = content[len(mark):]
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[:error.start].decode(encoding, "replace")
        line = before.count("\n") + 1
        raise Unreadable("it is not %s text" % encoding.upper(), line, len(before.rpartition("\n")[2]) + 1)
