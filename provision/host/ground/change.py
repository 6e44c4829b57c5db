"""A Change: one step from what is to what is wanted, that can be shown, made and taken back."""

from collections import namedtuple

# Words that only repeat the sign: of what was there, and of what goes.
THERE = "there"
REMOVED = "removed"

# What a Change does to what runs, in words: of several things, and of one.
Harm = namedtuple("Harm", "many one")


class Change(object):
    """A step of the plan; plan, apply and undo are the same list, so they cannot disagree.

    ``kind`` is a stable short name, and ``subject`` says which one of that kind it is. Code decides by these
    two, or by a typed attribute such as a path; every other word is for a person, and may be reworded.
    ``before`` is empty for something new. ``apply`` and ``undo`` may be called again.
    """

    kind = ""
    subject = ""
    before = ""
    after = ""
    disruptive = False
    diff = ""
    # What a summary says of it, beside the subject.
    brief = ""
    # "+", "~" or "-"; empty: judged by before and after.
    sign = ""
    # What cannot be taken back says so in its line, before anything is changed.
    undoable = True
    # What became of the containers, as in a result; None for a Change that does not look.
    outcome = None
    # Whether whatever it disrupts was agreed to beforehand.
    is_allowed = False
    # Does it change rpm's database, which one program at a time may do?
    uses_rpm = False

    @property
    def name(self):
        """What a person calls it."""
        return name(self.kind, self.subject)

    def apply(self):
        """Make it so."""
        raise NotImplementedError

    def undo(self):
        """Bring back what was observed when the Change was made, also after half an apply."""
        raise NotImplementedError

    def settle(self):
        """Do what has to wait until every other Change is undone."""

    def look(self):
        """Return what is not back after the undo, in a few words; empty when all is."""
        return ""

    def harms(self):
        """Return what the Change does to what runs: (Harm, names) pairs; those without names do not count."""
        return []

    def backups(self):
        """Give what must not be lost if this process is killed: (path, bytes) pairs."""
        return []

    def records(self):
        """Give what was before as plain data: a later run goes back by it, from the disk alone."""
        return []

    def lines(self):
        """Give how a person reads it, one mapping a line."""
        after = self.after if self.undoable else self.after + ": this cannot be undone"
        found = line(self.kind, self.subject, self.before, after, self.sign or sign(self.before, self.after))
        return [dict(found, name=self.name, disruptive=self.disruptive, diff=self.diff, brief=self.brief)]


def name(kind, subject):
    """Return what a person calls it."""
    return (kind + " " + subject).rstrip()


def line(kind, subject, before, after, sign):
    """Return one line of a plan as plain data; ``implied`` are its sides that only repeat the sign."""
    implied = ["before"] * (before == THERE) + ["after"] * (after == REMOVED and sign == "-")
    return {
        "kind": kind, "subject": subject, "name": name(kind, subject), "before": before, "after": after,
        "sign": sign, "implied": implied, "disruptive": False, "diff": "", "brief": ""}


def sign(before, after):
    """Return "+" for something new, "-" for something that goes, "~" for something that changes."""
    if after in ("", REMOVED) and (before or after):
        return "-"
    return "~" if before else "+"


class Together(Change):
    """Several Changes that a person reads as one line."""

    def __init__(self, kind, subject, before, after, parts):
        self.kind = kind
        self.subject = subject
        self.before = before
        self.after = after
        self.parts = parts
        self.diff = "".join(part.diff for part in parts)
        self.sign = parts[0].sign
        self.uses_rpm = any(part.uses_rpm for part in parts)

    def apply(self):
        """Apply each part in order."""
        for part in self.parts:
            part.apply()

    def undo(self):
        """Undo each part, the last one first."""
        for part in reversed(self.parts):
            part.undo()

    def look(self):
        """Return what is not back of any part."""
        return ", ".join(said for said in [part.look() for part in self.parts] if said)

    def harms(self):
        """Return those of all parts."""
        return [harm for part in self.parts for harm in part.harms()]

    def backups(self):
        """Give those of all parts."""
        return [backup for part in self.parts for backup in part.backups()]

    def records(self):
        """Give those of all parts."""
        return [record for part in self.parts for record in part.records()]
