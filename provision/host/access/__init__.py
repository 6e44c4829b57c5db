"""Who gets into the host, and how: the Changes to keys, to sshd's setting and to a password."""

from ..ground.errors import Refusal
from . import authorized, password, sshd


def plan(machine, request):
    """Give the Changes to what the request wants under "access"; what it does not name stays.

    ``user`` is the login that it is about. ``key`` is a line of authorized_keys, there or ``absent_key`` not;
    ``password_login`` false switches it off for everybody; ``password`` is the new one.
    """
    wanted = request["access"]
    user, changes = wanted["user"], []
    if "key" in wanted:
        changes += authorized.plan(machine, user, wanted["key"], True)
    if "absent_key" in wanted:
        if sshd.takes_no_password(sshd.effective(machine, user)):
            raise Refusal(
                "only-way-in", "no password lets in here, so the key stays",
                "`fab hosts.undo` brings password login back after `fab hosts.harden`;"
                " then: `fab keys.remove`")
        changes += authorized.plan(machine, user, wanted["absent_key"], False)
    if "password" in wanted:
        changes += password.plan(machine, user, wanted["password"])
    if wanted.get("password_login") is False:
        changes += sshd.plan(machine, user, request["run"])
    return changes
