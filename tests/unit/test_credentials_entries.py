"""How secrets are named, and which text may be one."""

import json
import traceback

import pytest

from provision.credentials.entries import Kind, Owner, flaw, owners, set_command, username
from provision.errors import UsageError
from provision.model import Host, Secret


def test_an_entry_is_named_by_scope_name_and_kind():
    assert username(Owner.host("web1"), Kind.PASSWORD) == "host/web1/password"
    assert username(Owner.group("web"), Kind.SUDO) == "group/web/sudo"
    assert username(Owner.everyone(), Kind.PASSPHRASE) == "all/passphrase"


def test_the_group_all_is_everyone():
    assert Owner.group("all") == Owner.everyone()


def test_what_a_person_types_names_an_owner():
    typed = {"web1": "host/web1", "host/web1": "host/web1", "group/web": "group/web", "group/all": "all"}
    assert {text: str(Owner.parse(text)) for text in typed} == typed
    assert Owner.parse("all") == Owner.everyone()


@pytest.mark.parametrize("text", ["", "group/", "user/web1", "group/a/b", "/web1"])
def test_what_names_no_owner_is_refused(text):
    with pytest.raises(UsageError):
        Owner.parse(text)


@pytest.mark.parametrize("name", ["", "-x", "a/b", "a b", "a\n", "../x", "x" * 64, "web1'] | //*", "é"])
def test_a_name_that_no_host_can_have_is_refused(name):
    with pytest.raises(UsageError):
        Owner.host(name)


def test_the_nearest_owner_comes_first():
    host = Host("web1", "192.0.2.1", groups=("blue", "web", "all"))
    assert [str(owner) for owner in owners(host)] == ["host/web1", "group/blue", "group/web", "all"]


def test_the_command_names_owner_and_kind():
    assert set_command(Owner.host("web1")) == "`fab credentials.set web1`"
    assert set_command(Owner.group("web"), Kind.SUDO) == "`fab credentials.set group/web --kind sudo`"
    assert set_command(Owner.everyone()) == "`fab credentials.set all`"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        " both ends ",
        "tab\tinside",
        "quotes ' \" and \\",
        "% $ # ; & | `id`",
        "{{ 7*7 }}",
        "emoji 🐙",
        "ימין לשמאל",
        "x" * 1023,
        "é" * 511,
    ],
)
def test_ordinary_and_odd_text_may_be_a_secret(text):
    assert flaw(Secret(text)) == ""


@pytest.mark.parametrize(
    "text",
    ["", "x" * 1024, "é" * 512, "a\nb", "a\rb", "a\x00b", "\x1b[31m", "bell\x07", "\x7f", "\x85", "\udcff"],
)
def test_empty_long_and_control_text_is_refused(text):
    assert flaw(Secret(text)) != ""


def test_a_secret_shows_itself_nowhere():
    secret = Secret("canary-3f9")
    try:
        json.dumps({"password": secret})
    except TypeError as error:
        shown = "".join(traceback.format_exception(error))
    assert "canary-3f9" not in f"{secret} {secret!r} {[secret]} {shown}"
