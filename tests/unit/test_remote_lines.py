"""What a host says while it works: each line of its output is passed on when it comes."""

import subprocess
import sys

from provision.host import main
from provision.ssh import answer, remote

TALKS = """\
import sys
print("provision-step: packages", flush=True)
sys.stdin.readline()
print("half a line", end="", flush=True)
sys.stdin.readline()
print(" and its end")
"""


def test_each_line_is_passed_on_once_it_is_whole() -> None:
    lines: list[bytes] = []
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", TALKS], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        exchange = remote.Exchange(process, b"1\n2\n", remote.OUTPUT_CAP_BYTES, lines.append)
        completed = exchange.run(20)
    assert lines == [b"provision-step: packages", b"half a line and its end"]
    assert completed.out.splitlines() == lines


ASKS = """\
import os, sys
print(sys.stdin.readline().strip(), flush=True)
print((os.read(0, 2) + os.read(0, 1)).decode(), flush=True)
os.read(0, 1)
os.write(1, b"\\n" * 50000 + b"the end\\n")
"""


def test_what_a_line_asks_for_is_sent_and_what_it_announces_is_no_line() -> None:
    lines: list[bytes] = []
    received = bytearray()
    replies = {b"send": remote.Reply([b"ab", b"c"]), b"abc": remote.Reply([b"!"], 50000, received.extend)}

    def heard(line: bytes) -> remote.Reply | None:
        lines.append(line)
        return replies.get(line)

    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", ASKS], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        exchange = remote.Exchange(process, b"send\n", 1000, heard, stays_open=True)
        completed = exchange.run(20)
    assert lines == [b"send", b"abc", b"the end"]
    assert bytes(received) == b"\n" * 50000
    assert completed == remote.Completed(0, b"send\nabc\nthe end\n", b"")


def test_both_ends_mark_a_step_alike() -> None:
    assert answer.STEP_MARK == main.STEP
    said = answer.read(f'{main.STEP}"packages"\n{answer.RC_MARK}1\n', "")
    assert said["error"]["kind"] == "no-answer-from-host-code"
