"""The life of the sample container on a host: built, run, reached, killed, removed."""

import io
import json
import secrets as random_source
import shlex
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testinfra.host import Host

from provision import sample
from provision.checks.facts import AFTER_OTHERS, LOCK, Facts
from provision.checks.questions import Answer, Questions
from provision.checks.reach import Reach, reach
from provision.model import Session

STEP_TIMEOUT_S = 210.0
EXIT_CODE = 42
# The script's exit code when a restart would disturb somebody; its last line says whom.
REFUSED = 75
NOT_ASKED = "the engine is restarted only when asked: `fab verify --restart`"
DOCKERFILE = 'FROM scratch\nCOPY sample /sample\nENTRYPOINT ["/sample"]\n'

PREPARE = f"prepare || exit 1\n{AFTER_OTHERS}"
# Older clients have no such option. The image is there anyway.
NEVER_PULL, NEVER_PULL_SINCE = "never='--pull never'", (20, 10)
STEPS_OF_BIRTH = ("build", "prints", "ends", "serves", "look", "here", "arrived_before")


@dataclass(frozen=True, slots=True)
class Life:
    """What was observed: an Answer per step, the controller's request, and why no restart was tried."""

    token: str
    answers: Mapping[str, Answer]
    reached: Reach
    no_restart: str = ""

    def __getitem__(self, step: str) -> Answer:
        return self.answers[step]

    @property
    def log_config(self) -> dict[str, Any]:
        """The log driver of the service: ``Type`` and ``Config``."""
        return dict(json.loads(look(self["look"])["log"]))


def look(answer: Answer) -> dict[str, str]:
    """Return the engine's data about the service: ``log``, ``address``, ``port``, ``pid``, ``restarts``."""
    return dict(line.partition(" ")[::2] for line in answer.text.splitlines() if " " in line)


def live(host: Host, session: Session, facts: Facts, may_restart: bool) -> Life:
    """Run the sample container through its life on ``host`` and return what was observed.

    Everything is removed again, also after an error; the host does it by itself when the connection is lost.
    Raise ConnectionLost, or CommandTimedOut when a step times out.
    """
    token = random_source.token_hex(6)
    no_restart = why_no_restart(facts) if may_restart else NOT_ASKED
    stdin = context(facts["machine"].text.strip())
    try:
        before = f"{NEVER_PULL if facts.client_numbers >= NEVER_PULL_SINCE else ''}\n{PREPARE}"
        answers = _steps(host, token, STEPS_OF_BIRTH, before=before, stdin=stdin)
        seen = look(answers["look"])
        reached = reach(session.host, seen.get("address", ""), seen.get("port", ""))
        arrived = ("arrived_after",) if reached.is_lost else ()
        restart = () if no_restart else ("restart_engine", "here_again")
        answers |= _steps(host, token, (*arrived, "killed", *restart))
    finally:
        end = _steps(host, token, ("clean",))
    return Life(token, answers | end, reached, no_restart)


def why_no_restart(facts: Facts) -> str:
    """Return why the engine must not be restarted for a check; empty when it may."""
    others = int(facts.info.get("ContainersRunning") or 0)
    if facts.is_swarm:
        return "the engine is part of a Swarm"
    if others:
        return f"a restart would disturb the {others} containers that run"
    if facts.refuses_configuration:
        return "the engine would not start again: dockerd refuses its configuration"
    return ""


def context(machine: str) -> bytes:
    """Return the build context as a tar: a Dockerfile FROM scratch and the program for ``machine``."""
    files = {"Dockerfile": DOCKERFILE.encode(), "sample": sample.program(machine)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def script(token: str, steps: tuple[str, ...], before: str = "") -> Questions:
    """Return the shell script that runs ``steps``, functions of container.sh, one after another."""
    functions = (Path(__file__).parent / "container.sh").read_text()
    lines = (f"token={token} lock={LOCK}", f"functions={shlex.quote(functions)}", 'eval "$functions"', before)
    return Questions({step: step for step in steps}, before="\n".join(lines))


def _steps(
    host: Host, token: str, steps: tuple[str, ...], before: str = "", stdin: bytes = b""
) -> dict[str, Answer]:
    questions = script(token, steps, before)
    return questions.answers(host.run(questions.script(), stdin=stdin, timeout_s=STEP_TIMEOUT_S).stdout)
