"""keys.install and keys.remove: log in with a key of its own, which is in the keyring and in no file."""

from provision import keypair
from provision.access.case import Case, Flow, Wanted
from provision.errors import AccessRefused, NotProvenFromOutside
from provision.model import Credential, Secret


def _line(case: Case, key: Secret) -> str:
    return f"{keypair.public(key)} provision-{case.host.name}"


class Install(Flow):
    """keys.install: the key is pending until a login by it alone has worked."""

    def begin(self, case: Case) -> Wanted:
        """Return the host's key, made now if it has none; raises AccessRefused where a key file is in use."""
        if case.credential.key_file:
            raise AccessRefused(
                f"logins to {case.host.name} already use the key file {case.credential.key_file}",
                f"`fab hosts.harden {case.host.name}`; or remove ansible_ssh_private_key_file, and try again",
            )
        return Wanted({"user": case.host.user, "key": _line(case, self._key(case))})

    def finish(self, case: Case) -> None:
        """Log in with the key alone, and use it for logins from now on."""
        if not case.lets_in(Credential(private_key=self._key(case))):
            raise NotProvenFromOutside(
                f"{case.host.name} has the key, and does not accept it",
                f"on the host, journalctl -t sshd says why; then: `fab keys.install {case.host.name}`",
                meaning="the home directory may be writable by others, or sshd reads another file",
                state="the key is in authorized_keys and is not used; the previous login still works",
            )
        if case.credential.private_key is None:
            self.rotation.promote_key(case.host)

    def _key(self, case: Case) -> Secret:
        return case.credential.private_key or self.rotation.begin_key(case.host)


class Remove(Flow):
    """keys.remove: the keyring stops using the key first, then the host."""

    def begin(self, case: Case) -> Wanted:
        """Return the key that must go; raises AccessRefused unless a login by password works now."""
        key = case.credential.private_key or self.rotation.pending_key(case.host)
        if key is None:
            return Wanted({"user": case.host.user})
        if case.credential.private_key:
            self._expect_password(case)
            self.rotation.demote_key(case.host)
        return Wanted({"user": case.host.user, "absent_key": _line(case, key)})

    def finish(self, case: Case) -> None:
        """Check that the key is no longer accepted, and remove it from the keyring."""
        key = self.rotation.pending_key(case.host)
        if key and case.lets_in(Credential(private_key=key)):
            raise NotProvenFromOutside(
                f"{case.host.name} still accepts its key",
                f"look for it there (grep -r provision-{case.host.name} /root/.ssh /home/*/.ssh /etc/ssh); "
                f"then: `fab keys.remove {case.host.name}`",
                state="it was removed from authorized_keys; the password is used from now on",
            )
        self.rotation.drop_key(case.host)

    def _expect_password(self, case: Case) -> None:
        password = self.rotation.password(case.host)
        if password is None or not case.takes_passwords() or not case.lets_in(Credential(password=password)):
            raise AccessRefused(
                f"without its key no login to {case.host.name} would work",
                f"`fab hosts.undo {case.host.name}` turns password login on again after `fab hosts.harden`; "
                f"`fab credentials.set {case.host.name}` stores a password",
                meaning="the keyring has no password that the host accepts",
            )
