"""The run's own ssh-agent: it takes keys over a pipe, and never outlives us."""

import os
import shutil
import signal
import socket as unix
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision import keypair
from provision.errors import UsageError
from provision.model import Secret
from provision.ssh.agent import Agent, _answers

HOLD = """\
import sys, time
from pathlib import Path
from provision import keypair
from provision.ssh.agent import Agent
Agent(Path(sys.argv[1])).add(keypair.generate())
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def socket() -> Iterator[Path]:
    """Return a directory for a socket: the paths of pytest's own are too long for one."""
    place = Path(tempfile.mkdtemp(prefix="agent-"))
    yield place / "agent"
    shutil.rmtree(place)


def listed(socket: Path) -> str:
    environment = os.environ | {"SSH_AUTH_SOCK": str(socket)}
    return subprocess.run(
        ["ssh-add", "-L"], env=environment, capture_output=True, text=True, check=False
    ).stdout


def goes(socket: Path) -> bool:
    end = time.monotonic() + 5
    while socket.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return not socket.exists()


def test_it_holds_the_keys_it_was_given_until_it_is_closed(socket: Path) -> None:
    agent, keys = Agent(socket), [keypair.generate(), keypair.generate()]
    for key in keys:
        agent.add(key)
    held = [" ".join(line.split()[:2]) for line in listed(socket).splitlines()]
    assert held == [keypair.public(key) for key in keys]
    agent.close()
    assert goes(socket)


def test_it_is_started_only_when_it_answers(socket: Path) -> None:
    bound = unix.socket(unix.AF_UNIX, unix.SOCK_STREAM)
    bound.bind(str(socket))
    assert not _answers(socket)
    bound.listen()
    assert _answers(socket)
    bound.close()


def test_it_ends_when_its_controller_is_killed(socket: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, socket], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "up\n"
        assert listed(socket)
        holder.send_signal(signal.SIGKILL)
    assert goes(socket)


def test_a_key_that_it_does_not_take_is_told_without_the_key(socket: Path) -> None:
    agent = Agent(socket)
    with pytest.raises(UsageError) as caught:
        agent.add(Secret("no key at all"))
    agent.close()
    assert "no key at all" not in str(caught.value.failure)


def test_closing_what_was_never_started_is_fine(socket: Path) -> None:
    Agent(socket).close()
