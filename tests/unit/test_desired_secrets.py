"""{secret: NAME} in the inventory: which are taken, from where the text comes, and where it goes."""

import json

import pytest

from provision import desired, entrants
from provision.credentials.entries import Kind, NamedSecret, Owner, parse_sort, set_command, username
from provision.errors import InventoryError, UsageError
from provision.inventory import host_values
from provision.model import Host, Secret, Session
from provision.ssh import hostcode
from provision.ssh.answer import NoResult
from provision.ssh.broker import Broker
from provision.ssh.remote import from_row, named_secret, to_row

PROXIES = {"proxies": {"http-proxy": {"secret": "proxy"}, "https-proxy": {"secret": "proxy"}}}
LOGINS = {"r.example:5000": {"username": "ci", "password": {"secret": "registry"}}}


def checked(**values):
    return desired.checked("web1", {f"docker_engine_{key}": value for key, value in values.items()})


def test_their_names_are_found_wherever_they_stand():
    found = checked(daemon_options=PROXIES | {"x": [{"secret": "deep"}]}, registry_logins=LOGINS)
    assert desired.secret_names(found) == ("deep", "proxy", "registry")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mirror": {"secret": "x"}}, "has an invalid secret reference"),
        ({"daemon_options": {"a": {"secret": "../x"}}}, "has an invalid secret reference"),
        ({"daemon_options": {"a": {"secret": ["x"]}}}, "has an invalid secret reference"),
        ({"daemon_options": {"p": "http://user:swordfish@proxy:1"}}, "a password in plain text"),
        ({"registry_logins": {"r": {"username": "ci", "password": "swordfish"}}}, "a password in plain text"),
        ({"registry_logins": {"r": {"username": "ci"}}}, "registry_logins is refused"),
        ({"registry_logins": {"r\nx": LOGINS["r.example:5000"]}}, "registry_logins"),
        ({"registry_logins": ["r"]}, "registry_logins is refused"),
    ],
)
def test_a_misplaced_secret_reference_is_refused_without_its_text(values, words):
    with pytest.raises(InventoryError, match=words) as caught:
        checked(**values)
    failure = caught.value.failure
    assert "swordfish" not in failure.message + failure.hint + failure.evidence


def test_an_address_without_a_password_is_no_secret():
    assert checked(daemon_options={"proxies": {"http-proxy": "http://proxy:3128", "no-proxy": "a@b"}})


def test_the_keyring_has_it_under_its_own_name():
    assert parse_sort("secret/proxy") == NamedSecret("proxy")
    assert parse_sort("sudo") is Kind.SUDO
    assert username(Owner.everyone(), NamedSecret("proxy")) == "all/secret/proxy"
    assert set_command(Owner.host("web1"), NamedSecret("p")) == "`fab credentials.set web1 --kind secret/p`"
    for wrong in ("secret", "secret/", "secret/a/b", "secret/../x", "pin"):
        with pytest.raises(UsageError):
            parse_sort(wrong)


def test_a_worker_gets_it_from_the_broker_by_a_token_and_not_in_its_row(tmp_path):
    with Broker(tmp_path / "broker") as broker:
        token = broker.grant(Secret("swordfish"), once=False)
        row = to_row(Session(Host("web1", "192.0.2.1"), tmp_path, None, {"proxy": token}))
        session = from_row(row, tmp_path)
        assert named_secret(session, "proxy") == Secret("swordfish")
        assert named_secret(session, "another") is None
    assert "swordfish" not in json.dumps(row)


def test_the_checks_are_told_what_the_inventory_decides_and_no_secret(tmp_path):
    switches = {"live-restore": True, "no-new-privileges": None, "selinux-enabled": {"secret": "proxy"}}
    logs = {"max-size": "10m", "splunk-token": "swordfish", "max-file": {"secret": "registry"}}
    more = {"log-driver": "json-file", "log-opts": logs, "labels": ["swordfish"]}
    values = {
        "docker_engine_daemon_options": PROXIES | switches | more,
        "docker_engine_gpg_fingerprint": "AB" * 20,
        "docker_engine_registry_logins": LOGINS,
    }
    host = host_values.host("web1", values, (), "public")
    (entered,) = entrants._without_state((host,))
    assert desired.secret_names([entered.desired, host.decided]) == ()
    row = to_row(Session(host, tmp_path))
    written = json.dumps(row)
    assert not [word for word in ("swordfish", "proxy", "registry", "labels") if word in written]
    assert from_row(row, tmp_path).host.decided == {
        "docker_engine_daemon_options": {
            "live-restore": True,
            "no-new-privileges": None,
            "log-driver": "json-file",
            "log-opts": {"max-size": "10m"},
        },
        "docker_engine_gpg_fingerprint": "AB" * 20,
    }


@pytest.mark.parametrize("strange", [None, "log-opts", ["log-opts"], {"live-restore": [True]}])
def test_options_of_an_unknown_shape_decide_nothing(strange):
    assert desired.decided({"docker_engine_daemon_options": strange}) == {}


def test_the_plugin_puts_the_text_beside_the_name_in_a_copy():
    request = {"desired": {"daemon_options": PROXIES, "list": [{"secret": "x"}]}}
    resolved = hostcode.resolve(request, {"proxy": "p", "x": "y"}.get)
    assert resolved["desired"]["list"] == [{"secret": "x", "value": "y"}]
    assert resolved["desired"]["daemon_options"]["proxies"]["https-proxy"] == {
        "secret": "proxy",
        "value": "p",
    }
    assert "value" not in json.dumps(request)


def test_a_secret_that_nobody_knows_is_an_error_with_its_name():
    with pytest.raises(NoResult) as caught:
        hostcode.resolve({"a": {"secret": "proxy"}}, lambda _: None)
    error = caught.value.error
    assert error["kind"] == "no-secret"
    assert "{secret: proxy}" in error["message"]
