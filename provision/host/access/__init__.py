"""Access to the host: the Changes to keys, to sshd's setting and to a password."""

from ..ground.errors import Refusal
from . import authorized, password, sshd


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
        changes += password.plan(machine, user, wanted["password"])
    if wanted.get("password_login") is False:
        changes += sshd.plan(machine, user, request["run"])
    return changes
