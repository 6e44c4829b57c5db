"""Access to the host: the Changes to keys, to sshd's setting and to a password."""

from ..ground.change import Change
from ..ground.errors import HostError, Refusal
from . import authorized, sshd

# unix_chkpwd(8), part of PAM.
PROVER = "unix_chkpwd"


def plan(machine, request):
    """Return the Changes for the request's "access"; leave unchanged what it does not name.

    ``user`` is the login. ``key`` is a line of authorized_keys to add, ``absent_key`` one to remove.
    ``password_login`` false switches it off for everybody. ``password`` is the new one.
    """
    wanted = request["access"]
    user, changes = wanted["user"], []
    if "key" in wanted:
        changes += authorized.plan(machine, user, wanted["key"], True)
    if "absent_key" in wanted:
        if sshd.takes_no_password(sshd.effective(machine, user)):
            raise Refusal(
                "only-way-in", "password login is off on this host, so the key stays",
                "`fab hosts.undo` restores password login after `fab hosts.harden`; then: `fab keys.remove`")
        changes += authorized.plan(machine, user, wanted["absent_key"], False)
    if "password" in wanted:
        changes.append(Password(machine, user, wanted["password"]))
    if wanted.get("password_login") is False:
        changes += sshd.plan(machine, user, request["run"])
    return changes


class Password(Change):
    """The password of one user, set by chpasswd through its stdin, and verified by PAM's own helper.

    The old one is not recorded: the operator's keyring holds it.
    """

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
        """Set it, which also reopens an expired account, and verify it with PAM."""
        said = self.machine.run(["chpasswd"], stdin=self.user.encode("ascii") + b":" + self._password + b"\n")
        if said.rc == 0 and self.machine.has(PROVER):
            said = self.machine.run([PROVER, self.user, "nullok"], stdin=self._password + b"\0")
        if said.rc:
            raise HostError(
                "password-not-set", "the host did not accept a new password for " + self.user,
                "check the password policy there (/etc/security/pwquality.conf); then: `again`",
                "exit code %d" % said.rc)

    def undo(self):
        """Restore the old hash, if it was changed."""
        if self._old and _hash_of(self.machine, self.user) != self._old:
            line = "%s:%s\n" % (self.user, self._old)
            self.machine.run(["chpasswd", "-e"], stdin=line.encode("ascii"))


def _hash_of(machine, user):
    rows = [line.split(":") for line in machine.text("/etc/shadow").splitlines()]
    return next((row[1] for row in rows if row[0] == user and len(row) > 1), "")
