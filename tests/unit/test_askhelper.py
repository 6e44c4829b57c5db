"""The askpass helper: it runs wherever Python lies, and where it has no answer, ssh sends none."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from provision.errors import HelperUnusable
from provision.model import Secret
from provision.ssh import askhelper
from provision.ssh.broker import Broker

# Stands for ssh, which sends what it got, and an empty answer after a failure.
SSH = 'answer=$("$SSH_ASKPASS" "$0"); echo "sent <$answer>"'


def asked(place: Path, prompt: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Make ssh ask the helper of ``place``."""
    known = {"SSH_ASKPASS": str(place / "askpass"), "PROVISION_BROKER": str(place / "broker")}
    return subprocess.run(
        ["bash", "-c", SSH, prompt], env=known | environment, capture_output=True, text=True, check=False
    )


def test_the_helper_answers_with_the_secret_of_the_token(tmp_path: Path) -> None:
    askhelper.install(tmp_path)
    with Broker(tmp_path / "broker") as broker:
        token = broker.grant(Secret(" p'w $x"), once=True)
        done = asked(tmp_path, "root@web1's password: ", PROVISION_TOKEN_PASSWORD=token)
    assert (done.returncode, done.stdout) == (0, "sent < p'w $x>\n")


@pytest.mark.parametrize("prompt", ["(root@web1) Verification code: ", "New password: ", "anything"])
def test_a_question_that_is_not_ours_gets_no_empty_answer(tmp_path: Path, prompt: str) -> None:
    askhelper.install(tmp_path)
    with Broker(tmp_path / "broker") as broker:
        token = broker.grant(Secret("pw"), once=True)
        done = asked(tmp_path, prompt, PROVISION_TOKEN_PASSWORD=token)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
    assert "provision: prompt refused: " in done.stderr


def test_a_second_question_gets_no_empty_answer(tmp_path: Path) -> None:
    askhelper.install(tmp_path)
    with Broker(tmp_path / "broker") as broker:
        token = broker.grant(Secret("pw"), once=True)
        first = asked(tmp_path, "Password: ", PROVISION_TOKEN_PASSWORD=token)
        second = asked(tmp_path, "Password: ", PROVISION_TOKEN_PASSWORD=token)
    assert first.stdout == "sent <pw>\n"
    assert (second.returncode, second.stdout) == (-signal.SIGKILL, "")
    assert "provision: asked again: " in second.stderr


def test_a_broker_that_is_gone_gets_no_empty_answer(tmp_path: Path) -> None:
    askhelper.install(tmp_path)
    done = asked(tmp_path, "Password: ", PROVISION_TOKEN_PASSWORD="0" * 64)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
    assert "provision: askpass failed: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_python_that_is_gone_gets_no_empty_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone/python"))
    askhelper.install(tmp_path)
    done = asked(tmp_path, "Password: ", PROVISION_TOKEN_PASSWORD="0" * 64)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
    with pytest.raises(HelperUnusable, match="cannot run"):
        askhelper.prove(tmp_path)


def test_a_notice_of_ssh_ends_nothing(tmp_path: Path) -> None:
    askhelper.install(tmp_path)
    done = asked(tmp_path, "Confirm user presence for key", SSH_ASKPASS_PROMPT="none")
    assert done.returncode == 0


@pytest.mark.parametrize("directory", ["with a space", "quote ' and $HOME", "/".join(["long" * 20] * 5)])
def test_python_may_lie_in_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str
) -> None:
    python = tmp_path / directory / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    askhelper.install(run_dir)
    askhelper.prove(run_dir)


def test_a_helper_that_may_not_be_executed_is_refused_in_words(tmp_path: Path) -> None:
    askhelper.install(tmp_path)
    (tmp_path / "askpass").chmod(0o600)  # as on a file system mounted noexec, also for root
    with pytest.raises(HelperUnusable) as refused:
        askhelper.prove(tmp_path)
    failure = refused.value.failure
    assert "XDG_RUNTIME_DIR" in failure.hint
    assert "Permission denied" in failure.evidence
    assert "no password was sent" in failure.state
