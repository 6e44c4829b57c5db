"""The errors that host code raises on purpose, and the conversion of any other exception."""

import errno

from . import secret


class HostError(Exception):
    """What happened, as the controller shows it; ``kind`` is a stable short name."""

    # Whether nothing was attempted, for safety: the host is refused and has not failed.
    refused = False

    def __init__(self, kind, message, hint="", evidence="", meaning=""):
        Exception.__init__(self, message)
        self.kind = kind
        self.message = message
        self.hint = hint
        self.evidence = evidence
        self.meaning = meaning
        self.state = "nothing was changed"

    def describe(self):
        """Return the failure as plain data; ``state`` says what is changed on the host."""
        names = ("kind", "message", "hint", "evidence", "meaning", "state")
        return dict({name: secret.scrub(getattr(self, name)) for name in names}, refused=self.refused)


class Refusal(HostError):
    """Nothing was attempted, for safety."""

    refused = True


def disk_full(evidence):
    """Return the error for a full file system."""
    return HostError(
        "disk-full", "a file system of this host is full",
        "make room (df -h shows where), then: `again`", evidence)


def as_host_error(error):
    """Return any exception as a HostError: one line, never a traceback."""
    if isinstance(error, HostError):
        return error
    number = getattr(error, "errno", None)
    text = " ".join(("%s: %s" % (type(error).__name__, _text(error))).split())
    if number in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(text)
    if number == errno.EROFS:
        return HostError(
            "read-only", "a file system of this host is read-only",
            "see dmesg and mount on the host, then: `again`", text)
    if number in (errno.EACCES, errno.EPERM):
        return Refusal(
            "not-root", "this login may not change the host",
            "log in as root, or set ansible_become: true for a login with sudo", text)
    return HostError(
        "unexpected", "the code on the host failed unexpectedly",
        "run it again; if it fails again, report it with this line", text)


def _text(error):
    # On Python 2.7 text that is not ASCII formats as Unicode only, or not at all.
    for form in ("%s", u"%s"):
        try:
            return form % error
        except UnicodeError:
            continue
    return repr(error)
