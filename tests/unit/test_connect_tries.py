"""A host that nobody could talk to is tried again, and a login that was refused never is."""

import itertools
import resource
import stat
from pathlib import Path

import pytest

from provision import connect
from provision.connect import Connections
from provision.errors import ProvisionError, UsageError
from provision.model import Credential, Host, HostKey, Session
from provision.ssh import master
from provision.ssh.broker import Broker
from provision.ssh.master import Entrant

REFUSED = "ssh: connect to host 192.0.2.1 port 22: Connection refused"
SILENT = "ssh: connect to host 192.0.2.1 port 22: Connection timed out"
NO_DNS = "ssh: Could not resolve hostname x: Temporary failure in name resolution"
NO_NAME = "ssh: Could not resolve hostname x: Name or service not known"
DENIED = "root@192.0.2.1: Permission denied (publickey,password)."

# Stands for ssh: says line N of a file when it is called for the Nth time, and lets in when that is empty.
SSH = """\
#!/bin/sh
[ "$1" = -V ] && { echo OpenSSH_9.2 >&2; exit; }
echo "$*" >> calls
said=$(sed -n "$(wc -l < calls)p" script)
[ -z "$said" ] || { echo "$said" >&2; exit 255; }
for word; do :; done
exec sh -c "$word"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fake = tmp_path / "bin/ssh"
    fake.parent.mkdir()
    fake.write_text(SSH)
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    monkeypatch.setattr(connect, "PAUSE_S", 0.01)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(place: Path, *script: str) -> tuple[Session | ProvisionError, list[str], list[str]]:
    """Return the result of a host where ssh answers ``script``, the calls of ssh, and the messages."""
    (place / "script").write_text("".join(f"{line}\n" for line in script))
    told: list[str] = []
    entrant = Entrant(Host("web1", "192.0.2.1"), Credential(), HostKey("web1", "ssh-ed25519", "AAAA"))
    with (
        Broker(place / "broker") as broker,
        Connections(place, broker, lambda _, text: told.append(text)) as c,
    ):
        c.prepare((entrant,))
        found = dict(c.arrivals((entrant,)))["web1"]
    return found, (place / "calls").read_text().splitlines(), told


@pytest.mark.parametrize("said", [REFUSED, SILENT, NO_DNS])
def test_a_host_that_answers_at_the_third_try_connects_and_logs_each_try(place: Path, said: str) -> None:
    found, calls, told = answer(place, said, said, "")
    assert isinstance(found, Session)
    assert len(calls) == 3
    assert [line.partition(":")[0] for line in told] == ["try 1 of 3", "try 2 of 3"]


def test_the_last_try_says_how_many_there_were(place: Path) -> None:
    found, calls, told = answer(place, *[REFUSED] * 9)
    assert isinstance(found, ProvisionError)
    assert found.failure.message == "192.0.2.1:22 refused the connection, 3 tries"
    assert (len(calls), len(told)) == (3, 2)


@pytest.mark.parametrize("said", [DENIED, NO_NAME, "Host key verification failed.", "something new"])
def test_what_would_not_go_better_is_tried_once(place: Path, said: str) -> None:
    found, calls, told = answer(place, *[said] * 9)
    assert isinstance(found, ProvisionError)
    assert (len(calls), told) == (1, [])


def test_a_login_that_is_refused_after_a_try_again_is_the_end(place: Path) -> None:
    found, calls, _ = answer(place, REFUSED, DENIED, "")
    assert isinstance(found, ProvisionError)
    assert (found.failure.kind, len(calls)) == ("login-refused", 2)


def test_no_try_begins_when_the_budget_is_used_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "CONNECT_BUDGET_S", 2.0)
    found, calls, _ = answer(place, *[SILENT] * 9)
    assert isinstance(found, ProvisionError)
    assert len(calls) == 1
    assert "ConnectTimeout=1" in calls[0] or "ConnectTimeout=2" in calls[0]


def test_a_host_that_queues_for_its_handshake_is_not_late(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = place / "bin/ssh"
    ssh.write_text(SSH.replace("for word;", "echo 1 >> flight; sleep 0.3; echo -1 >> flight; for word;", 1))
    monkeypatch.setattr(connect, "HANDSHAKES_PER_CORE", 1)
    monkeypatch.setattr(connect.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(master, "LOGIN_TIMEOUT_S", 1.5)
    monkeypatch.setattr(connect, "CONNECT_BUDGET_S", 1.5)
    monkeypatch.setattr(connect, "LEAST_TRY_S", 0.1)
    (place / "script").write_text("")
    (place / "calls").write_text("")
    key = HostKey("web", "ssh-ed25519", "AAAA")
    crowd = tuple(Entrant(Host(f"web{n}", "192.0.2.1"), Credential(), key) for n in range(12))
    with Broker(place / "broker") as broker, Connections(place, broker) as c:
        c.prepare(crowd)
        found = dict(c.arrivals(crowd))
    assert {type(each) for each in found.values()} == {Session}
    in_flight = list(itertools.accumulate(map(int, (place / "flight").read_text().split())))
    assert max(in_flight) == 2


@pytest.mark.parametrize(("hard", "soft"), [(100_000, 16_256), (resource.RLIM_INFINITY, 16_256)])
def test_2000_hosts_get_the_files_that_they_need(
    monkeypatch: pytest.MonkeyPatch, hard: int, soft: int
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(connect.resource, "getrlimit", lambda _: (1024, hard))
    monkeypatch.setattr(connect.resource, "setrlimit", lambda _, limits: asked.append(limits))
    connect.make_room(50)
    connect.make_room(2000)
    assert asked == [(soft, hard)]


def test_more_hosts_than_the_system_has_files_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect.resource, "getrlimit", lambda _: (1024, 4096))
    with pytest.raises(UsageError) as caught:
        connect.make_room(2000)
    assert "4096" in caught.value.failure.message
    assert "--limit" in caught.value.failure.hint
