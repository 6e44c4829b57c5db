"""Storing over what is stored: only when somebody agrees, and the old value is kept."""

import io
import os
import pty
import subprocess
import sys
from dataclasses import replace as changed
from pathlib import Path

import pytest

from provision.credentials import Kind, Owner, held, init, master, parse_sort, previous, store
from provision.credentials.book import Book
from provision.credentials.kdbx import KdbxKeyring
from provision.credentials.vault import Vault
from provision.errors import KeyringError, UsageError
from provision.model import Secret
from provision.settings import Settings
from provision.workflows import consent, moving, owners, project, storing
from provision.workflows.moving import ImportOptions
from provision.workflows.owners import expect_known
from provision.workflows.storing import SetOptions
from tests.unit.keyrings import cheap_blank

WEB1, WEB2 = Owner.host("web1"), Owner.host("web2")
OLD, NEW = Secret("old one"), Secret("new one")
BY_STDIN = SetOptions(from_stdin=True)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setattr(Book, "blank", cheap_blank)
    monkeypatch.setattr(master, "_taken", {master.VARIABLE: "a master password"})
    monkeypatch.setattr(master, "_ask", lambda _: "a master password")
    monkeypatch.setattr(sys, "argv", ["fab", "credentials.set", "web1", "--inventory", "x.yml"])
    ready = Settings(
        inventory=(tmp_path / "no-inventory.yml",),
        pins=tmp_path / "known_hosts",
        keyring_file=tmp_path / "shop" / "keyring.kdbx",
        state_dir=tmp_path / ".provision",
        keyring="kdbx",
    )
    init(ready)
    return ready


@pytest.fixture
def given(monkeypatch):
    """Return a function that puts a text on standard input."""

    def give(text):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return give


@pytest.fixture
def asked(monkeypatch):
    """The questions that a person is asked; the answer is the last item that is put in, by default yes."""
    questions = []
    answers = [True]

    def confirm(question, word="yes"):
        questions.append(question)
        return answers[-1]

    monkeypatch.setattr(consent, "confirm", confirm)
    return questions, answers


def interactive(settings):
    return changed(settings, interactive=True)


def test_a_new_secret_is_stored_unasked(settings, given, asked, capsys):
    given("new one\n")
    storing.one(interactive(settings), WEB1, Kind.PASSWORD, BY_STDIN)
    assert held(settings, WEB1, Kind.PASSWORD) == NEW
    assert asked[0] == []
    assert capsys.readouterr().out == "stored the password of host/web1\n"


@pytest.mark.parametrize("word", ["password", "sudo", "passphrase", "secret/proxy"])
def test_another_value_is_replaced_after_a_yes_and_kept_as_previous(settings, given, asked, capsys, word):
    sort = parse_sort(word)
    store(settings, WEB1, sort, OLD)
    given("new one\n")
    storing.one(interactive(settings), WEB1, sort, BY_STDIN)
    assert asked[0] == [f"This replaces the stored {word} of host/web1; the old one is kept as previous."]
    assert held(settings, WEB1, sort) == NEW
    assert held(settings, WEB1, previous(sort)) == OLD
    said = capsys.readouterr().out
    assert said.startswith(f"replaced the {word} of host/web1; the old one is kept as previous-{word}")
    assert "--inventory x.yml" in said


def test_without_a_yes_nothing_is_replaced(settings, given, asked):
    store(settings, WEB1, Kind.PASSWORD, OLD)
    asked[1].append(False)
    given("new one\n")
    with pytest.raises(UsageError, match="nothing was stored"):
        storing.one(interactive(settings), WEB1, Kind.PASSWORD, BY_STDIN)
    assert held(settings, WEB1, Kind.PASSWORD) == OLD
    assert held(settings, WEB1, Kind.PREVIOUS_PASSWORD) is None


def test_without_a_terminal_the_flag_is_named_that_replaces(settings, given, asked):
    store(settings, WEB1, Kind.PASSWORD, OLD)
    given("new one\n")
    with pytest.raises(UsageError) as refused:
        storing.one(settings, WEB1, Kind.PASSWORD, BY_STDIN)
    assert "fab credentials.set web1 --stdin --replace" in refused.value.failure.hint
    assert held(settings, WEB1, Kind.PASSWORD) == OLD
    given("new one\n")
    storing.one(settings, WEB1, Kind.PASSWORD, SetOptions(from_stdin=True, replace=True))
    assert (held(settings, WEB1, Kind.PASSWORD), asked[0]) == (NEW, [])
    assert held(settings, WEB1, Kind.PREVIOUS_PASSWORD) == OLD


def test_the_same_value_is_called_unchanged(settings, given, asked, capsys):
    store(settings, WEB1, Kind.PASSWORD, NEW)
    given("new one\n")
    storing.one(settings, WEB1, Kind.PASSWORD, BY_STDIN)
    assert "unchanged: the password of host/web1" in capsys.readouterr().out
    assert held(settings, WEB1, Kind.PREVIOUS_PASSWORD) is None


def test_the_previous_one_is_brought_back_and_back_again(settings, asked):
    store(settings, WEB1, Kind.PASSWORD, OLD)
    store(settings, WEB1, Kind.PASSWORD, NEW)
    for now, before in ((OLD, NEW), (NEW, OLD)):
        storing.one(settings, WEB1, Kind.PASSWORD, SetOptions(previous=True))
        assert held(settings, WEB1, Kind.PASSWORD) == now
        assert held(settings, WEB1, Kind.PREVIOUS_PASSWORD) == before
    with pytest.raises(UsageError, match="no previous password of host/web2"):
        storing.one(settings, WEB2, Kind.PASSWORD, SetOptions(previous=True))


@pytest.mark.parametrize("kind", [Kind.PRIVATE_KEY, Kind.PENDING_PASSWORD, Kind.PREVIOUS_SUDO])
def test_what_nobody_else_knows_is_not_replaced(settings, kind):
    store(settings, WEB1, kind, OLD)
    store(settings, WEB1, kind, OLD)
    with pytest.raises(UsageError, match="nothing was stored") as refused:
        store(settings, WEB1, kind, NEW)
    assert f"fab credentials.forget web1 --kind {kind}" in refused.value.failure.hint
    assert held(settings, WEB1, kind) == OLD


def test_a_secret_is_not_read_from_a_terminal_that_shows_it(settings, monkeypatch):
    person, program = pty.openpty()
    os.write(person, b"new one\n")
    monkeypatch.setattr(sys, "stdin", os.fdopen(program))
    with pytest.raises(UsageError) as refused:
        storing.one(interactive(settings), WEB1, Kind.PASSWORD, BY_STDIN)
    assert "leave out --stdin" in refused.value.failure.hint
    assert held(settings, WEB1, Kind.PASSWORD) is None


@pytest.mark.parametrize("word", ["private-key", "previous-password", "previous-secret/proxy"])
def test_the_only_copy_is_removed_after_a_yes(settings, asked, word):
    sort = parse_sort(word)
    store(settings, WEB1, sort, OLD)
    asked[1].append(False)
    with pytest.raises(UsageError, match="nothing was removed"):
        storing.expect_loss_agreed(interactive(settings), WEB1, sort)
    asked[1].append(True)
    storing.expect_loss_agreed(interactive(settings), WEB1, sort)
    question = f"This removes the only copy of the {word} of host/web1; it is not kept as previous."
    assert asked[0] == [question, question]


def test_what_can_be_stored_again_and_what_is_not_there_is_not_asked_about(settings, asked):
    store(settings, WEB1, Kind.SUDO, OLD)
    for kind in (Kind.SUDO, Kind.PRIVATE_KEY):
        storing.expect_loss_agreed(settings, WEB1, kind)
    assert asked[0] == []


def table(given, monkeypatch, text):
    given(text)
    monkeypatch.setattr(moving, "_behind_stdin", tuple)


def test_an_import_asks_once_for_all_that_it_replaces_and_names_no_secret(
    settings, given, asked, capsys, monkeypatch
):
    for owner in (WEB1, WEB2):
        store(settings, owner, Kind.PASSWORD, OLD)
    table(given, monkeypatch, "web1,new one\nweb2,new one\nweb3,third\n")
    assert moving.from_table(interactive(settings), ImportOptions()) == 0
    assert asked[0] == [
        "This replaces 2 stored secrets: host/web1, host/web2; the old ones are kept as previous."
    ]
    assert held(settings, WEB2, Kind.PREVIOUS_PASSWORD) == OLD
    said = capsys.readouterr().out
    assert "replaced the password of host/web1" in said
    assert "stored the password of host/web3" in said
    assert "new one" not in said


@pytest.mark.parametrize("person", [True, False])
def test_an_import_that_nobody_agrees_to_stores_nothing(settings, given, asked, monkeypatch, person):
    store(settings, WEB2, Kind.PASSWORD, OLD)
    asked[1].append(False)
    table(given, monkeypatch, "web1,new one\nweb2,new one\n")
    with pytest.raises(UsageError) as refused:
        moving.from_table(changed(settings, interactive=person), ImportOptions())
    assert held(settings, WEB1, Kind.PASSWORD) is None
    assert held(settings, WEB2, Kind.PASSWORD) == OLD
    assert person or "--replace" in refused.value.failure.hint


def test_an_import_with_the_flag_replaces_unasked(settings, given, asked, capsys, monkeypatch):
    store(settings, WEB1, Kind.PASSWORD, OLD)
    store(settings, WEB2, Kind.PASSWORD, NEW)
    table(given, monkeypatch, "web1,new one\nweb2,new one\n")
    assert moving.from_table(settings, ImportOptions(replace=True)) == 0
    assert asked[0] == []
    assert held(settings, WEB1, Kind.PREVIOUS_PASSWORD) == OLD
    assert "unchanged: the password of host/web2" in capsys.readouterr().out


def test_an_import_that_cannot_be_written_stores_no_part_of_it(settings, given, asked, monkeypatch):
    def full(*_):
        raise KeyringError("cannot write", "make room")

    table(given, monkeypatch, "web1,one\nweb2,two\n")
    with monkeypatch.context() as patched:
        patched.setattr(KdbxKeyring, "_save", full)
        with pytest.raises(KeyringError):
            moving.from_table(settings, ImportOptions())
    fresh = Vault(KdbxKeyring(settings.keyring_file, lambda: Secret("a master password")), "provision/shop")
    assert fresh.held(WEB1, Kind.PASSWORD) is None


INVENTORY = """\
all:
  hosts: {web1: {ansible_password: s3cret}, web2: {}}
  children: {web: {hosts: {web1: {}, web2: {}}, children: {edge: {}}}}
"""


@pytest.fixture
def with_inventory(settings, tmp_path):
    file = tmp_path / "hosts.yml"
    file.write_text(INVENTORY)
    return changed(settings, inventory=(file,))


def test_an_owner_missing_in_the_inventory_is_refused_with_a_near_name(with_inventory):
    expect_known(with_inventory, [WEB1, Owner.group("web"), Owner.group("edge"), Owner.everyone()])
    for typed, near in (("wbe2", "web2"), ("group/wob", "group/web"), ("web", "group/web")):
        with pytest.raises(UsageError) as refused:
            expect_known(with_inventory, [Owner.parse(typed)])
        assert f"did you mean {near}?" in refused.value.failure.hint
        assert "--unlisted" in refused.value.failure.hint
    with pytest.raises(UsageError, match="has no host/db8, host/db9: nothing was stored"):
        expect_known(with_inventory, [WEB1, Owner.parse("db8"), Owner.parse("db9")])
    expect_known(with_inventory, [Owner.host("db9")], unlisted=True)


def test_an_inventory_that_cannot_be_read_is_told_with_the_way_round_it(with_inventory):
    with_inventory.inventory[0].write_text("all: {hosts: [")
    with pytest.raises(UsageError, match="it is unknown whether the inventory has host/web1") as refused:
        expect_known(with_inventory, [WEB1])
    assert "--unlisted" in refused.value.failure.hint


@pytest.mark.parametrize("owner", ["db1", "all", "group/all", "group/ungrouped"])
@pytest.mark.parametrize("unlisted", [False, True])
def test_a_secret_of_a_real_server_does_not_go_to_the_keyring_of_a_lab(
    with_inventory, tmp_path, monkeypatch, owner, unlisted
):
    monkeypatch.setattr(sys, "argv", ["fab", "credentials.set", owner, "--kind", "sudo", "--stdin"])
    lab = changed(with_inventory, master_file=tmp_path / "master")
    with pytest.raises(UsageError, match="a lab is up") as refused:
        expect_known(lab, [Owner.parse(owner)], unlisted=unlisted)
    assert f"nothing was stored for {Owner.parse(owner)}" in refused.value.failure.message
    again = f"fab credentials.set {owner} --kind sudo --stdin --inventory inventory/hosts.yml;"
    assert again in refused.value.failure.hint
    expect_known(lab, [WEB1])


@pytest.mark.parametrize("unlisted", [False, True])
def test_an_inventory_that_was_named_has_to_be_there(settings, tmp_path, unlisted):
    named = changed(settings, inventory_is_named=True)
    for owner in (WEB1, Owner.everyone()):
        expect_known(settings, [owner], unlisted=unlisted)
        with pytest.raises(UsageError, match="there is no inventory at"):
            expect_known(named, [owner], unlisted=unlisted)
    assert not project.settings(project.Flags(), tmp_path).inventory_is_named
    assert project.settings(project.Flags(["x.yml"]), tmp_path).inventory_is_named


def test_that_the_keyring_is_the_labs_is_said(settings, given, asked, capsys, monkeypatch):
    monkeypatch.setattr(storing, "is_lab", lambda _: True)
    given("new one\n")
    storing.one(settings, WEB1, Kind.PASSWORD, BY_STDIN)
    assert owners.LAB_NOTE in capsys.readouterr().out


def test_the_settings_of_a_lab_are_known_as_such(tmp_path):
    (tmp_path / "inventory").mkdir()
    assert not project.is_lab(project.settings(project.Flags(), tmp_path))
    place = tmp_path / project.LAB
    place.mkdir(parents=True)
    (place / "inventory.yml").write_text("all: {}")
    assert project.is_lab(project.settings(project.Flags(), tmp_path))
    assert not project.is_lab(project.settings(project.Flags(["x.yml"]), tmp_path))


@pytest.fixture
def with_lab(tmp_path):
    """Return a function that runs `fab` in a project while a lab is up."""
    (tmp_path / "fabfile.py").write_text("from provision.tasks import namespace\n")
    place = tmp_path / project.LAB
    place.mkdir(parents=True)
    (place / "inventory.yml").write_text("all: {hosts: {el1: {}}}")
    (place / "master").write_text("a throw-away one")
    (place / "keyring.kdbx").write_bytes(cheap_blank(Secret("a throw-away one")))
    (place / "keyring.kdbx").chmod(0o600)
    (tmp_path / "mine.ini").write_text("web1 ansible_host=192.0.2.1\n")
    fab = Path(sys.executable).with_name("fab")
    kept = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "200"}

    def run(*words, text=""):
        done = subprocess.run(
            [fab, *words], cwd=tmp_path, env=kept, input=text, capture_output=True, text=True
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


def test_while_a_lab_is_up_each_hint_names_the_inventory_that_was_given(with_lab):
    code, said = with_lab("credentials.check", "--inventory", "mine.ini")
    assert code == 8
    assert (
        "fab credentials.init --inventory mine.ini, then fab credentials.set --inventory mine.ini web1"
        in said
    )
    code, said = with_lab("hosts.trust", "all", "--check", "--inventory", "mine.ini")
    assert "next: fab hosts.trust --inventory mine.ini web1" in said
    code, said = with_lab("credentials.init")
    assert code == 1
    assert "a lab is up" in said
    assert "fab credentials.init --inventory inventory/hosts.yml" in said
    code, said = with_lab("credentials.set", "web1", "--stdin", text="s3cret\n")
    assert code == 1
    assert "fab credentials.set web1 --stdin --inventory inventory/hosts.yml" in said
    code, said = with_lab("credentials.import", "--csv", text="el1,one\nall,two\n")
    assert code == 1
    assert "fab credentials.import --csv --inventory inventory/hosts.yml" in said
    assert with_lab("credentials.list") == (0, "")
    code, said = with_lab("credentials.set", "el1", "--stdin", text="s3cret\n")
    assert (code, said) == (0, f"stored the password of host/el1 {owners.LAB_NOTE}")


def test_a_key_goes_by_its_kind_with_a_yes_that_was_typed_beforehand(with_lab):
    code, said = with_lab("credentials.forget", "el1", "--kind", "private-key")
    assert code == 1, said
    assert "holds no private-key for host/el1" in said
    password = ("credentials.set", "el1", "--stdin")
    for text in ("one\n", "two\n"):
        assert with_lab(*password, "--replace", text=text)[0] == 0
    code, said = with_lab("credentials.forget", "el1", "--kind", "previous-password")
    assert code == 1
    assert "fab credentials.forget el1 --kind previous-password --yes" in said
    code, said = with_lab("credentials.forget", "el1", "--kind", "previous-password", "--yes")
    assert (code, said) == (0, "removed the previous-password of host/el1")


@pytest.mark.parametrize(("owner", "named"), [("web 1", "web 1"), ("web1", "keys.install web1")])
def test_a_generated_kind_is_refused_and_a_wrong_owner_first(settings, owner, named):
    with pytest.raises(UsageError) as caught:
        storing.set_secret(settings, owner, "private-key", BY_STDIN)
    said = f"{caught.value.failure.message} {caught.value.failure.hint}"
    assert named in said
    assert "keys.install web 1" not in said
