"""read, through the real ansible-inventory: what is accepted, what is refused and in which words."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import InventoryError, NothingSelected
from provision.inventory import Selection, host_values, read
from provision.settings import Settings

TWO = """
all:
  vars: {docker_engine_version: "28.5.2"}
  children:
    web:
      hosts:
        web1: {ansible_host: 192.0.2.1, private_address: 10.0.0.1}
        web10: {ansible_host: 192.0.2.10, ansible_port: 2222, ansible_user: ops, ansible_become: true}
    db:
      hosts:
        db1: {ansible_host: 10.0.0.9, jump_host: web1}
"""


def look(
    tmp_path: Path, text: str, limit: str = "all", via: str = "public", name: str = "hosts.yml"
) -> Selection:
    (tmp_path / name).write_text(text)
    settings = Settings((tmp_path / name,), tmp_path / "pins", tmp_path / "k", tmp_path / ".provision")
    return read(settings, limit=limit, via=via, environ=os.environ)


def one(tmp_path: Path, **values: object) -> Selection:
    lines = "".join(f"      {key}: {value}\n" for key, value in values.items())
    return look(tmp_path, f"all:\n  hosts:\n    web1:\n{lines or '      {}'}")


def test_hosts_carry_what_the_inventory_says(tmp_path: Path) -> None:
    selection = look(tmp_path, TWO)
    assert [host.name for host in selection.hosts] == ["db1", "web1", "web10"]
    web10 = selection.hosts[2]
    assert (web10.address, web10.port, web10.user, web10.become) == ("192.0.2.10", 2222, "ops", True)
    assert web10.groups == ("web",)
    assert web10.desired == {"docker_engine_version": "28.5.2"}


def test_an_ini_inventory_is_as_good(tmp_path: Path) -> None:
    selection = look(tmp_path, "[web]\nweb1 ansible_host=192.0.2.1 ansible_port=2200\n", name="hosts.ini")
    assert selection.hosts[0].port == 2200


def test_a_jump_host_outside_the_limit_is_passed_through(tmp_path: Path) -> None:
    selection = look(tmp_path, TWO, limit="db")
    assert [host.name for host in selection.hosts] == ["db1"]
    assert [host.name for host in selection.jumps] == ["web1"]


def test_via_private_takes_the_private_address(tmp_path: Path) -> None:
    assert look(tmp_path, TWO, limit="web1", via="private").hosts[0].address == "10.0.0.1"
    with pytest.raises(InventoryError, match="web10 has no private_address"):
        look(tmp_path, TWO, limit="web", via="private")


@pytest.mark.parametrize(("limit", "names"), [("web*:!web1", ["web10"]), ("db1,web1", ["db1", "web1"])])
def test_limits_are_ansible_patterns(tmp_path: Path, limit: str, names: list[str]) -> None:
    assert [host.name for host in look(tmp_path, TWO, limit=limit).hosts] == names


def test_a_limit_that_matches_nothing_names_what_exists(tmp_path: Path) -> None:
    with pytest.raises(NothingSelected, match="no host and no group is called wbe1") as caught:
        look(tmp_path, TWO, limit="wbe1")
    assert caught.value.failure.evidence == "hosts: db1, web1, web10; groups: db, web"


def test_an_empty_inventory_is_never_success(tmp_path: Path) -> None:
    with pytest.raises(NothingSelected, match="holds no host"):
        look(tmp_path, "all: {hosts: {}}\n")


@pytest.mark.parametrize(
    "text", ["all: [", "just words here: [", "all:\n  hosts:\n    a: {}\n  hosts:\n    b: {}\n", "- a\n- b\n"]
)
def test_a_broken_inventory_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InventoryError, match="cannot be read") as caught:
        look(tmp_path, text)
    assert caught.value.failure.evidence


def test_a_missing_inventory_is_an_error(tmp_path: Path) -> None:
    settings = Settings((tmp_path / "none.yml",), tmp_path, tmp_path, tmp_path)
    with pytest.raises(InventoryError, match="there is no inventory"):
        read(settings, environ=os.environ)


@pytest.mark.parametrize(
    ("key", "command"),
    [("ansible_password", "fab credentials.set web1,"),
     ("ansible_ssh_pass", "fab credentials.set web1,"),
     ("ansible_become_password", "fab credentials.set web1 --kind sudo,")],
)  # fmt: skip
def test_a_plain_password_is_refused_with_the_command_that_moves_it(
    tmp_path: Path, key: str, command: str
) -> None:
    with pytest.raises(InventoryError, match="password in plain text") as caught:
        one(tmp_path, **{key: "hunter2"})
    assert caught.value.failure.hint.startswith(command)
    assert "hunter2" not in repr(caught.value.failure)


@pytest.mark.parametrize(
    "key",
    ["ansible_ssh_executable", "ansible_ssh_args", "ansible_ssh_common_args", "ansible_shell_executable"],
)
def test_a_variable_that_changes_the_connection_is_refused_by_name(tmp_path: Path, key: str) -> None:
    with pytest.raises(InventoryError, match=f"web1 sets {key}, which is refused"):
        one(tmp_path, **{key: "/tmp/evil"})


@pytest.mark.parametrize(
    ("key", "value"),
    [("ansible_host", '"-oProxyCommand=touch /tmp/x"'), ("ansible_host", "192.0.2"),
     ("ansible_host", '"a;b"'), ("ansible_port", "0"), ("ansible_port", "70000"), ("ansible_port", "true"),
     ("ansible_user", '"-lroot"'), ("ansible_user", '"a b"'), ("ansible_become", "maybe"),
     ("host_key", "MD5:00"), ("jump_host", '"-x"'), ("docker_engine_version", "'{{ 7*7 }}'"),
     ("docker_engine_mirror", '"a\\u001bb"')],
)  # fmt: skip
def test_a_bad_value_is_refused_with_host_and_key(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(InventoryError, match=f"web1: {key} "):
        one(tmp_path, **{key: value})


def test_names_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="differ only in case"):
        look(tmp_path, "all: {hosts: {web1: {}, WEB1: {}}}\n")


def test_a_jump_host_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="web1 names the jump host bastion"):
        one(tmp_path, jump_host="bastion")


def test_a_circle_of_jump_hosts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="form a circle"):
        look(tmp_path, "all: {hosts: {a: {jump_host: b}, b: {jump_host: a}}}\n")


@given(st.text(min_size=1, max_size=80))
def test_a_name_that_passes_is_harmless_in_paths_patterns_and_configs(name: str) -> None:
    try:
        host_values.check_name(name)
    except InventoryError:
        return
    assert name.isascii()
    assert not set(name) & set(" /\\*?!\"'`$;&|<>(){}[]#%\n\r\t")
    assert name[0] not in "-."


@given(st.text(max_size=80))
def test_an_address_that_passes_is_never_an_option(text: str) -> None:
    try:
        host = host_values.host("web1", {"ansible_host": text}, (), "public")
    except InventoryError:
        return
    assert not host.address.startswith("-")
    assert not set(host.address) & set(" \n\t\"'`$;&|<>(){}%")


def test_a_jump_host_is_dialled_by_its_public_address(tmp_path: Path) -> None:
    text = """
all:
  hosts:
    front: {ansible_host: 192.0.2.1}
    back: {ansible_host: 192.0.2.2, private_address: 10.0.0.2, jump_host: front}
"""
    selection = look(tmp_path, text, limit="back", via="private")
    assert (selection.hosts[0].address, selection.jumps[0].address) == ("10.0.0.2", "192.0.2.1")


def test_a_group_in_two_groups_passes_on_both_the_nearest_first(tmp_path: Path) -> None:
    text = """
all:
  children:
    web: {hosts: {web1: {}}}
    eu: {children: {web: {}}}
    prod: {children: {eu: {}, web: {}}}
"""
    assert look(tmp_path, text).hosts[0].groups == ("web", "eu", "prod")
