"""hosts.harden: password login off, proven from outside while a timer on the host waits to put it back."""

from provision.access.case import Case, Flow, Wanted
from provision.errors import AccessRefused, NotProvenFromOutside, ProvisionError
from provision.ssh import remote

TIMEOUT_S = 30.0
# See provision/host/access/guard.py. A timer that has just rung is let come to its end.
_CONFIRM = """\
systemctl stop 'provision-sshd-restore-*.timer'
while systemctl is-active --quiet 'provision-sshd-restore-*.service'; do sleep 0.1; done
rm -f /run/provision-sshd-restore
"""
# Where it cannot be put back (a full disk) the script and the timer stay.
_RESTORE = "[ ! -e /run/provision-sshd-restore ] || sh /run/provision-sshd-restore || exit 1\n" + _CONFIRM

_TIMER = "a timer on the host puts password login back within two minutes"


class Harden(Flow):
    """Password login off; whoever logs in now and then keeps the key that is used already."""

    def begin(self, case: Case) -> Wanted:
        """Want no password login; raises unless a new login by nothing but the key works."""
        name = case.host.name
        if case.credential.password:
            raise AccessRefused(
                f"{name} is entered by a password, and nobody would get in without it",
                f"`fab keys.install {name}`, then: `fab hosts.harden {name}`",
            )
        if not case.lets_in(case.credential):
            raise AccessRefused(
                f"a new login to {name} by the key alone did not work", f"`fab keys.install {name}`"
            )
        return Wanted({"user": case.host.user, "password_login": False})

    def finish(self, case: Case) -> None:
        """See that the key lets in and a password does not; then stop the timer, else put all back."""
        try:
            is_proven = case.lets_in(case.credential) and not case.takes_passwords()
        except ProvisionError as error:
            raise _restored(case, error.failure.message) from None
        if not is_proven:
            raise _restored(case, "the key was refused, or passwords are taken still")
        if not _done(case, _CONFIRM) or case.takes_passwords():
            raise NotProvenFromOutside(
                f"{case.host.name} let in only by key, and could not be told to stay so",
                f"`fab hosts.harden {case.host.name}`",
                meaning="the connection was lost, or two minutes were over",
                state=_TIMER,
            )


def _restored(case: Case, evidence: str) -> ProvisionError:
    """Put the old setting back at once, over the login that is still open, and tell why."""
    state = "put back: password login is on, as before" if _done(case, _RESTORE) else _TIMER
    return NotProvenFromOutside(
        f"new logins to {case.host.name} were not as they should be with password login off",
        f"on the host, journalctl -t sshd says why; then: `fab hosts.harden {case.host.name}`",
        evidence=evidence,
        state=state,
    )


def _done(case: Case, script: str) -> bool:
    try:
        return remote.run(case.session, script, timeout_s=TIMEOUT_S).rc == 0
    except ProvisionError:
        return False
