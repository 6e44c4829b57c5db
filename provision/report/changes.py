"""Describe what runs do on a host: their changes, what those disrupt, and what earlier runs did."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from provision.model import ChangeLine, Consent, Containers, Earlier, Harm
from provision.report.layout import Page, count

NOTE_COLUMN = 18
# The separator between subject and note, for kinds whose note is not at the right edge.
_JOINTS = {"repository": ", ", "package": " "}
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+_-]*")
SIGN_STYLES = {"+": "good", "~": "changed", "-": "bad", "!": "bad"}
LEGEND = "+ new  ~ changed  - removed  ! stops or restarts something"

_ENDS = {
    "finished": "finished without its controller",
    "undone": "was undone",
    "completed": "was interrupted, and this run completed it",
}
_FAILED = "failed without its controller"


def sign(change: ChangeLine) -> str:
    """Return the mark of a change: ``!`` disruptive, ``+`` new, ``-`` removed, ``~`` changed."""
    if change.disruptive:
        return "!"
    # The host may send any sign.
    return change.sign if change.sign in SIGN_STYLES else "~"


def plan_lines(page: Page, changes: Sequence[ChangeLine], *, diff: bool) -> list[str]:
    """Return the lines of one plan; without ``diff`` packages with the same sign share a line."""
    lines = []
    for (mark, word), members in groupby(changes, lambda change: (sign(change), change.kind)):
        if word == "package" and not diff:
            lines += _packages(page, mark, tuple(members))
        else:
            for change in members:
                lines += [*_change(page, mark, change), *(_difference(page, change) if diff else ())]
    return lines


def _head(page: Page, mark: str, word: str) -> str:
    return f"    {page.paint(mark, SIGN_STYLES[mark])} {page.plain(word):<12}"


def _packages(page: Page, mark: str, packages: Sequence[ChangeLine]) -> list[str]:
    named = [change for change in packages if not change.subject.endswith("-plugin")]
    parts = [f"{change.subject} {_note(change)}".strip() for change in named]
    hidden = len(packages) - len(named)
    if hidden:
        parts.append(f"{'+' if named else ''}{count(hidden, 'plugin')}")
    first, *rest = page.flow(parts, NOTE_COLUMN)
    return [_head(page, mark, "package") + first.lstrip(), *rest]


def _change(page: Page, mark: str, change: ChangeLine) -> list[str]:
    name, note = page.plain(change.subject), _note(change)
    if joint := _JOINTS.get(change.kind):
        name, note = page.plain(joint.join(part for part in (name, note) if part)), ""
    # The head is laid out without colour, as escapes have no width.
    plain_head = f"    {mark} {page.plain(change.kind):<12}"
    first, *rest = page.edge(plain_head + name, note)
    return [_head(page, mark, change.kind) + first[len(plain_head) :], *rest]


def _note(change: ChangeLine) -> str:
    sides = {"before": change.before, "after": change.after}
    words = " → ".join(said for side, said in sides.items() if said and side not in change.implied)
    return f"{words} (downgrade)" if _is_downgrade(change) else words


def _is_downgrade(change: ChangeLine) -> bool:
    """Return whether a package goes to a lower version; False for a pre-release, which has a ``~``."""
    versions = (change.before, change.after)
    if change.kind != "package" or change.sign != "~" or not all(map(_VERSION.fullmatch, versions)):
        return False
    before, after = ([int(number) for number in re.findall("[0-9]+", each)] for each in versions)
    return after < before


def _difference(page: Page, change: ChangeLine) -> Iterator[str]:
    styles = {"+": "good", "-": "bad"}
    for line in change.diff.splitlines():
        shown = page.plain(line)
        style = styles.get(shown[:1])
        yield " " * 8 + (page.paint(shown, style) if style else shown)


def summary(changes: Iterable[ChangeLine]) -> str:
    """Return what was done in a few words: ``5 packages, daemon.json, docker started``."""
    by_kind: dict[str, list[ChangeLine]] = {}
    for change in changes:
        by_kind.setdefault(change.kind, []).append(change)
    packages = by_kind.pop("package", [])
    # The repository is only mentioned when no package changed.
    if packages:
        by_kind.pop("repository", None)
    others = [_done(change) for members in by_kind.values() for change in members]
    removed = sum(change.sign == "-" for change in packages)
    brought = [count(len(packages) - removed, "package")] if len(packages) > removed else []
    gone = [f"{count(removed, 'package')} removed"] if removed else []
    return ", ".join([*brought, *gone, *dict.fromkeys(others)])


def _done(change: ChangeLine) -> str:
    match change.kind:
        case "file":
            return change.subject.rpartition("/")[2] + (" removed" if change.sign == "-" else "")
        case "data":
            return f"{change.subject} removed"
        case "reboot":
            return f"rebooted {change.subject}"
        case "restart":
            return f"{change.subject} restarted"
        case "service":
            return f"{change.subject} {change.brief or 'changed'}"
        case "reload" if change.brief:
            return f"{change.name}; {change.brief}"
    return change.name


def harm_words(harm: Harm) -> str:
    """Return one effect: ``12 containers restart: db, web, …``."""
    what = harm.one if harm.count == 1 else harm.what
    more = ["…"] if harm.count > len(harm.names) else []
    return f"{harm.count} {what}: {', '.join([*harm.names, *more])}"


def consent_lines(consent: Consent | None) -> list[str]:
    """Return the effects of a plan, one per line; none for a plan that disrupts nothing."""
    return [harm_words(harm) for harm in consent.harms] if consent else []


def containers_words(found: Containers | None) -> str:
    """Return the state of the containers: ``6 containers: 5 untouched, 1 restarted, 0 lost``."""
    if found is None:
        return ""
    total = found.untouched + len(found.restarted) + len(found.lost)
    named = f" ({', '.join(found.lost)})" if found.lost else ""
    silent = f", no answer yet from {', '.join(found.silent)}" if found.silent else ""
    return (
        f"{count(total, 'container')}: {found.untouched} untouched, {len(found.restarted)} restarted, "
        f"{len(found.lost)} lost{named}{silent}"
    )


def waited_words(waited: tuple[str, ...]) -> str:
    """Return what a run waited for: ``waited for cloud-init (cloud-final.service)``."""
    return f"waited for {', '.join(waited)}" if waited else ""


def passed_over_words(files: tuple[str, ...]) -> str:
    """Return which repositories were not used: ``not used: /etc/yum.repos.d/x.repo: [docker-ce-test] …``."""
    return f"not used: {'; '.join(files)}" if files else ""


def said(run: Earlier) -> str:
    """Return one sentence about ``run``: who started it, how it ended, what it changed or why it failed."""
    end = _FAILED if run.failure and run.how == "finished" else _ENDS.get(run.how, run.how)
    detail = run.failure.message if run.failure else summary(run.changes)
    return f"run {run.run} of {run.who} {end}" + (f": {detail}" if detail else "")


def earlier_lines(page: Page, runs: Iterable[Earlier], column: int) -> list[str]:
    """Return a line for each of ``runs`` at ``column``."""
    return [line for run in runs for line in page.labelled("earlier", said(run), column, 9)]
