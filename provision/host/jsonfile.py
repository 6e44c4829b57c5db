"""The text of a JSON file that others write too: one mapping, or not to be read."""

import json


def parse(text):
    """Give the mapping, empty for an empty file; None for anything else."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def dump(value):
    """Give the bytes of a file: keys sorted, so that equal values are equal files."""
    text = json.dumps(value, indent=2, sort_keys=True, separators=(",", ": "))
    return (text + "\n").encode("ascii")
