"""Odd passwords on real hosts, and a keyring whose disk is full."""

import csv
import io

from provision import lab as labs
from provision.lab import Lab
from tests.lab.conftest import NewProject, TinyDisk
from tests.lab.test_bad_controller import fill

# A Linux login takes 512 bytes at most, whatever a keyring may hold.
ODD = {
    "el1": " both ends ",
    "el2": "tab\tinside",
    "el3": "quotes ' \" and \\",
    "el4": "% $HOME %% # ; & | `id` $(id)",
    "el5": "{{ 7*7 }}",
    "el6": "emoji 🐙",
    "el7": "ימין לשמאל",
    "el8": "é" * 250,
    "el9": "root:x:0:0",
    "el10": "-oProxyCommand=x",
}


def set_passwords(lab: Lab, passwords: dict[str, str]) -> None:
    for name, password in passwords.items():
        done = labs.execute(lab.host(name), "chpasswd", stdin=f"root:{password}\n".encode())
        assert done.returncode == 0, done.stderr


def test_odd_passwords_open_their_hosts(lab: Lab, new_project: NewProject) -> None:
    project = new_project(*ODD)
    table = io.StringIO()
    csv.writer(table).writerows(ODD.items())
    try:
        set_passwords(lab, ODD)
        stored = project.fab("credentials.import", "--csv", "--replace", stdin=table.getvalue())
        done = project.fab("hosts.ping", "all")
    finally:
        set_passwords(lab, {host.name: host.password.reveal() for host in lab.hosts if host.password})
    stored.expect(0)
    done.expect(0)
    assert not [name for name, password in ODD.items() if password in stored.out + done.out + done.err]


def test_a_keyring_on_a_full_disk_is_told_and_still_opens_its_hosts(
    lab: Lab, new_project: NewProject, tiny_disk: TinyDisk
) -> None:
    project = new_project("el4")
    data = project.keyring.read_bytes()
    place = tiny_disk(project.keyring.parent, "64k")
    project.keyring.write_bytes(data)
    project.keyring.chmod(0o600)
    fill(place)
    refused = project.fab("credentials.set", "web9", "--stdin", "--unlisted", stdin="s3cret\n")
    refused.expect(1)
    assert "No space left on device" in " ".join(refused.err.split())
    assert "the old file is unchanged" in " ".join(refused.err.split())
    assert "FAULT" in project.fab("credentials.doctor").out
    project.fab("hosts.ping", "el4").expect(0)
    assert project.keyring.read_bytes() == data
    (place / "ballast").unlink()
    project.fab("credentials.set", "web9", "--stdin", "--unlisted", stdin="s3cret\n").expect(0)
