"""Secrets are taken from where they do not belong, whole or not at all, and the places are named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provision.credentials import Kind, Owner
from provision.errors import InventoryError, ProvisionError, UsageError
from provision.model import Secret
from provision.plaintext.intake import from_inventory, from_table, from_vault, holders, sealed
from tests.unit.keyrings import cheap_blank

BIN = Path(sys.executable).parent
VAULT = Secret("the vault's own")
MASTER = "a master for tests"


def encrypt(*words, text=None, password=VAULT):
    """Run the real ansible-vault, as whoever made such files did."""
    reader, writer = os.pipe()
    os.write(writer, password.reveal().encode())
    os.close(writer)
    argv = [BIN / "ansible-vault", *words, f"--vault-password-file=/dev/fd/{reader}"]
    done = subprocess.run(argv, input=text, pass_fds=[reader], capture_output=True, text=True, check=True)
    os.close(reader)
    return done.stdout


@pytest.fixture
def inventory(tmp_path):
    """Return a function that writes an inventory of the named files and returns its hosts.yml."""

    def write(**texts):
        for name, text in texts.items():
            file = tmp_path / "inventory" / f"{name.replace('__', '/')}.yml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path / "inventory" / "hosts.yml"

    return write


def taken(*sources, vault=None):
    found = from_inventory(sources, os.environ, vault)
    return {f"{each.owner}/{each.kind}": each.secret and each.secret.reveal() for each in found}


def test_each_host_gets_what_ansible_would_have_used(inventory):
    source = inventory(
        hosts="""
all:
  children:
    web:
      hosts:
        web1: {ansible_host: 192.0.2.1, ansible_password: ' "q" \\ % $ # '}
        web2: {ansible_ssh_pass: 12345, ansible_ssh_password: null, ansible_become_pass: '{{ vault_sudo }}'}
        web3: {ansible_password: !unsafe '{{ 7*7 }}'}
        web4: {ansible_user: root}
        web5: {ansible_password: ''}
""",
        group_vars__web="{ansible_password: of the group, vault_sudo: ' for sudo🐙'}",
    )
    assert taken(source) == {
        "host/web1/password": ' "q" \\ % $ # ',
        "host/web2/password": "12345",
        "host/web2/sudo": " for sudo🐙",
        "host/web3/password": "{{ 7*7 }}",
        "host/web4/password": "of the group",
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('\'{{ lookup("env", "X") }}\'', "is a template"),
        ("'{{ nowhere }}'", "refers to nowhere"),
        ("'{{ loop }}'", "is a template"),
        ("[a, list]", "is no text"),
        ("true", "is no text"),
        ("1.5", "is no text"),
        ('"two\\nlines"', "control character"),
        ("'" + "x" * 1024 + "'", "1024 bytes"),
    ],
)
def test_an_unclear_secret_is_left_with_its_reason_and_others_are_taken(inventory, value, reason):
    lines = f"{{loop: '{{{{ loop }}}}', ansible_password: {value}, ansible_become_pass: fine}}"
    found = from_inventory((inventory(hosts=f"all: {{hosts: {{web1: {lines}}}}}"),), os.environ, None)
    left = [each for each in found if each.secret is None]
    assert [(str(each.owner), each.kind) for each in left] == [("host/web1", Kind.PASSWORD)]
    assert reason in left[0].reason
    assert [each.secret.reveal() for each in found if each.secret] == ["fine"]


def test_a_vaulted_file_and_a_vaulted_value_are_opened(inventory):
    source = inventory(
        hosts="all: {hosts: {web1: {ansible_password: '{{ vault_web1 }}'}}}",
        group_vars__all="vault_web1: s3cret",
    )
    inline = encrypt("encrypt_string", "--stdin-name", "ansible_become_password", text="in line\n")
    inventory(host_vars__web1=inline)
    encrypt("encrypt", str(source.parent / "group_vars" / "all.yml"))
    assert sealed((source,))
    assert taken(source, vault=VAULT) == {"host/web1/password": "s3cret", "host/web1/sudo": "in line"}
    with pytest.raises(InventoryError) as caught:
        taken(source, vault=Secret("another"))
    assert "another" not in repr(caught.value.failure)


@pytest.mark.parametrize("vault", [None, Secret("another")])
def test_a_vaulted_value_that_does_not_open_is_left(inventory, vault):
    inline = encrypt("encrypt_string", "--stdin-name", "ansible_password", text="in line")
    source = inventory(hosts="all: {hosts: {web1: {}}}", host_vars__web1=inline)
    (left,) = from_inventory((source,), os.environ, vault)
    assert left.secret is None
    assert "is in a vault" in left.reason


def test_the_vaults_password_is_on_no_command_line_and_in_no_environment(inventory, tmp_path):
    script = tmp_path / "inventory.py"
    script.write_text(
        "#!/usr/bin/python3\nimport json, os, pathlib, sys\n"
        "me = os.getppid()\n"
        "seen = b''.join(pathlib.Path(f'/proc/{me}/{n}').read_bytes() for n in ('cmdline', 'environ'))\n"
        f"pathlib.Path({str(tmp_path / 'seen')!r}).write_bytes(seen)\n"
        "print(json.dumps({'_meta': {'hostvars': {'web1': {'ansible_password': 'x'}}},"
        " 'all': {'hosts': ['web1']}}))\n"
    )
    script.chmod(0o700)
    assert taken(script, vault=VAULT) == {"host/web1/password": "x"}
    seen = (tmp_path / "seen").read_bytes()
    assert b"--vault-password-file=/dev/fd/" in seen
    assert VAULT.reveal().encode() not in seen


def test_the_files_that_held_something_are_named(inventory):
    source = inventory(
        hosts="all: {hosts: {web1: {ansible_password: '{{ of_web1 }}'}}}",
        group_vars__all="of_web1: s3cret",
        group_vars__web="$ANSIBLE_VAULT;1.1;AES256\n3864\n",
        host_vars__web2="ansible_ssh_pass: other",
        host_vars__web3="ansible_user: ops",
    )
    names = [file.name for file in holders((source,), (Secret("s3cret"),))]
    assert names == ["all.yml", "web.yml", "web2.yml"]


def test_a_vault_of_owners_is_opened(tmp_path):
    file = tmp_path / "vault.yml"
    file.write_text("web1: one\ngroup/web: {password: ' two ', sudo: 3}\nall: {passphrase: four}\n")
    encrypt("encrypt", str(file))
    found = {f"{each.owner}/{each.kind}": each.secret.reveal() for each in from_vault(file, VAULT)}
    assert found == {
        "host/web1/password": "one",
        "group/web/password": " two ",
        "group/web/sudo": "3",
        "all/passphrase": "four",
    }


@pytest.mark.parametrize(
    "text",
    ["ansible_password: x", "web1: {pin: x}", "web1: [x]", "[web1]", "web1: x: y", "web 1: x", ""],
)
def test_a_vault_of_something_else_is_refused_and_nothing_of_it_shown(tmp_path, text):
    file = tmp_path / "vault.yml"
    file.write_text(text.replace("x", "canary"))
    encrypt("encrypt", str(file))
    with pytest.raises(UsageError) as caught:
        from_vault(file, VAULT)
    assert "canary" not in repr(caught.value.failure)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("web1: {private-key: x}", "host/web1 names no known kind"),
        ("web1: {pending-password: x}", "host/web1 names no known kind"),
        ("web1: {previous-sudo: x}", "host/web1 names no known kind"),
        ("web1: {pin: x}", "host/web1 names no known kind"),
        ("web2: x\nhost/web2: y", "host/web2 a second password"),
        ("all: {sudo: x}\ngroup/all: {sudo: y}", "all a second sudo"),
    ],
)
def test_a_vault_brings_no_kind_that_only_we_make_and_nothing_twice(tmp_path, text, told):
    file = tmp_path / "vault.yml"
    file.write_text(text)
    encrypt("encrypt", str(file))
    with pytest.raises(UsageError, match=told):
        from_vault(file, VAULT)


def test_a_vault_is_not_opened_by_another_password(tmp_path):
    file = tmp_path / "vault.yml"
    file.write_text("web1: one")
    with pytest.raises(UsageError):
        from_vault(file, VAULT)
    encrypt("encrypt", str(file))
    with pytest.raises(UsageError, match="that this vault password opens"):
        from_vault(file, Secret("another"))


def test_a_table_is_read_as_csv_is():
    text = '\ufeffowner,kind,secret\nweb1,password," a, ""b"" "\ngroup/web,sudo,x\r\n'
    text += "\nall,passphrase,{{ 7*7 }}\n"
    assert [(str(one.owner), one.kind, one.secret.reveal()) for one in from_table(text)] == [
        ("host/web1", "password", ' a, "b" '),
        ("group/web", "sudo", "x"),
        ("all", "passphrase", "{{ 7*7 }}"),
    ]
    assert from_table("web1, spaces at the ends ")[0].secret == Secret(" spaces at the ends ")


@pytest.mark.parametrize(
    "line",
    [
        "web9",
        "web9,password,canary,more",
        "web9,pin,canary",
        "web9,",
        'web9,"canary',
        'web9,"can"ary',
        'web9,"can\nary"',
        "web9,can\x1bary",
        "web9," + "canary" * 200,
        "a b,canary",
        "web1,canary",
    ],
)
def test_a_bad_line_refuses_the_table_and_shows_nothing_of_it(line):
    with pytest.raises(ProvisionError) as caught:
        from_table(f"web1,first\n{line}\n")
    assert "canary" not in repr(caught.value.failure)


@pytest.fixture
def project(tmp_path):
    """Return a function that runs `fab` in a project with a keyring."""
    (tmp_path / "fabfile.py").write_text("from provision.tasks import namespace\n")
    keys = tmp_path / "keys" / "keyring.kdbx"
    keys.parent.mkdir(mode=0o700)
    keys.write_bytes(cheap_blank(Secret(MASTER)))
    keys.chmod(0o600)
    kept = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PROVISION_KEYRING_FILE": str(keys)}

    def fab(*words, text="", stdin=None, **more):
        given = {"stdin": stdin} if stdin else {"input": text}
        argv = [BIN / "fab", *words]
        environment = kept | {"PROVISION_MASTER": MASTER} | more
        return subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, **given)

    return fab


def test_a_person_imports_an_inventory_and_is_told_what_to_destroy(project, inventory, tmp_path):
    inventory(hosts="all: {hosts: {web1: {ansible_password: s3cret}, web2: {ansible_password: '{{ no }}'}}}")
    done = project("credentials.import")
    assert done.returncode == 8, done.stderr
    assert "stored the password of host/web1\n" in done.stdout
    assert "left   the password of host/web2: ansible_password refers to no, which is not set" in done.stdout
    assert "fab credentials.set web2" in done.stdout
    assert "  inventory/hosts.yml\n" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr
    inventory(hosts="all: {hosts: {web1: {}}}")
    assert project("credentials.list").stdout == "host/web1/password\n"
    assert "no password to import" in project("credentials.import").stderr


def test_a_vault_without_its_password_is_told_before_anything_is_read(project, inventory, tmp_path):
    inventory(
        hosts="all: {hosts: {web1: {ansible_password: x}}}", group_vars__all="$ANSIBLE_VAULT;1.1;AES256"
    )
    done = project("credentials.import")
    assert done.returncode == 1
    assert "--vault-fd 3 3< FILE" in done.stderr
    assert "--vault-fd 9 cannot be read" in project("credentials.import", "--vault-fd", "9").stderr


def test_a_table_of_a_file_is_imported_and_the_file_named(project, tmp_path):
    table = tmp_path / "passwords.csv"
    table.write_text("web1,one\nall,sudo,two\n")
    with table.open() as stdin:
        done = project("credentials.import", "--csv", stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert "  passwords.csv\n" in done.stdout
    audited = [json.loads(line) for line in (tmp_path / ".provision/audit.jsonl").read_text().splitlines()]
    assert [(row["verb"], row["host"], row["result"]) for row in audited] == [
        ("credentials.import password", "host/web1", "done"),
        ("credentials.import sudo", "all", "done"),
    ]
    assert "destroy" not in project("credentials.import", "--csv", text="web1,one\n").stdout
    (tmp_path / "inventory").mkdir()
    assert project("credentials.list").stdout == "all/sudo\nhost/web1/password\n"


def test_what_was_stored_before_the_keyring_failed_is_audited(project, tmp_path):
    (tmp_path / "odd.py").write_text(
        "from keyring.backend import KeyringBackend\nfrom keyring.errors import PasswordSetError\n"
        "class Odd(KeyringBackend):\n    priority = 5\n    kept = {}\n"
        "    def get_password(self, s, u): return self.kept.get(u)\n"
        "    def delete_password(self, s, u): del self.kept[u]\n"
        "    def set_password(self, s, u, p):\n"
        "        if 'web2' in u: raise PasswordSetError('full')\n        self.kept[u] = p\n"
    )
    odd = {"PYTHON_KEYRING_BACKEND": "odd.Odd", "PYTHONPATH": str(tmp_path)}
    table = "web1,one\nweb2,two\nweb3,three\n"
    assert project("credentials.import", "--csv", text=table, **odd).returncode != 0
    audited = [json.loads(line) for line in (tmp_path / ".provision/audit.jsonl").read_text().splitlines()]
    ended = [(row["host"], row["result"]) for row in audited]
    assert ended == [("host/web1", "done"), ("host/web2", "keyring")]


def test_a_table_with_one_bad_line_stores_nothing(project):
    assert project("credentials.import", "--csv", text="web1,one\nweb2,\n").returncode == 1
    assert project("credentials.list").stdout == ""


def test_a_scan_ends_with_2_names_the_lines_and_shows_no_secret(project, tmp_path):
    (tmp_path / "notes.txt").write_text("ok\n203.0.113.7 root Xy7!kdf9\n")
    done = project("credentials.scan", "notes.txt")
    assert (done.returncode, done.stdout) == (2, "notes.txt:2: a password beside an address\n")
    assert "Xy7" not in done.stderr
    (tmp_path / "notes.txt").write_text("ok\n")
    assert project("credentials.scan", ".").returncode == 0
    assert project("credentials.scan", "nowhere").returncode == 1


def test_the_hook_that_is_shipped_stops_a_commit(project, tmp_path):
    import yaml

    (hook,) = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text())
    program, *words = hook["entry"].split()
    assert (program, hook["language"], hook["pass_filenames"]) == ("provision", "python", False)
    git = ["git", "-C", tmp_path, "-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run([*git, "init", "-q"], check=True)
    file = tmp_path / ".git" / "hooks" / "pre-commit"
    file.write_text(f"#!/bin/sh\nexec {BIN / program} {' '.join(words)}\n")
    file.chmod(0o700)
    (tmp_path / "untracked").write_text("ansible_password: mine")
    (tmp_path / "hosts.ini").write_text("web1 ansible_ssh_pass=s3cret\n")
    subprocess.run([*git, "add", "hosts.ini"], check=True)
    refused = subprocess.run([*git, "commit", "-qm", "x"], capture_output=True, text=True)
    assert refused.returncode != 0
    assert "hosts.ini:1: ansible_ssh_pass in plain text" in refused.stdout + refused.stderr
    (tmp_path / "hosts.ini").write_text("web1\n")
    subprocess.run([*git, "add", "hosts.ini"], check=True)
    assert subprocess.run([*git, "commit", "-qm", "x"], capture_output=True).returncode == 0


def test_an_owner_that_no_inventory_can_hold_is_refused():
    with pytest.raises(UsageError, match="line 1 begins with no host") as caught:
        from_table("web1'] | //Entry[',x")
    assert "Entry" not in str(caught.value.failure)
    assert Owner.parse("web1") == from_table("web1,x")[0].owner


def test_a_kind_that_only_we_make_is_not_taken(project):
    done = project("credentials.import", "--csv", text="web1,private-key,x\n")
    assert done.returncode == 1, done.stderr
    assert "names no known kind" in done.stderr


def test_a_closed_stdin_is_an_empty_one(project, tmp_path):
    done = subprocess.run(
        ["sh", "-c", f"exec {BIN}/fab credentials.import --csv <&-"], cwd=tmp_path, capture_output=True,
        text=True, check=False, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "no password to import" in done.stderr


@pytest.mark.parametrize(
    "words", [("credentials.scan", "x" * 5000), ("credentials.import", "--inventory", "x" * 5000)]
)
def test_a_path_that_is_too_long_is_no_file_and_is_not_repeated_whole(project, words):
    done = project(*words)
    assert done.returncode == 1
    assert "there is no" in done.stderr
    assert len(done.stderr) < 1000


def test_a_vault_that_is_nested_without_end_is_refused_in_words(tmp_path):
    file = tmp_path / "deep.yml"
    file.write_text("{a: " * 5000)
    encrypt("encrypt", str(file))
    with pytest.raises(UsageError, match="holds no table of secrets"):
        from_vault(file, VAULT)
