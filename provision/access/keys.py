"""A host entered by a key of its own, whose private half is in the keyring and in no file; and back."""

from provision import keypair
from provision.access.case import Case, Flow, Wanted
from provision.errors import AccessRefused, NotProvenFromOutside
from provision.model import Credential, Secret


def _line(case: Case, key: Secret) -> str:
    return f"{keypair.public(key)} provision-{case.host.name}"


class Install(Flow):
    """keys.install: pending until a login by nothing but the key has worked."""

    def begin(self, case: Case) -> Wanted:
        """Want the host's key there, a new one if it has none; raises where a key file is used already."""
        if case.credential.key_file:
            raise AccessRefused(
                f"{case.host.name} is entered by the key file {case.credential.key_file} already",
                f"`fab hosts.harden {case.host.name}`; "
                "or take ansible_ssh_private_key_file out, and try again",
            )
        return Wanted({"user": case.host.user, "key": _line(case, self._key(case))})

    def finish(self, case: Case) -> None:
        """Log in with the key alone, and use it from now on."""
        if not case.lets_in(Credential(private_key=self._key(case))):
            raise NotProvenFromOutside(
                f"{case.host.name} has the key, and does not let it in",
                f"on the host, journalctl -t sshd says why; then: `fab keys.install {case.host.name}`",
                meaning="the home directory may be writable by others, or sshd reads another file",
                state="the key is in authorized_keys and not used; the login of before works as before",
            )
        if case.credential.private_key is None:
            self.rotation.promote_key(case.host)

    def _key(self, case: Case) -> Secret:
        return case.credential.private_key or self.rotation.begin_key(case.host)


class Remove(Flow):
    """keys.remove: first the keyring stops to use the key, then the host."""

    def begin(self, case: Case) -> Wanted:
        """Want the key gone; raises unless a login by password has worked just now."""
        key = case.credential.private_key or self.rotation.pending_key(case.host)
        if key is None:
            return Wanted({"user": case.host.user})
        if case.credential.private_key:
            self._expect_password(case)
            self.rotation.demote_key(case.host)
        return Wanted({"user": case.host.user, "absent_key": _line(case, key)})

    def finish(self, case: Case) -> None:
        """See that the key opens nothing any more, and forget it."""
        key = self.rotation.pending_key(case.host)
        if key and case.lets_in(Credential(private_key=key)):
            raise NotProvenFromOutside(
                f"the key of {case.host.name} still lets in",
                f"look for it there (grep -r provision-{case.host.name} /root/.ssh /home/*/.ssh /etc/ssh); "
                f"then: `fab keys.remove {case.host.name}`",
                state="it is out of authorized_keys; from now on the password is used",
            )
        self.rotation.drop_key(case.host)

    def _expect_password(self, case: Case) -> None:
        password = self.rotation.password(case.host)
        if password is None or not case.takes_passwords() or not case.lets_in(Credential(password=password)):
            raise AccessRefused(
                f"without its key nobody would get into {case.host.name}",
                f"`fab hosts.undo {case.host.name}` brings password login back after `fab hosts.harden`; "
                f"`fab credentials.set {case.host.name}` stores a password",
                meaning="the keyring has no password that the host lets in",
            )
