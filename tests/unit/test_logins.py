"""The witness from outside, against servers of its own on this machine's loopback."""

import contextlib
import gc
import io
import logging
import socket
import sys
import threading
import time
from dataclasses import replace

import paramiko
import pytest

from provision import keypair
from provision.errors import (
    ChangedHostKey,
    ConnectionRefused,
    MissingCredential,
    NameNotFound,
    NoAnswer,
    NoRoute,
    SilentHost,
    Unreachable,
)
from provision.model import Credential, Host, HostKey, Secret
from provision.ssh import witness
from provision.ssh.witness import can_login, fetch_key, fetch_keys, ways_in

SHORT_S = 1.0
RSA, ECDSA = paramiko.RSAKey.generate(2048), paramiko.ECDSAKey.generate()


class Door(paramiko.ServerInterface):
    """Lets in one user with one password or one key, and counts what it is asked."""

    def __init__(self, password, keys=()):
        self.password, self.keys, self.asked = password, keys, []

    def get_allowed_auths(self, username):
        return "password,publickey"

    def check_auth_password(self, username, password):
        self.asked.append((username, password))
        right = (username, password) == ("root", self.password)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username, key):
        self.asked.append((username, key.get_name()))
        return paramiko.AUTH_SUCCESSFUL if key in self.keys else paramiko.AUTH_FAILED


@contextlib.contextmanager
def listening(answer):
    """Answer each connection on a free port with ``answer``; return the port."""
    server = socket.create_server(("127.0.0.1", 0))
    open_ones = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                open_ones.append(connection)
                answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)
        for connection in open_ones:
            connection.close()


@contextlib.contextmanager
def ssh_server(door, *host_keys):
    """Run a real SSH server behind ``door``."""
    transports = []

    def answer(connection):
        transport = paramiko.Transport(connection)
        transports.append(transport)
        for host_key in host_keys:
            transport.add_server_key(host_key)
        with contextlib.suppress(paramiko.SSHException, EOFError):
            transport.start_server(event=threading.Event(), server=door)

    try:
        with listening(answer) as port:
            yield port
    finally:
        for transport in transports:
            transport.close()


@pytest.fixture
def door():
    return Door("right one")


@pytest.fixture
def port(door):
    with ssh_server(door, RSA, ECDSA) as number:
        yield number


def host(port, address="127.0.0.1"):
    return Host("web1", address, port=port)


def pin(key):
    return HostKey("web1", key.get_name(), key.get_base64())


def test_the_key_is_fetched_before_any_login(port, door):
    key = fetch_key(host(port))
    assert (key.name, key.type, key.key) == ("web1", ECDSA.get_name(), ECDSA.get_base64())
    assert key.trust == "tofu"
    assert door.asked == []


def test_the_fingerprint_is_the_one_that_openssh_shows(port):
    assert fetch_key(host(port)).fingerprint == ECDSA.fingerprint


def test_an_rsa_key_is_taken_when_there_is_no_better(door):
    with ssh_server(door, RSA) as port:
        assert fetch_key(host(port)).type == "ssh-rsa"


def test_each_type_of_key_is_given_the_best_first_and_no_login_is_tried(port, door):
    assert [key.type for key in fetch_keys(host(port))] == [ECDSA.get_name(), "ssh-rsa"]
    assert door.asked == []


def test_the_next_type_is_asked_for_only_when_it_is_wanted(port):
    dialled = []

    def dial():
        dialled.append(1)
        return socket.create_connection(("127.0.0.1", port))

    keys = fetch_keys(host(1, "198.51.100.1"), dial)
    assert next(keys).type == ECDSA.get_name()
    assert len(dialled) == 1


def test_any_of_the_pinned_keys_lets_a_login_through(door):
    both = replace(pin(ECDSA), others=(pin(RSA),))
    with ssh_server(door, RSA) as port:
        assert can_login(host(port), both, Credential(password=Secret("right one")))


def test_an_open_way_is_used_instead_of_dialling(port):
    with socket.create_connection(("127.0.0.1", port)) as sock:
        assert fetch_key(host(1, "198.51.100.1"), sock).key == ECDSA.get_base64()


def test_a_closed_port_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefused, match=f"127.0.0.1:{port}") as caught:
        fetch_key(host(port))
    assert caught.value.failure.hint.endswith("start sshd; then: fab hosts.ping web1")


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (TimeoutError("timed out"), NoAnswer),
        (OSError(113, "No route to host"), NoRoute),
        (OSError(101, "Network is unreachable"), NoRoute),
        (socket.gaierror(-2, "Name or service not known"), NameNotFound),
        (UnicodeError("label too long"), NameNotFound),
    ],
)
def test_each_cause_of_no_connection_is_its_own_error(monkeypatch, raised, kind):
    def fail(*_):
        raise raised

    monkeypatch.setattr(witness.socket, "create_connection", fail)
    with pytest.raises(kind) as caught:
        fetch_key(host(22))
    assert type(caught.value) is kind


def test_an_open_port_that_says_nothing_is_silent():
    with listening(lambda _: None) as port, pytest.raises(SilentHost, match="no SSH answer comes"):
        fetch_key(host(port), timeout_s=SHORT_S)


def test_a_banner_and_then_nothing_is_silent():
    greet = lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")  # noqa: E731
    with listening(greet) as port:
        with pytest.raises(SilentHost):
            fetch_key(host(port), timeout_s=SHORT_S)
        with pytest.raises(SilentHost):
            can_login(host(port), pin(RSA), Credential(password=Secret("x")), timeout_s=SHORT_S)


def test_a_port_that_closes_at_once_is_told():
    hang_up = lambda connection: connection.close()  # noqa: E731
    with listening(hang_up) as port, pytest.raises(Unreachable, match="closed the connection"):
        fetch_key(host(port), timeout_s=SHORT_S)


def test_something_else_than_ssh_is_told():
    speak = lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 120)  # noqa: E731
    with listening(speak) as port, pytest.raises(Unreachable, match="does not speak SSH"):
        fetch_key(host(port), timeout_s=SHORT_S)


def test_a_banner_without_an_end_is_told_in_time():
    def pour(connection):
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"A" * 65536)

    started = time.monotonic()
    with listening(pour) as port, pytest.raises(Unreachable):
        fetch_key(host(port), timeout_s=SHORT_S)
    assert time.monotonic() - started < 5 * SHORT_S


def test_the_right_password_gets_in(port):
    assert can_login(host(port), pin(ECDSA), Credential(password=Secret("right one")))


def test_a_wrong_password_does_not_and_is_tried_once(port, door):
    assert not can_login(host(port), pin(ECDSA), Credential(password=Secret("wrong one")))
    assert door.asked == [("root", "wrong one")]


def test_the_pinned_type_is_asked_for(port):
    assert can_login(host(port), pin(RSA), Credential(password=Secret("right one")))


def test_another_key_is_refused_with_both_fingerprints_and_nothing_is_sent(port, door):
    other = paramiko.ECDSAKey.generate()
    with pytest.raises(ChangedHostKey) as caught:
        can_login(host(port), pin(other), Credential(password=Secret("right one")))
    evidence = caught.value.failure.evidence
    assert f"offered {ECDSA.fingerprint}" in evidence
    assert f"pinned {other.fingerprint}" in evidence
    assert door.asked == []


def test_a_key_file_with_a_passphrase_gets_in(tmp_path, door, port):
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(tmp_path / "id", password="opens it")
    door.keys = (key,)
    credential = Credential(key_file=tmp_path / "id", passphrase=Secret("opens it"))
    assert can_login(host(port), pin(ECDSA), credential)
    door.keys = ()
    assert not can_login(host(port), pin(ECDSA), credential)


@pytest.mark.parametrize("passphrase", [None, Secret("wrong")])
def test_a_key_file_that_does_not_open_is_told_and_nothing_is_sent(tmp_path, door, port, passphrase):
    paramiko.ECDSAKey.generate().write_private_key_file(tmp_path / "id", password="opens it")
    credential = Credential(key_file=tmp_path / "id", passphrase=passphrase)
    with pytest.raises(MissingCredential, match="does not open"):
        can_login(host(port), pin(ECDSA), credential)
    assert door.asked == []


def test_an_agent_without_keys_is_told(monkeypatch, port):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(MissingCredential, match="agent"):
        can_login(host(port), pin(ECDSA), Credential())


def test_the_persons_ssh_files_are_not_read(tmp_path, monkeypatch, port, door):
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(ssh / "id_ecdsa")
    (ssh / "config").write_text("Host *\n  User someone\n  Port 1\n  ProxyCommand false\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    door.keys = (key,)
    assert not can_login(host(port), pin(ECDSA), Credential(password=Secret("wrong one")))
    assert door.asked == [("root", "wrong one")]


def test_a_connection_cut_in_the_login_is_no_refusal():
    class Cutting(Door):
        def check_auth_password(self, username, password):
            self.transport.close()
            return paramiko.AUTH_FAILED

    cutting = Cutting("x")

    def answer(connection):
        cutting.transport = paramiko.Transport(connection)
        cutting.transport.add_server_key(ECDSA)
        cutting.transport.start_server(event=threading.Event(), server=cutting)

    with listening(answer) as port, pytest.raises(Unreachable, match="closed the connection"):
        can_login(host(port), pin(ECDSA), Credential(password=Secret("x")))


def test_a_login_without_an_answer_is_no_refusal():
    release = threading.Event()

    class Waiting(Door):
        def check_auth_password(self, username, password):
            release.wait(5)
            return paramiko.AUTH_FAILED

    with ssh_server(Waiting("x"), ECDSA) as port:
        try:
            with pytest.raises(SilentHost):
                can_login(host(port), pin(ECDSA), Credential(password=Secret("x")), timeout_s=SHORT_S)
        finally:
            release.set()


def counts(secret):
    gc.collect()
    return sys.getrefcount(secret), sys.getrefcount(secret._text)


@pytest.mark.parametrize("text", ["right one, canary", "wrong one, canary"])
def test_nothing_holds_the_secret_when_the_connection_is_closed(door, port, text):
    door.password = "right one, canary"
    secret = Secret(text)
    before = counts(secret)
    can_login(host(port), pin(ECDSA), Credential(password=secret))
    door.asked.clear()
    end = time.monotonic() + 5
    while counts(secret) != before and time.monotonic() < end:
        time.sleep(0.05)
    assert counts(secret) == before


def timers():
    return {each for each in threading.enumerate() if isinstance(each, threading.Timer)}


def test_a_silent_host_does_not_hold_up_the_exit():
    # the servers of other tests, which are in this process too, may have some
    before = timers()
    greet = lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")  # noqa: E731
    with listening(greet) as port, pytest.raises(SilentHost):
        fetch_key(host(port), timeout_s=SHORT_S)
    time.sleep(0.2)
    assert not timers() - before


def test_no_log_of_the_libraries_holds_the_secret(caplog, port):
    caplog.set_level(logging.DEBUG)
    can_login(host(port), pin(ECDSA), Credential(password=Secret("canary-77")))
    assert "Authentication" in caplog.text
    assert "canary-77" not in caplog.text


def test_a_login_that_wants_a_second_factor_is_not_in():
    class Doubting(Door):
        def check_auth_password(self, username, password):
            return paramiko.AUTH_PARTIALLY_SUCCESSFUL

    with ssh_server(Doubting("x"), ECDSA) as port:
        assert not can_login(host(port), pin(ECDSA), Credential(password=Secret("x")))


def test_nothing_is_written_to_the_terminal(capfd, port):
    can_login(host(port), pin(ECDSA), Credential(password=Secret("wrong one")))
    with listening(lambda connection: connection.close()) as closing, pytest.raises(Unreachable):
        fetch_key(host(closing), timeout_s=SHORT_S)
    assert capfd.readouterr() == ("", "")


def test_a_host_says_which_ways_in_it_offers_and_is_sent_no_secret(port, door):
    assert set(ways_in(host(port), pin(ECDSA), timeout_s=SHORT_S)) == {"password", "publickey"}
    assert door.asked == []


def test_a_key_of_the_keyring_lets_in(port, door):
    key, other = keypair.generate(), keypair.generate()
    door.keys = [paramiko.Ed25519Key.from_private_key(io.StringIO(keypair.pem(key)))]
    assert can_login(host(port), pin(ECDSA), Credential(private_key=key), timeout_s=SHORT_S)
    assert not can_login(host(port), pin(ECDSA), Credential(private_key=other), timeout_s=SHORT_S)
