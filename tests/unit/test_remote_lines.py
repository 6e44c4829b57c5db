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


def test_both_ends_mark_a_step_alike() -> None:
    assert answer.STEP_MARK == main.STEP
    said = answer.read(f'{main.STEP}"packages"\n{answer.RC_MARK}1\n', "")
    assert said["error"]["kind"] == "no-answer-from-host-code"
