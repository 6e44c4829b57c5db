"""No process that holds a secret leaves a core dump, and another of the same user cannot read it."""

import subprocess
import sys
from pathlib import Path

PROVISION = Path(__file__).parents[2] / "provision"
# Prints the limit of a child, and whether we are dumpable (PR_GET_DUMPABLE).
LOOK = """
import ctypes, resource, subprocess, sys
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)
subprocess.run(["sh", "-c", "ulimit -c"])
"""


def said(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program + LOOK], capture_output=True, text=True).stdout


def test_a_process_is_dumpable_before_or_this_proves_nothing() -> None:
    assert ") 1" in said("")


def test_neither_we_nor_what_we_start_dumps_core() -> None:
    assert said("from provision.ssh.broker import forbid_dumps; forbid_dumps()") == "(0, 0) 0\n0\n"


def test_who_asks_the_broker_dumps_no_core() -> None:
    ask = "from provision.ssh import broker\ntry:\n broker.ask('/nowhere', 't')\nexcept OSError:\n pass"
    assert said(ask) == "(0, 0) 0\n0\n"


def test_the_helper_of_ssh_dumps_no_core() -> None:
    assert ") 0" in said("from provision.ssh.askpass import forbid_dump; forbid_dump()")
    main = (PROVISION / "ssh/askpass.py").read_text().partition("def main")[2]
    assert main.index("forbid_dump()") < main.index("client.recv")


def test_a_command_forbids_it_before_it_asks_for_the_master_password() -> None:
    guarded = (PROVISION / "workflows/guard.py").read_text().partition("def guarded")[2]
    assert guarded.index("forbid_dumps()") < guarded.index("from_environment()")
