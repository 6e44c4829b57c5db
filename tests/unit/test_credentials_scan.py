"""Secrets in plain text are found where people write them down, and what stands for one is not."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from provision.errors import UsageError
from provision.plaintext import scan as module
from provision.plaintext.scan import Finding, find, scan, tracked

CHECKOUT = Path(__file__).parents[2]
KEY = "-----BEGIN OPENSSH PRIVATE " + "KEY-----"


def whats(text, in_inventory=False):
    return [what for _, what in find(text, in_inventory)]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ansible_password: s3cret", "ansible_password"),
        ("  ansible_ssh_pass: 's p a c e s'", "ansible_ssh_pass"),
        ("web1 ansible_host=192.0.2.1 ansible_ssh_pass=s3cret ansible_port=22", "ansible_ssh_pass"),
        ("{ansible_host: 192.0.2.1, ansible_password: 12345}", "ansible_password"),
        ('{"ansible_become_password": "s3cret"}', "ansible_become_password"),
        ("# ansible_sudo_pass = old", "ansible_sudo_pass"),
        ("ansible_password: $ecret123", "ansible_password"),
        ("ansible_password: <Pa55word", "ansible_password"),
        ("ansible_password: '[abc123'", "ansible_password"),
        ("ansible_become_pass: !unsafe s3cret", "ansible_become_pass"),
        ("ansible_password: |\n  s3cret", "ansible_password"),
        ("ansible_password: &shared s3cret", "ansible_password"),
        ("ansible_ssh_private_key_passphrase: 42", "ansible_ssh_private_key_passphrase"),
    ],
)
def test_a_password_of_an_inventory_is_found_and_named_by_its_variable(text, key):
    assert whats(text) == [f"{key} in plain text"]


@pytest.mark.parametrize(
    "text",
    [
        "ansible_password: '{{ vault_web1 }}'",
        "ansible_password: {{ lookup('env', 'X') }}",
        "ansible_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3864",
        "ansible_password: |\n  $ANSIBLE_VAULT;1.1;AES256",
        "ansible_password:",
        'ansible_password: ""',
        "ansible_password: null",
        "ansible_password: <your password>",
        "ansible_ssh_pass=$PASSWORD",
        "ansible_ssh_pass=${PASSWORD}",
        "ansible_password: ********",
        "docker_engine_login: {secret: registry}",
        "my_ansible_password_policy: strict",
        "ansible_user: root",
        "ansible_password: s3cret  # pragma: allowlist secret",
    ],
)
def test_what_stands_for_a_password_is_none(text):
    assert whats(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "密码: Xy7!kdf9",
        "密码：Xy7!kdf9",
        "**密码** Xy7!kdf9",
        "root 密码是abc123",
        "口令 abc123",
        "密碼=abc123",
    ],
)
def test_a_password_called_so_in_chinese_is_found_without_an_address(text):
    assert whats(text) == ["a password in plain text"]


@pytest.mark.parametrize("text", ["密码在钥匙环里", "密码: <密码>", "输入密码。", "| 密码 | 说明 |"])
def test_chinese_words_about_passwords_are_no_password(text):
    assert whats(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.7 password: hunter2",
        "web1 203.0.113.7\nuser root\nPassword = hunter2",
        "pw: hunter2 (ssh root@web1.example.com)",
        "2001:db8::7 passwd is hunter2",
        "password for root: hunter2\n\n203.0.113.7",
        "203.0.113.7 10.0.0.7 22 root Xy7!kdf9",
        "203.0.113.7,10.0.0.7,22,root,Xy7!kdf9",
        "203.0.113.7 root/Xy7kdf9",
        "| 203.0.113.7 | root | Xy7!kdf9 |",
        "203.0.113.7，root，Xy7!kdf9",
    ],
)
def test_a_password_beside_an_address_is_found(text):
    assert whats(text) == ["a password beside an address"]


@pytest.mark.parametrize(
    ("table", "places"),
    [
        ("公网IP  内网IP  端口  用户  密码\n203.0.113.7  10.0.0.7  22  ops  onlyletters", [2]),
        ("ip,user,password\n203.0.113.7,ops,letters\n203.0.113.8,ops,\n203.0.113.9,ops,more", [2, 4]),
        ("| host | address | password |\n|---|---|---|\n| a | 203.0.113.7 | letters |", [3]),
        ("ip\tpassword\n203.0.113.7\tletters\n\nip\tnotes\n203.0.113.8\tletters", [2]),
    ],
)
def test_the_column_of_a_table_that_is_called_password_is_read(table, places):
    assert [line for line, _ in find(table)] == places


@pytest.mark.parametrize(
    "text",
    [
        "Accepted password for root from 203.0.113.7 port 22 ssh2",
        "ssh root@203.0.113.7 'uptime'",
        "password: hunter2",
        "listen 0.0.0.0 password: letmein",
        "connect('203.0.113.7', password=secret.reveal())",
        "def login(address='203.0.113.7', password: Secret | None = None)",
        "203.0.113.7 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 root@web1",
        "203.0.113.7 root 2026-11-24",
        "version 1.2.3 root abc123",
    ],
)
def test_words_about_passwords_and_addresses_are_no_password(text):
    assert whats(text) == []


def test_in_an_inventory_a_password_needs_no_address():
    assert whats("vault_web1_password: s3cret", in_inventory=True) == ["a password beside an address"]
    assert whats("vault_web1_password: s3cret") == []


@pytest.mark.parametrize("kind", ["OPENSSH ", "RSA ", "EC ", "ENCRYPTED ", ""])
def test_a_private_key_is_found(kind):
    assert whats(f"text\n-----BEGIN {kind}PRIVATE " + "KEY-----\nb3Bl") == ["a private key"]
    assert whats(f"-----BEGIN {kind}PUBLIC KEY-----") == []


def test_a_password_on_a_command_line_is_found():
    assert whats("sshpass -p hunter2 ssh web1") == ["a password on a command line"]
    assert whats("sshpass -p $PASSWORD ssh web1") == []


def test_a_finding_names_the_place_and_never_the_secret(tmp_path):
    (tmp_path / "notes").mkdir()
    place = tmp_path / "notes" / "servers.txt"
    place.write_text("web1\n203.0.113.7 password: hunter2\n")
    assert list(scan([tmp_path])) == [Finding(place, 2, "a password beside an address")]
    assert "hunter2" not in repr(list(scan([tmp_path])))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_notes_in_any_usual_encoding_are_read(tmp_path, encoding):
    (tmp_path / "notes.txt").write_text("服务器 密码: Xy7!kdf9", encoding=encoding)
    assert [each.what for each in scan([tmp_path])] == ["a password in plain text"]


def test_what_is_no_text_and_what_git_keeps_for_itself_is_passed_over(tmp_path):
    (tmp_path / "picture").write_bytes(b"\0\1 ansible_password: s3cret")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "notes").write_text("ansible_password: s3cret")
    (tmp_path / "link").symlink_to("/nonexistent")
    assert list(scan([tmp_path])) == []


def test_what_cannot_be_read_is_never_called_clean(tmp_path, monkeypatch):
    (tmp_path / "large").write_text("x" * 200)
    monkeypatch.setattr(module, "HEAD_BYTES", 10)
    monkeypatch.setattr(module, "TEXT_CAP_BYTES", 100)
    assert [each.line for each in scan([tmp_path])] == [0]
    assert "cannot be read" in next(scan([tmp_path / "none"])).what


def test_a_directory_that_does_not_open_is_never_called_clean(tmp_path, monkeypatch):
    real = os.scandir

    def closed(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(os, "scandir", closed)
    assert [(each.file.name, each.line) for each in scan([tmp_path])] == [("closed", 0)]


def test_a_long_line_and_a_large_file_take_no_long_time():
    began = time.process_time()
    assert whats("password " * 100_000 + "\n" + "a" * 1_000_000 + "." * 100_000) == []
    assert whats("1." * 200_000 + "root " * 50_000 + "a:" * 100_000) == []
    assert time.process_time() - began < 5


def test_only_what_git_tracks_is_given_to_a_commit_hook(tmp_path):
    with pytest.raises(UsageError, match="git tracks nothing"):
        tracked(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for name in ("ours é", "theirs", "gone"):
        (tmp_path / name).write_text("x")
    subprocess.run(["git", "-C", tmp_path, "add", "ours é", "gone"], check=True)
    (tmp_path / "gone").unlink()
    assert tracked(tmp_path) == (tmp_path / "ours é",)


def test_this_project_itself_holds_none():
    places = ["inventory", "docs", "playbooks", "README.md", "CHANGELOG.md", "Vagrantfile"]
    assert list(scan(CHECKOUT / place for place in places)) == []


def test_a_directory_that_may_be_listed_and_not_entered_is_told(tmp_path, monkeypatch):
    (tmp_path / "hosts.yml").write_text("web1: {}\n")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    assert [each.what for each in scan([tmp_path])] == ["cannot be read: Permission denied"]
