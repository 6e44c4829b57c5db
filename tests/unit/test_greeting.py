"""What a login shell may print before it is ready, and what is no greeting any more."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from provision.ssh import greeting
from provision.ssh.greeting import Greeting, listen

READY = "up-0123456789abcdef"


@contextmanager
def master(script: str) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(["sh", "-c", script], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def refused(script: str, timeout_s: float = 10) -> tuple[Greeting, int]:
    with master(script) as process:
        found = listen(process, READY, timeout_s)
    assert not found.is_ready
    return found, process.returncode


@pytest.mark.parametrize(
    "noise",
    ["", "echo hello", "printf 'no line end '", "echo hello >&2", r"printf '\377\0\033[2J'",
     f"echo 'echo {READY}; exec cat'", "yes | head -c 200000"],
)  # fmt: skip
def test_noise_before_the_ready_word_is_no_matter(noise: str) -> None:
    with master(f"{noise}\necho {READY}; exec cat >/dev/null") as process:
        assert listen(process, READY, 10).is_ready
        assert process.poll() is None


@pytest.mark.parametrize("script", ["exec yes", "exec yes >&2"])
def test_talking_without_end_is_ended_within_the_time(script: str) -> None:
    started = time.monotonic()
    found, _ = refused(script)
    assert found.is_endless
    assert len(found.out) + len(found.err) < 2 * greeting.CAP_BYTES + (1 << 17)
    assert time.monotonic() - started < 5


def test_a_shell_that_ends_is_told_from_ssh_that_failed() -> None:
    assert refused("echo This account is not available; exit 1")[1] == 1
    assert refused("exit 255")[1] == 255


@pytest.mark.parametrize("script", ["exec sleep 60", "while :; do echo x; done"])
def test_a_login_without_an_end_is_late(script: str) -> None:
    found, _ = refused(script, timeout_s=0.05)
    assert found.is_late
    assert not found.is_endless


def test_a_word_that_is_only_repeated_is_not_ready() -> None:
    refused(f"echo 'sh -c echo {READY}; exec cat'")
