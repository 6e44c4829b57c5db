"""Versions as a person names them: the newest, an exact one, or the beginning of one."""

import re

from ..ground.errors import HostError

LATEST = "latest"
# Compared as rpm does: a tilde is older than the end, and a number is newer than letters.
_TILDE, _END, _LETTERS, _NUMBER = range(4)
MOST_SHOWN = 20


def matches(version, wanted):
    """Return whether a version like '28.5.2' is ``wanted``, or inside it: '28.5', '28' or 'latest'."""
    return wanted in (LATEST, version) or version.startswith(wanted + ".")


def is_exact(wanted):
    """Return whether the repository need not be asked which versions begin like this."""
    return wanted == LATEST or wanted.count(".") > 1 or "-" in wanted


def newest(solver, names, wanted, installed=""):
    """Return the newest version inside ``wanted`` that all packages ``names`` have; 'latest' is left to dnf.

    An ``installed`` version inside it is not downgraded. Raise when no repository has one.
    """
    if is_exact(wanted):
        return wanted
    found = solver.versions(names)
    common = set.intersection(*[found.get(name, set()) for name in names])
    inside = {version for version in common | {installed} if version and matches(version, wanted)}
    if not inside:
        shown = sorted(common, key=order)[-MOST_SHOWN:]
        raise HostError(
            "version-not-found", "the repository does not have this version",
            "name one of those that it has in the inventory; then: `again`",
            "%s %s; there are: %s" % (names[0], wanted, ", ".join(shown) or "none"))
    return max(inside, key=order)


def order(version):
    """Return a key that sorts versions as rpm does: 1.9 before 1.10, and 2.0~rc1 before 2.0."""
    return [_rank(part) for part in re.findall(r"[0-9]+|[a-zA-Z]+|~", version)] + [(_END, 0, "")]


def _rank(part):
    if part.isdigit():
        return _NUMBER, int(part), ""
    return (_TILDE, 0, "") if part == "~" else (_LETTERS, 0, part)
