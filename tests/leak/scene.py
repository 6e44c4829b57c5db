"""The scene of the gate: hosts whose secrets are canaries, and a project in which commands are typed."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provision import lab as labs
from provision.credentials.master import VARIABLE
from provision.lab import Lab
from provision.role import PREFIX
from tests.lab.conftest import BIN, CHECKOUT, Project
from tests.lab.test_bad_controller import processes_in
from tests.leak import keyring
from tests.leak.canaries import Canary
from tests.leak.steps import MASTER, PASSPHRASE, PASSWORD, SUDO, Moment, Step

USER = "ops"
AUTHORIZE = """\
install -d -m 700 -o {user} -g {user} /home/{user}/.ssh
cat > /home/{user}/.ssh/authorized_keys; chown {user} /home/{user}/.ssh/authorized_keys
"""
LIMIT_S = 120.0
POLL_S = 0.05


class Surprise(Exception):
    """A command ended in another way than the table says."""


@dataclass
class Scene:
    """Where the commands are typed; runs keep their sockets in ``runtime``."""

    project: Project
    runtime: Path
    canaries: dict[str, Canary]
    typed: int = 0
    made: set[Canary] = field(default_factory=set)

    @property
    def said(self) -> Path:
        """The directory of all that was printed."""
        return self.project.path / "said"

    def play(self, step: Step) -> None:
        """Type the command of ``step``; raises Surprise when it ends in another way."""
        self.project.variables |= {PREFIX + name: value for name, value in step.wanted.items()}
        self.project.write()
        self.typed += 1
        out = self.said / f"{self.typed:02}.out"
        left = set(self.runtime.iterdir())
        process = self._start(step, out)
        try:
            code = self._end(process, step, left)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        self._learn()
        if code != step.code:
            raise Surprise(
                f"{step.typed}: exit {code}, not {step.code}\n{out.read_text(errors='replace')[-2000:]}"
            )

    def _learn(self) -> None:
        """Remember the secrets that the command made, before the next one may drop them."""
        known = {canary.secret for canary in (*self.canaries.values(), *self.made)}
        held = keyring.held(self.project.keyring, self.canaries[MASTER].secret)
        self.made |= {canary for canary in held if canary.secret not in known}

    def _start(self, step: Step, out: Path) -> subprocess.Popen[bytes]:
        door = [sys.executable, "-m", "tests.leak.verbose"] if step.verbose else [str(BIN / "fab")]
        master, secret = self._pipe(MASTER), self._pipe(step.stdin)
        unlock = [] if step.variable else ["--unlock-fd", str(master)]
        with out.open("wb") as file:
            process = subprocess.Popen(
                [*door, *shlex.split(step.typed), *unlock], cwd=self.project.path,
                env=self._environment(step), stdin=secret, stdout=file, stderr=file, pass_fds=(master,),
                start_new_session=True,
            )  # fmt: skip
        os.close(master)
        os.close(secret)
        return process

    def _pipe(self, name: str) -> int:
        """Return the reading end of a pipe with a canary and a line end; an empty one without a name."""
        read, write = os.pipe()
        with open(write, "wb") as pipe:
            pipe.write(self.canaries[name].secret.reveal().encode() + b"\n" if name else b"")
        return read

    def _environment(self, step: Step) -> dict[str, str]:
        place = str(self.runtime)
        more = {"XDG_RUNTIME_DIR": place, "TMPDIR": place, "PYTHONPATH": str(CHECKOUT)}
        environment = self.project.environment(**more)
        del environment[VARIABLE]
        master = {VARIABLE: self.canaries[MASTER].secret.reveal()} if step.variable else {}
        return environment | master

    def _end(self, process: subprocess.Popen[bytes], step: Step, left: set[Path]) -> int:
        if step.stop:
            self._wait(lambda: self._has_come(step.moment, left) or process.poll() is not None, step)
            # a terminal tells all that it has started; a kill is for one process
            with suppress(ProcessLookupError):
                (os.kill if step.stop is not signal.SIGINT else os.killpg)(process.pid, step.stop)
        self._wait(lambda: process.poll() is not None, step)
        self._wait(lambda: not processes_in(str(self.runtime)), step)
        return process.returncode

    def _has_come(self, moment: Moment, left: set[Path]) -> bool:
        """Return whether the run has reached its moment; directories ``left`` by killed runs do not count."""
        return any(True for run in set(self.runtime.iterdir()) - left for _ in run.glob(moment.value))

    def _wait(self, is_so: Callable[[], bool], step: Step) -> None:
        until = time.monotonic() + LIMIT_S
        while not is_so():
            if time.monotonic() > until:
                raise Surprise(f"{step.typed}: no end in {LIMIT_S:.0f} s")
            time.sleep(POLL_S)


def make_scene(place: Path, runtime: Path, lab: Lab, canaries: dict[str, Canary]) -> Scene:
    """Set the canaries on the hosts, and make a project that has everything but their secrets."""
    first, second = lab.hosts
    project = Project(place, lab, {})
    shutil.copy(CHECKOUT / "fabfile.py", place)
    (place / "said").mkdir()
    project.add(first.name, first)
    project.add(second.name, second)
    key = place / "id_ed25519"
    project.hosts[second.name] |= {
        "ansible_user": USER, "ansible_become": True, "ansible_ssh_private_key_file": str(key),
        "jump_host": first.name,
    }  # fmt: skip
    project.write()
    private, public = _key_pair(canaries[PASSPHRASE])
    key.touch(0o600)
    key.write_bytes(private)
    for host, user, name in ((first, "root", PASSWORD), (second, USER, SUDO)):
        line = f"{user}:{canaries[name].secret.reveal()}\n"
        assert labs.execute(host, "chpasswd", stdin=line.encode()).returncode == 0
    labs.execute(second, "sh", "-c", AUTHORIZE.format(user=USER), stdin=public)
    return Scene(project, runtime, canaries)


def _key_pair(passphrase: Canary) -> tuple[bytes, bytes]:
    """Make a key without ssh-keygen, which takes the passphrase as an argument."""
    key = Ed25519PrivateKey.generate()
    openssh = serialization.PrivateFormat.OpenSSH
    lock = serialization.BestAvailableEncryption(passphrase.secret.reveal().encode())
    private = key.private_bytes(serialization.Encoding.PEM, openssh, lock)
    public = serialization.PublicFormat.OpenSSH
    return private, key.public_key().public_bytes(serialization.Encoding.OpenSSH, public)
