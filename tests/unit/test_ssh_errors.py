"""What OpenSSH says becomes one typed error each; the texts are OpenSSH 9.2's own."""

import pytest

from provision.errors import UsageError
from provision.model import Credential, Host, HostKey, Secret
from provision.ssh.errors import explain, refuse_old_ssh

WEB1 = Host("web1", "192.0.2.1")
KEY = HostKey("web1", "ssh-ed25519", "AAAA")
BY_PASSWORD = Credential(password=Secret("x"))
BY_KEY = Credential(private_key=Secret("x"))


def test_a_key_is_given_up_only_where_a_password_lets_in():
    for methods, word in (("publickey,password", "credentials.forget"), ("publickey", "keep the key")):
        error = explain(WEB1, KEY, BY_KEY, f"root@192.0.2.1: Permission denied ({methods}).")
        assert word in error.failure.hint


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("ssh: connect to host 192.0.2.1 port 22: Connection refused", "connection-refused"),
        ("ssh: connect to host 192.0.2.1 port 22: Connection timed out", "no-answer"),
        ("ssh: connect to host 192.0.2.1 port 22: No route to host", "no-route"),
        ("ssh: connect to host 192.0.2.1 port 22: Network is unreachable", "no-route"),
        ("ssh: Could not resolve hostname web1: Name or service not known", "name-not-found"),
        ("ssh: Could not resolve hostname web1: Temporary failure in name resolution", "name-not-found"),
        ("Connection to 192.0.2.1 port 22 timed out", "silent"),
        ("Connection timed out during banner exchange\nConnection to 192.0.2.1 port 22 timed out", "silent"),
        ("kex_exchange_identification: Connection closed by remote host", "hung-up"),
        ("Connection closed by 192.0.2.1 port 22", "hung-up"),
        ("kex_exchange_identification: banner line contains invalid characters", "not-ssh"),
        ("kex_exchange_identification: No SSH version received in first 1024 lines from server", "not-ssh"),
        ("banner exchange: Connection to 192.0.2.1 port 22: invalid format", "not-ssh"),
        ("Unable to negotiate with 192.0.2.1 port 22: no matching host key type found.", "not-ssh"),
        ("root@192.0.2.1: Permission denied (publickey,password).", "login-refused"),
        ("Password change required but no TTY available.", "password-expired"),
        ("provision: prompt refused: Verification code: \nPermission denied", "password-expired"),
        (
            "provision: prompt refused: Enter passphrase for key '/k': \nPermission denied",
            "missing-credential",
        ),
        ("provision: asked again: Password: ", "login-refused"),
        ("provision: askpass failed: [Errno 2] No such file or directory", "askpass-failed"),
        ("ssh_askpass: exec(/run/x/askpass): Permission denied\nPermission denied", "askpass-failed"),
        ("Host key verification failed.", "changed-host-key"),
        ("something new", "unreachable"),
    ],
)
def test_each_cause_has_its_own_kind(said: str, kind: str) -> None:
    failure = explain(WEB1, KEY, BY_PASSWORD, said).failure
    assert failure.kind == kind
    assert "web1" in failure.message + failure.hint


def test_a_changed_key_shows_both_fingerprints() -> None:
    offered = "SHA256:" + "a" * 43
    said = f"REMOTE HOST IDENTIFICATION HAS CHANGED!\nThe fingerprint is\n{offered}.\n"
    evidence = explain(WEB1, KEY, BY_PASSWORD, said).failure.evidence
    assert evidence == f"pinned {KEY.fingerprint}, offered {offered}"


@pytest.mark.parametrize("version", ["OpenSSH_8.3p1 Debian-1", "OpenSSH_7.4p1", "", "dropbear"])
def test_an_old_ssh_is_refused_with_advice(version: str) -> None:
    with pytest.raises(UsageError, match=r"no OpenSSH 8\.4 or newer"):
        refuse_old_ssh(version)


@pytest.mark.parametrize("version", ["OpenSSH_8.4p1 Debian-5", "OpenSSH_9.2p1", "OpenSSH_10.0p2"])
def test_a_newer_ssh_is_good(version: str) -> None:
    refuse_old_ssh(version)
