"""Turn the messages of OpenSSH about a failed connection into typed errors."""

import re
from dataclasses import dataclass, replace

from provision import errors
from provision.errors import ProvisionError
from provision.model import Credential, Host, HostKey, Status
from provision.ssh.askpass import ASKED_AGAIN, FAILED, REFUSED
from provision.ssh.config import CONNECT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class _Word:
    pattern: str
    error: type[ProvisionError]
    message: str
    meaning: str
    hint: str
    kind: str = ""
    status: Status | None = None


OLDEST_SSH = (8, 4)
_LONGEST_EVIDENCE = 200
_PING = "`fab hosts.ping {name}`"

# The first match wins. The texts are those of OpenSSH 8.4 to 10.0.
_WORDS = (
    _Word(
        re.escape(REFUSED) + r".*passphrase",
        errors.MissingCredential,
        "the key file of {name} has a passphrase, and the keyring has none for it",
        "nothing was sent to the host",
        "`fab credentials.set {name} --kind passphrase`",
    ),
    _Word(
        r"password has expired|Password change required|" + re.escape(REFUSED),
        errors.LoginFailed,
        "{name} asks for something other than the password: a new password, or a one-time code",
        "the password has expired, or a second factor is required; no answer was sent",
        "log in once by hand (ssh -p {port} {user}@{address}), set a new password, "
        "then: `fab credentials.set {name}`",
        "password-expired",
        Status.REFUSED,
    ),
    _Word(
        re.escape(ASKED_AGAIN),
        errors.LoginRefused,
        "{name} asked for the {secret} of {user} a second time",
        "the {secret} is wrong, or the host asks for two; one attempt was made, and no empty answer was sent",
        "{cure}",
    ),
    _Word(
        re.escape(FAILED) + r"|ssh_askpass: ",
        errors.LoginFailed,
        "the password of {name} could not be handed to ssh",
        "the controller failed, not the host: it is out of memory or of processes",
        _PING,
        "askpass-failed",
    ),
    _Word(
        r"no such identity|Load key .*(No such file|Permission denied|invalid format)",
        errors.LoginRefused,
        "the key file of {name} cannot be read",
        "ansible_ssh_private_key_file names no readable private key",
        "correct ansible_ssh_private_key_file of {name} in the inventory",
    ),
    _Word(
        r"Permission denied",
        errors.LoginRefused,
        "{name} refused the login of {user}",
        "the {secret} is wrong, or this way of login is off on the host; one attempt was made",
        "{cure}",
    ),
    _Word(
        r"Too many authentication failures|Received disconnect",
        errors.LoginRefused,
        "{name} ended the login of {user}",
        "the host limits attempts, or the account is closed",
        _PING,
    ),
)

# The same for unreachable hosts.
_UNREACHABLE: tuple[tuple[str, type[errors.Unreachable]], ...] = (
    (
        r"timed out during banner exchange|Timeout, server .* not responding|Connection to .* timed out",
        errors.SilentHost,
    ),
    (r"Connection refused", errors.ConnectionRefused),
    (r"Could not resolve hostname|Name or service not known", errors.NameNotFound),
    (r"No route to host|Network is unreachable", errors.NoRoute),
    (r"timed out", errors.NoAnswer),
    (
        r"banner line|Bad packet|: invalid format|Protocol error|No SSH version received|"
        r"no matching \w+|Unable to negotiate",
        errors.NotSsh,
    ),
    (r"kex_exchange_identification|Connection (closed|reset)", errors.HungUp),
)

# The controller's DNS did not answer; the name may be valid.
_NO_DNS = "Temporary failure in name resolution"

_OFFERED = re.compile(r"(SHA256:[A-Za-z0-9+/=]{43})")
_METHODS = re.compile(r"Permission denied \(([\w,.-]*)\)")


def explain(host: Host, key: HostKey, credential: Credential, stderr: str) -> ProvisionError:
    """Return the typed error for ssh's output about ``host``; it shows the pin when keys differ."""
    if "HOST IDENTIFICATION HAS CHANGED" in stderr or "Host key verification failed" in stderr:
        found = _OFFERED.search(stderr)
        offered = found.group(1) if found else "a key of another type"
        return errors.ChangedHostKey.than_pinned(host.name, key.fingerprint, offered)
    for word in _WORDS:
        if re.search(word.pattern, stderr):
            return _typed(word, host, credential, stderr)
    for pattern, error in _UNREACHABLE:
        if re.search(pattern, stderr):
            return error.of(host, _line_with(pattern, stderr), after_s=CONNECT_TIMEOUT_S)
    return errors.Unreachable.of(host, _line_with(r"\S", stderr))


def may_pass(error: ProvisionError) -> bool:
    """Return whether a retry may succeed: the host was not reached, so no login was refused."""
    return isinstance(error, (errors.ConnectionRefused, errors.NoAnswer)) or (
        isinstance(error, errors.NameNotFound) and _NO_DNS in error.failure.evidence
    )


def tried(error: ProvisionError, times: int) -> ProvisionError:
    """Return ``error`` with the number of attempts."""
    if times > 1:
        error.failure = replace(error.failure, message=f"{error.failure.message}, {times} tries")
    return error


def endless(host: Host, said: str) -> ProvisionError:
    """Return the error of a host that prints endless output at login; ``said`` is its beginning."""
    return errors.LoginFailed(
        f"{host.name} prints endless output when {host.user} logs in",
        f"ssh -p {host.port} {host.user}@{host.address}; look at sshd's Banner, "
        "/etc/profile.d and ~/.bashrc there",
        meaning="the rest was not read, and nothing was done on the host",
        evidence=_line_with(r"\S", said[:_LONGEST_EVIDENCE]),
        kind="endless-output",
    )


def no_shell(host: Host, said: str) -> ProvisionError:
    """Return the error of a login that succeeded and ended at once; ``said`` is what was printed."""
    return errors.LoginFailed(
        f"{host.user}'s login on {host.name} ended before a command could run",
        f"on {host.name}: give {host.user} a shell (usermod --shell /bin/bash {host.user}), "
        "and look at its start files",
        meaning="the password or key was accepted; the account has no shell, or a start file ends it",
        evidence=_line_with(r"\S", said),
        kind="no-shell",
    )


def wrong_passphrase(host: Host) -> ProvisionError:
    """Return the error of a key file with another passphrase than the keyring has.

    ssh prints nothing about it: it asked for the passphrase, and could not sign.
    """
    return errors.LoginRefused(
        f"the key file of {host.name} does not open",
        f"`fab credentials.set {host.name} --kind passphrase`",
        meaning="the passphrase in the keyring is not the one of this key",
    )


def _typed(word: _Word, host: Host, credential: Credential, stderr: str) -> ProvisionError:
    values = {
        "name": host.name,
        "user": host.user,
        "address": host.address,
        "port": host.port,
        "secret": "key" if credential.key_file or not credential.password else "password",
        "cure": _cure(host, credential, stderr),
    }
    return word.error(
        word.message.format(**values),
        word.hint.format(**values),
        meaning=word.meaning.format(**values),
        evidence=_line_with(word.pattern, stderr),
        kind=word.kind,
        status=word.status,
    )


def _cure(host: Host, credential: Credential, stderr: str) -> str:
    if not credential.private_key:
        return f"`fab credentials.set {host.name}`"
    methods = _METHODS.search(stderr)
    if methods and {"password", "keyboard-interactive"}.intersection(methods[1].split(",")):
        return (
            f"`fab credentials.forget {host.name} --kind private-key`, then: `fab keys.install {host.name}`"
        )
    return (
        "the host accepts no password, so keep the key; on the provider's console: journalctl -t sshd, "
        f"and authorized_keys of {host.user}"
    )


def _line_with(pattern: str, text: str) -> str:
    """Return the last line of ``text`` that matches ``pattern``, truncated."""
    lines = [line.strip() for line in text.splitlines() if re.search(pattern, line)]
    return lines[-1][:_LONGEST_EVIDENCE] if lines else ""


def refuse_old_ssh(version: str) -> None:
    """Raise UsageError unless ``version`` is OpenSSH 8.4 or newer, which added SSH_ASKPASS_REQUIRE."""
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", version)
    if not found or (int(found[1]), int(found[2])) < OLDEST_SSH:
        raise errors.UsageError(
            "this controller has no OpenSSH 8.4 or newer",
            "install a newer OpenSSH client, or run this from a newer machine",
            evidence=_line_with(r"\S", version),
        )
