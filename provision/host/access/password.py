"""A login's password: chpasswd reads it from its stdin and sets it, and PAM's own helper proves it."""

from ..ground.change import Change
from ..ground.errors import HostError

# See unix_chkpwd(8); it is part of PAM.
PROVER = "unix_chkpwd"


def plan(machine, user, password):
    """Give the Change that sets the password of ``user``."""
    return [Password(machine, user, password)]


class Password(Change):
    """The password of one user. There is no record of the old one: the operator's keyring holds it."""

    kind = "password"

    def __init__(self, machine, user, password):
        self.machine = machine
        self.user = user
        self._password = password.reveal().encode("utf-8")
        self._old = _hash_of(machine, user)
        self.subject = "of " + user
        self.before = "set" if self._old.strip("!*") else ""
        self.after = "a new one"

    def apply(self):
        """Set it, which opens an expired account again, and let PAM say that it takes it."""
        said = self.machine.run(["chpasswd"], stdin=self.user.encode("ascii") + b":" + self._password + b"\n")
        if said.rc == 0 and self.machine.has(PROVER):
            said = self.machine.run([PROVER, self.user, "nullok"], stdin=self._password + b"\0")
        if said.rc:
            raise HostError(
                "password-not-set", "the host did not take a new password for " + self.user,
                "look at the policy of passwords there (/etc/security/pwquality.conf); then: `again`",
                "exit code %d" % said.rc)

    def undo(self):
        """Put the old hash back, if it was changed."""
        if self._old and _hash_of(self.machine, self.user) != self._old:
            line = "%s:%s\n" % (self.user, self._old)
            self.machine.run(["chpasswd", "-e"], stdin=line.encode("ascii"))


def _hash_of(machine, user):
    rows = [line.split(":") for line in machine.text("/etc/shadow").splitlines()]
    return next((row[1] for row in rows if row[0] == user and len(row) > 1), "")
