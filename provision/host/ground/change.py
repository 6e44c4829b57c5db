"""A Change: one step of a plan, which can be shown, applied and undone."""

from collections import namedtuple

# Words for what existed and for what is removed; they only repeat the sign.
THERE = "there"
REMOVED = "removed"

# A disruption in words, for several things and for one.
Harm = namedtuple("Harm", "many one")


class Change(object):
    """A step of a plan; plan, apply and undo use the same list, so they cannot disagree.

    ``kind`` is a stable short name, and ``subject`` says which one of that kind it is. Code decides by these
    two, or by a typed attribute such as a path. Every other word is for a person and may be reworded.
    ``before`` is empty for something new. ``apply`` and ``undo`` may be called repeatedly.
    """

    kind = ""
    subject = ""
    before = ""
    after = ""
    disruptive = False
    diff = ""
    # What a summary shows beside the subject.
    brief = ""
    # "+", "~" or "-"; empty: derived from before and after.
    sign = ""
    # The line of a Change that cannot be undone says so, before anything is changed.
    undoable = True
    # What became of the containers, as in a result; None for a Change that does not examine them.
    outcome = None
    # Whether any disruption was consented to in advance.
    is_allowed = False
    # Whether it changes rpm's database, which only one program at a time may do.
    uses_rpm = False

    @property
    def name(self):
        """Its kind and subject, for a person."""
        return name(self.kind, self.subject)

    def apply(self):
        """Make the change."""
        raise NotImplementedError

    def undo(self):
        """Restore what was observed when the Change was created, also after an incomplete apply."""
        raise NotImplementedError

    def settle(self):
        """Do what must wait until every other Change is undone."""

    def look(self):
        """Return what the undo did not restore, in a few words; empty when it restored all."""
        return ""

    def harms(self):
        """Return what the Change disrupts, as (Harm, names) pairs; ignore pairs without names."""
        return []

    def backups(self):
        """Return what must survive a kill of this process, as (path, bytes) pairs."""
        return []

    def records(self):
        """Return the previous state as plain data, from which a later run can undo the Change."""
        return []

    def lines(self):
        """Return its lines in a plan, one mapping each."""
        after = self.after if self.undoable else self.after + ": this cannot be undone"
        found = line(self.kind, self.subject, self.before, after, self.sign or sign(self.before, self.after))
        return [dict(found, name=self.name, disruptive=self.disruptive, diff=self.diff, brief=self.brief)]


def name(kind, subject):
    """Return the kind and subject for a person."""
    return (kind + " " + subject).rstrip()


def line(kind, subject, before, after, sign):
    """Return one line of a plan as plain data; ``implied`` are the sides that only repeat the sign."""
    implied = ["before"] * (before == THERE) + ["after"] * (after == REMOVED and sign == "-")
    return {
        "kind": kind, "subject": subject, "name": name(kind, subject), "before": before, "after": after,
        "sign": sign, "implied": implied, "disruptive": False, "diff": "", "brief": ""}


def sign(before, after):
    """Return "+" for something new, "-" for something removed, "~" for something changed."""
    if after in ("", REMOVED) and (before or after):
        return "-"
    return "~" if before else "+"


class Together(Change):
    """Several Changes shown as one line."""

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
        """Undo each part, last first."""
        for part in reversed(self.parts):
            part.undo()

    def look(self):
        """Return what the undo of any part did not restore."""
        return ", ".join(said for said in [part.look() for part in self.parts] if said)

    def harms(self):
        """Return the harms of all parts."""
        return [harm for part in self.parts for harm in part.harms()]

    def backups(self):
        """Return the backups of all parts."""
        return [backup for part in self.parts for backup in part.backups()]

    def records(self):
        """Return the records of all parts."""
        return [record for part in self.parts for record in part.records()]
