"""Prove, with one attempt, that the login user can become root."""

from dataclasses import replace

from provision import errors
from provision.model import Credential, Host, Secret, Session, Status
from provision.ssh.broker import Broker
from provision.ssh.elevate import NO_PYTHON, NO_SUDO, OLD_PYTHON, sudo_true, wrap
from provision.ssh.remote import Completed, over_master

TIMEOUT_S = 30.0


def prove(session: Session, credential: Credential, broker: Broker) -> Session:
    """Return ``session`` as one that can run commands as root, with a token if sudo needs a password.

    Raises LoginFailed when the user is not root and the inventory does not ask for sudo, or when the host has
    no Python; SudoRefused when sudo refuses.
    """
    host, password = session.host, credential.sudo_password
    if host.user == "root":
        return session
    if not host.become:
        raise errors.LoginFailed(
            f"the login user of {host.name} is {host.user}, not root",
            f"set ansible_become: true for {host.name}, or ansible_user: root",
            kind="not-root",
            status=Status.REFUSED,
        )
    if password is None:
        elevated = wrap("", sudo=True)
        command, stdin = elevated.command, elevated.stdin
    else:
        command, stdin = sudo_true(), password.reveal().encode() + b"\n"
    answer = over_master(session, command, stdin=stdin, timeout_s=TIMEOUT_S)
    if answer.rc in (NO_PYTHON, OLD_PYTHON):
        raise _no_python(host, answer)
    if answer.rc == NO_SUDO:
        raise _no_sudo(host)
    if answer.rc != 0:
        raise _refused(host, answer, no_password=password is None)
    return replace(session, sudo_token=broker.grant(password, once=False) if password else None)


def takes(session: Session, password: Secret) -> bool:
    """Return whether sudo accepts this password on an open Session; one attempt."""
    stdin = password.reveal().encode() + b"\n"
    return over_master(session, sudo_true(), stdin=stdin, timeout_s=TIMEOUT_S).rc == 0


def _no_python(host: Host, answer: Completed) -> errors.LoginFailed:
    return errors.LoginFailed(
        f"{host.name} has no Python that could start sudo, or one that is too old",
        f"`fab hosts.shell {host.name}`, and there: sudo dnf install python3",
        evidence=answer.err.decode("utf-8", "replace").strip()[:200],
        kind="no-python",
        status=Status.REFUSED,
    )


def _no_sudo(host: Host) -> errors.SudoRefused:
    return errors.SudoRefused(
        f"sudo is not installed on {host.name}",
        f"install it there, or log in as root: set ansible_user: root for {host.name}",
    )


def _refused(host: Host, answer: Completed, *, no_password: bool) -> errors.SudoRefused:
    hint = f"`fab credentials.set {host.name} --kind sudo`"
    said = answer.err.decode("utf-8", "replace").strip().splitlines() or [""]
    if no_password:
        message = f"sudo on {host.name} asks for a password, and the keyring has none for it"
        return errors.SudoRefused(message, hint, evidence=said[-1][:200])
    return errors.SudoRefused(
        f"sudo on {host.name} did not accept {host.user}'s password",
        hint,
        evidence=said[0][:200],
        meaning="one attempt was made; the password is wrong, or this user may not use sudo",
    )
