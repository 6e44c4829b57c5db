import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.model import Secret
from provision.ssh.broker import Broker, ask

ASKPASS = Path(__file__).parents[2] / "provision" / "ssh/askpass.py"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as opened:
        yield opened


def helper(tmp_path: Path, prompt: str, **tokens: str) -> subprocess.CompletedProcess[str]:
    environment = {"PROVISION_BROKER": str(tmp_path / "broker")} | {
        f"PROVISION_TOKEN_{kind.upper()}": token for kind, token in tokens.items()
    }
    argv = [sys.executable, "-IS", str(ASKPASS), prompt]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


def test_a_login_token_is_answered_once(broker: Broker, tmp_path: Path) -> None:
    token = broker.grant(Secret("pässword 7"), once=True)
    assert ask(tmp_path / "broker", token) == Secret("pässword 7")
    assert ask(tmp_path / "broker", token) is None


def test_a_sudo_token_is_answered_for_the_whole_run(broker: Broker, tmp_path: Path) -> None:
    token = broker.grant(Secret("s"), once=False)
    assert [ask(tmp_path / "broker", token) for _ in range(3)] == [Secret("s")] * 3


def test_an_unknown_token_gets_nothing(broker: Broker, tmp_path: Path) -> None:
    broker.grant(Secret("s"), once=False)
    assert ask(tmp_path / "broker", "0" * 64) is None


def test_another_user_gets_nothing(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = broker.grant(Secret("s"), once=False)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert ask(tmp_path / "broker", token) is None


def test_a_peer_that_says_nothing_does_not_block_the_others(broker: Broker, tmp_path: Path) -> None:
    token = broker.grant(Secret("s"), once=False)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(tmp_path / "broker"))
        assert ask(tmp_path / "broker", token) == Secret("s")


def test_the_socket_is_gone_with_the_run(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker"):
        assert stat.S_ISSOCK((tmp_path / "broker").stat().st_mode)
    assert not (tmp_path / "broker").exists()


def test_one_that_has_ended_takes_no_peer_of_the_next(tmp_path: Path) -> None:
    with Broker(tmp_path / "first") as first:
        number = first._server.fileno()
        assert ask(tmp_path / "first", first.grant(Secret("1"), once=False)) == Secret("1")
    assert "broker" not in [thread.name for thread in threading.enumerate()]
    with Broker(tmp_path / "second") as second:
        assert second._server.fileno() == number  # else this test shows nothing
        token = second.grant(Secret("2"), once=False)
        for _ in range(50):
            subprocess.run(["true"], check=True)
        assert [ask(tmp_path / "second", token) for _ in range(6)] == [Secret("2")] * 6


@pytest.mark.parametrize(
    "prompt",
    [
        "root@192.0.2.1's password: ",
        "(root@192.0.2.1) Password: ",
        "Password for root@host: ",
        "root@web-old's password: ",
        "(ops@new-db) Password: ",
    ],
)
def test_the_helper_answers_a_password_prompt(broker: Broker, tmp_path: Path, prompt: str) -> None:
    token = broker.grant(Secret(" a b$%"), once=True)
    assert helper(tmp_path, prompt, password=token).stdout == " a b$%\n"


def test_the_helper_tells_a_passphrase_from_a_password(broker: Broker, tmp_path: Path) -> None:
    password, passphrase = broker.grant(Secret("pw"), once=True), broker.grant(Secret("pp"), once=True)
    asked = helper(tmp_path, "Enter passphrase for key '/k': ", password=password, passphrase=passphrase)
    assert asked.stdout == "pp\n"


@pytest.mark.parametrize(
    "prompt", ["Current password: ", "New password: ", "Verification code: ", "Are you sure (yes/no)? ", ""]
)
def test_the_helper_refuses_any_other_prompt(broker: Broker, tmp_path: Path, prompt: str) -> None:
    refused = helper(tmp_path, prompt, password=broker.grant(Secret("pw"), once=True))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "prompt refused" in refused.stderr
