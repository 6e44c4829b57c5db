"""Prove once, with one attempt, that the login user becomes root."""

from provision import errors
from provision.broker import Broker
from provision.elevate import sudo_true, wrap
from provision.model import Credential, Host, Session
from provision.remote import Completed, over_master

TIMEOUT_S = 30.0


def prove(session: Session, credential: Credential, broker: Broker) -> Session:
    """Give ``session`` as one that can act as root: with a token where sudo wants a password.

    Raises NotRoot when the inventory does not ask for sudo, SudoRefused when sudo does not agree.
    """
    host, password = session.host, credential.sudo_password
    if host.user == "root":
        return session
    if not host.become:
        raise errors.NotRoot(
            f"{host.name} is entered as {host.user}, who is not root",
            f"set ansible_become: true for {host.name}, or ansible_user: root",
        )
    if password is None:
        elevated = wrap("", sudo=True)
        command, stdin = elevated.command, elevated.stdin
    else:
        command, stdin = sudo_true(), password.reveal().encode() + b"\n"
    answer = over_master(session, command, stdin=stdin, timeout_s=TIMEOUT_S)
    if answer.rc != 0:
        raise _refused(host, answer, no_password=password is None)
    return Session(host, session.run_dir, broker.grant(password, once=False) if password else None)


def _refused(host: Host, answer: Completed, *, no_password: bool) -> errors.SudoRefused:
    hint = f"fab credentials.set {host.name} --kind sudo"
    said = answer.err.decode("utf-8", "replace").strip().splitlines() or [""]
    if no_password:
        message = f"sudo on {host.name} wants a password, and the keyring has none for it"
        return errors.SudoRefused(message, hint, evidence=said[-1][:200])
    return errors.SudoRefused(
        f"sudo on {host.name} did not accept {host.user}'s password",
        hint,
        evidence=said[0][:200],
        meaning="one attempt was made; the password is wrong, or this user may not use sudo",
    )
