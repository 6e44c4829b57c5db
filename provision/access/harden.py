"""hosts.harden: turn password login off; a timer on the host restores it unless new logins prove it."""

from provision.access.case import Case, Flow, Wanted
from provision.errors import AccessRefused, NotProvenFromOutside, ProvisionError
from provision.ssh import remote

TIMEOUT_S = 30.0
# See provision/host/access/guard.py. A restore that has just started is left to finish.
_CONFIRM = """\
systemctl stop 'provision-sshd-restore-*.timer'
while systemctl is-active --quiet 'provision-sshd-restore-*.service'; do sleep 0.1; done
rm -f /run/provision-sshd-restore
"""
# If the restore fails, as on a full disk, script and timer stay.
_RESTORE = "[ ! -e /run/provision-sshd-restore ] || sh /run/provision-sshd-restore || exit 1\n" + _CONFIRM

_TIMER = "a timer on the host restores password login within two minutes"


class Harden(Flow):
    """Turn password login off; logins go on with the key that is used already."""

    def begin(self, case: Case) -> Wanted:
        """Return that password login is to be off; raises AccessRefused unless the key alone logs in."""
        name = case.host.name
        if case.credential.password:
            raise AccessRefused(
                f"logins to {name} still use its password",
                f"`fab keys.install {name}`, then: `fab hosts.harden {name}`",
            )
        if not case.lets_in(case.credential):
            raise AccessRefused(f"a new login to {name} by key alone failed", f"`fab keys.install {name}`")
        return Wanted({"user": case.host.user, "password_login": False})

    def finish(self, case: Case) -> None:
        """Check that only the key is accepted; then stop the timer, else restore the setting."""
        try:
            is_proven = case.lets_in(case.credential) and not case.takes_passwords()
        except ProvisionError as error:
            raise _restored(case, error.failure.message) from None
        if not is_proven:
            raise _restored(case, "the key was refused, or passwords are still accepted")
        if not _done(case, _CONFIRM) or case.takes_passwords():
            raise NotProvenFromOutside(
                f"{case.host.name} accepted only the key, but the new setting could not be confirmed",
                f"`fab hosts.harden {case.host.name}`",
                meaning="the connection was lost, or the two minutes had passed",
                state=_TIMER,
            )


def _restored(case: Case, evidence: str) -> ProvisionError:
    """Restore the old setting at once, over the open connection; return the error that says why."""
    state = "restored: password login is on, as before" if _done(case, _RESTORE) else _TIMER
    return NotProvenFromOutside(
        f"new logins did not prove that password login is off on {case.host.name}",
        f"on the host, journalctl -t sshd says why; then: `fab hosts.harden {case.host.name}`",
        evidence=evidence,
        state=state,
    )


def _done(case: Case, script: str) -> bool:
    try:
        return remote.run(case.session, script, timeout_s=TIMEOUT_S).rc == 0
    except ProvisionError:
        return False
