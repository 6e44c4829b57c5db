"""credentials.rotate: a new password, pending in the keyring until a new login has proven it."""

from contextlib import suppress
from dataclasses import replace

from provision.access.case import Case, Flow, Wanted
from provision.credentials import Rotation
from provision.errors import NotProvenFromOutside, ProvisionError
from provision.model import Credential, Secret, Session
from provision.ssh import remote, sudo

NAME = "pending-password"


class Rotate(Flow):
    """Change the password of the login user; where logins use a key, PAM's success is the proof."""

    def __init__(self, rotation: Rotation) -> None:
        super().__init__(rotation)
        self._begun: dict[str, Secret] = {}

    def begin(self, case: Case) -> Wanted:
        """Return the pending password as the one to set."""
        pending = self._begun[case.host.name] = self.rotation.begin_password(case.host)
        return Wanted({"user": case.host.user, "password": {"secret": NAME}}, {NAME: pending})

    def reopened(self, case: Case) -> Session:
        """Return the Session with the new password for sudo, if sudo accepts it: it may ask for root's."""
        session = case.session
        if not session.sudo_token or not sudo.takes(session, self._begun[case.host.name]):
            return session
        return replace(session, sudo_token=session.secret_tokens[NAME])

    def finish(self, case: Case) -> None:
        """Log in with the new password where logins use one; then make it the current one."""
        new, session = self._begun[case.host.name], case.session
        if case.credential.password and not case.lets_in(Credential(password=new)):
            raise self._put_back(case)
        opens_sudo = bool(session.sudo_token) and session.sudo_token == session.secret_tokens[NAME]
        self.rotation.promote_password(case.host, new, opens_sudo=opens_sudo)

    def _put_back(self, case: Case) -> ProvisionError:
        old = self.rotation.password(case.host)
        state = "the new password is pending in the keyring; the next login tries it too"
        if old:
            line = f"{case.host.user}:{old.reveal()}\n".encode()
            with suppress(ProvisionError):
                if remote.run(case.session, "chpasswd", stdin=line).rc == 0:
                    state = "the old password is set again"
        return NotProvenFromOutside(
            f"{case.host.name} set the new password, and does not accept it",
            f"on the host, journalctl -t sshd says why; then: `fab credentials.rotate {case.host.name}`",
            state=state,
        )
