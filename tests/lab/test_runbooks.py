"""The runbooks in docs/runbooks: each of their commands is typed here, by somebody at a terminal.

A console block holds commands for the controller (``$``) and for the host (``web1#``): the latter go into
the shell that the line before has opened, or else to the host's own console. ``# exit code N`` behind a
command is what it must end with; without it, with 0. A yaml block is the inventory at that point.
"""

import os
import re
import shlex
import shutil
import signal
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pexpect
import pytest
import yaml

from provision import lab as labs
from provision.lab import Lab, LabHost
from provision.model import HostKey
from tests.lab.closed import closed
from tests.lab.conftest import BIN, CHECKOUT, MASTER, Project, empty_keyring
from tests.lab.faults import ground
from tests.lab.lived_in.scenes import TOOLS
from tests.lab.test_errors import wait_until
from tests.lab.test_road import in_host

RUNBOOKS = CHECKOUT / "docs/runbooks"
# The addresses of the runbooks, from the range for documentation, and who has them here.
WHO = {"203.0.113.7": "el1", "203.0.113.8": "el2"}
HOSTS = {"web1": "el1", "web2": "el2"}
# What a command may ask at the terminal, and the answers that are the same for all.
ANSWERS = {
    r"[Mm]aster password (?:of|for) .*: $": MASTER,
    r"The same again: $": MASTER,
    r"Type yes to (?:go on|do it): $": "yes",
    r"Type purge to (?:go on|do it): $": "purge",
}
PROMPT = r"root@\w+:\S*# $"
QUESTIONS = [*ANSWERS, r"password of (\S+): $", PROMPT]
LINE = re.compile(r"(?:\$|(\w+)#) (.*?)(?: +# exit code (\d+))?")
PART = re.compile(r"^ *```(console|yaml)\n(.*?)^ *```|<!-- test: (\w+) -->", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """One line of a console block: where it is typed, what, and what it must end with."""

    host: str
    text: str
    code: int = 0
    typed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inventory:
    """A yaml block: the inventory from there on."""

    text: str


def parts(runbook: str) -> Iterator[Command | Inventory | str]:
    """Yield a runbook's commands and inventories in order, and the marks where the test acts."""
    for block in PART.finditer((RUNBOOKS / f"{runbook}.md").read_text()):
        kind, text, mark = block.groups()
        if kind == "console":
            yield from commands(text)
        else:
            yield mark or Inventory(text)


def commands(block: str) -> list[Command]:
    found: list[Command] = []
    for line in map(str.strip, block.splitlines()):
        host, text, code = LINE.fullmatch(line).groups()  # type: ignore[union-attr]
        if host and found and found[-1].text == f"fab hosts.shell {host}":
            found[-1] = Command("", found[-1].text, typed=(*found[-1].typed, text))
            continue
        found.append(Command(host or "", text, int(code or 0)))
    return found


@dataclass
class Person:
    """Types commands at a terminal, and answers what is asked."""

    project: Project
    words: dict[str, str] = field(default_factory=dict)
    opened: ExitStack = field(default_factory=ExitStack)

    def type(self, command: Command) -> None:
        """Type one command, and check how it ends."""
        if command.host:
            done = labs.execute(self._host(command.host), "sh", "-c", command.text)
            assert done.returncode == command.code, done.stderr
            return
        text = re.sub(r"\b[A-Z]{3,}\b", lambda word: self.words.get(word[0], word[0]), command.text)
        environment = self.project.environment(TERM="xterm", PATH=f"{BIN}:/usr/bin:/bin")
        del environment["PROVISION_MASTER"]
        with pexpect.spawn(
            "/bin/sh", ["-c", text], cwd=self.project.path, env=environment, encoding="utf-8", timeout=240,
            dimensions=(50, 160),
        ) as child:  # fmt: skip
            said = self._answer(child, [f"{line} || exit 99" for line in command.typed])
        self.project.expect_clean(said)
        assert child.exitstatus == command.code, f"{text}\n{said}"

    def _answer(self, child: pexpect.spawn, typed: list[str]) -> str:
        said = ""
        while (asked := child.expect([*QUESTIONS, pexpect.EOF])) < len(QUESTIONS):
            said += child.before + child.after
            if QUESTIONS[asked] is PROMPT:
                child.sendline(typed.pop(0) if typed else "exit")
            else:
                child.sendline(ANSWERS.get(QUESTIONS[asked]) or self._password(child.match[1]))
        return said + child.before

    def _password(self, owner: str) -> str:
        password = self._host("web2" if owner == "group/shop" else owner.removeprefix("host/")).password
        assert password
        return password.reveal()

    def _host(self, name: str) -> LabHost:
        return self.project.lab.host(HOSTS[name])


def settle(person: Person, **variables: object) -> None:
    """Write the variables of every host of the project; the lab replaces Docker's download site."""
    lab = person.project.lab
    shared = {
        "docker_engine_mirror": lab.repo_url,
        "docker_engine_gpg_key": str(lab.gpg_key),
        "docker_engine_gpg_fingerprint": lab.gpg_fingerprint,
    }
    folder = person.project.path / "inventory/group_vars"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.yml").write_text(yaml.safe_dump(shared | variables))


def take_in(person: Person, inventory: str) -> None:
    """Write the inventory of a runbook, with the lab's addresses for those of the documentation."""
    for address, name in WHO.items():
        if address in inventory:
            inventory = inventory.replace(address, person.project.lab.host(name).address)
    (person.project.path / "inventory/hosts.yml").write_text(textwrap.dedent(inventory))


def admit(person: Person) -> None:
    """Go to the end of the first runbook: web1 has a password and a pin."""
    take_in(person, "all: {hosts: {web1: {ansible_host: 203.0.113.7}}}")
    empty_keyring(person.project.keyring)
    person.project.store("web1", person._password("web1"))
    person.project.pin("web1", person._host("web1"))


def close_off(person: Person) -> None:
    """Admit web1 and web2, and cut web2 off."""
    take_in(person, "all: {hosts: {web1: {ansible_host: 203.0.113.7}, web2: {ansible_host: 203.0.113.8}}}")
    empty_keyring(person.project.keyring)
    for name in HOSTS:
        labs.execute(person._host(name), "sh", "-c", BARE)
        person.project.store(name, person._password(name))
        person.project.pin(name, person._host(name))
    lab, folder = person.project.lab, person.project.path / "system"
    person.opened.enter_context(closed(lab, HOSTS["web1"], HOSTS["web2"], folder))


def lose(person: Person) -> None:
    """Make a keyring with another master password than the person knows."""
    admit(person)
    shutil.rmtree(person.project.keyring.parent)
    person.project.fab("credentials.init", PROVISION_MASTER="one that nobody knows").expect(0)
    person.words["KEYRING"] = str(person.project.keyring)


def reinstall(person: Person) -> None:
    """Pin the key of web2 for web1, so that web1 shows another one."""
    admit(person)
    person.project.pin("web1", person._host("web2"))
    kind, key = person._host("web2").host_key.split()[:2]
    person.words["OLD"] = HostKey("web1", kind, key).fingerprint


def fail(person: Person) -> None:
    """Admit web1, and ask for a setting that the engine refuses."""
    admit(person)
    spoil(person)


def mend(person: Person) -> None:
    """Remove the bad setting, and remember which run has failed."""
    settle(person)
    person.words["RUN"] = person.project.report()["run"]


def provide(person: Person) -> None:
    """Admit web1, and provision it."""
    admit(person)
    person.project.fab("provision").expect(0)


def drift(person: Person) -> None:
    """Change a setting on web1 by hand."""
    change = 'echo \'{"log-driver": "json-file"}\' > /etc/docker/daemon.json'
    assert labs.execute(person._host("web1"), "sh", "-c", change).returncode == 0


def change(person: Person) -> None:
    """Provision bare hosts, then change a setting: their data are all ours."""
    admit(person)
    for name in HOSTS:
        labs.execute(person._host(name), "sh", "-c", BARE)
    person.project.fab("provision", "--no-verify").expect(0)
    settle(person, docker_engine_daemon_options={"debug": True})
    person.project.fab("provision", "--no-verify").expect(0)


def cut(person: Person) -> None:
    """Kill the controller while its run is at work on the host."""
    settle(person, docker_engine_daemon_options={"debug": True})
    run = person.project.start("provision")
    wait_until(lambda: in_host(person.project.lab, "el1", "cat /run/provision.lock") != "")
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()


def spoil(person: Person) -> None:
    """Ask for a setting that the engine refuses."""
    settle(person, docker_engine_daemon_options={"debug": "nonsense"})


# What the lock of a run on web1 holds, and a process that holds it.
HOLDER = """\
import fcntl, time
file = open("/run/provision.lock", "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write('{"who": "ann@desk", "run": "20261124-0218-7f3a", "what": "provision", "since": "02:18"}')
file.flush()
time.sleep(600)
"""


def hold(person: Person) -> None:
    """Hold the lock of web1 as another person's run."""
    start = f"setsid python3 -c {shlex.quote(HOLDER)} > /dev/null 2>&1 < /dev/null & echo $! > /run/holder"
    in_host(person.project.lab, "el1", start)
    wait_until(lambda: "ann" in in_host(person.project.lab, "el1", "cat /run/provision.lock"))


def release(person: Person) -> None:
    """Release that lock in a moment."""
    in_host(person.project.lab, "el1", "(sleep 2; kill $(cat /run/holder)) > /dev/null 2>&1 < /dev/null &")


# Nothing of Docker, and nothing of ours.
BARE = """\
systemctl disable --now app docker docker.socket containerd 2> /dev/null
rm -rf /etc/systemd/system/app.service /var/lib/provision
dnf -y -q remove docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
# With the plain word it would end this shell, whose own command line has it.
pkill -f '[c]ontainerd-shim'
pkill -KILL -x sample
grep -o ' /var/lib/docker/[^ ]*' /proc/self/mounts | sort -r | xargs -r umount -l
rm -rf /etc/docker /etc/yum.repos.d/* /var/lib/docker/* /var/lib/containerd/*
systemctl daemon-reload
"""
APP = """\
by_hand; start
container web --restart unless-stopped theirs sleep 99999999
printf '[Unit]\\nRequires=docker.service\\nAfter=docker.service\\n[Service]\\nExecStart=%s\\n' \
    '/usr/bin/docker run --rm --name app theirs sleep 99999999' > /etc/systemd/system/app.service
systemctl daemon-reload; systemctl start app
"""


def live_in(person: Person) -> None:
    """Install a foreign engine on web1, with containers, and a unit that needs it."""
    admit(person)
    lab, host = person.project.lab, person._host("web1")
    labs.execute(host, "sh", "-c", BARE)
    (host.directory / "root/root/image.tar").write_bytes(ground.image())
    made = labs.execute(host, "bash", "-c", f"URL={lab.repo_url}\n{TOOLS}{APP}")
    assert made.returncode == 0, made.stderr


def clear(person: Person) -> None:
    """Make web1 bare again."""
    labs.execute(person._host("web1"), "sh", "-c", BARE)


# What is so when a runbook begins, and what its marks stand for.
BEGINNINGS: dict[str, Callable[[Person], None]] = {
    "first-server": settle,
    "adding-a-host": admit,
    "a-closed-network": close_off,
    "a-host-key-changed": reinstall,
    "a-lost-master-password": lose,
    "a-failed-run": fail,
    "reading-a-report": provide,
    "a-killed-run": admit,
    "a-mirror-in-china": admit,
    "a-held-lock": admit,
    "a-server-that-already-runs-docker": live_in,
    "undoing-a-run": change,
    "holding-and-upgrading-a-version": admit,
    "rotating-a-password": admit,
    "leaving-passwords-behind": admit,
}
HANDS: dict[str, Callable[[Person], None]] = {
    "mend": mend,
    "drift": drift,
    "cut": cut,
    "break": spoil,
    "hold": hold,
    "release": release,
}


def give_back(person: Person) -> None:
    """Restore root's password of the lab: other tests use it, too."""
    host = person._host("web1")
    assert host.password
    labs.execute(host, "chpasswd", stdin=f"root:{host.password.reveal()}\n".encode())
    done = "rm -rf /root/.ssh /etc/ssh/sshd_config.d/00-provision.conf; systemctl reload ssh"
    assert labs.execute(host, "sh", "-c", done).returncode == 0


# What is put right behind a runbook.
ENDINGS: dict[str, Callable[[Person], None]] = {
    "a-server-that-already-runs-docker": clear,
    "rotating-a-password": give_back,
    "leaving-passwords-behind": give_back,
}


# Followed on a host like CentOS 7, in test_el7.py.
ELSEWHERE = {"a-centos-7-host"}


# The one of a foreign engine comes last: data of an engine that is not ours are not purged.
@pytest.mark.parametrize(
    "runbook",
    sorted(
        {path.stem for path in RUNBOOKS.glob("*.md")} - ELSEWHERE,
        key=lambda name: (BEGINNINGS[name] is live_in, name),
    ),
)
def test_every_command_of_a_runbook_does_what_it_says(lab: Lab, tmp_path: Path, runbook: str) -> None:
    person = somebody(tmp_path, lab)
    BEGINNINGS[runbook](person)
    try:
        for part in parts(runbook):
            follow(person, part)
    finally:
        person.opened.close()
        ENDINGS.get(runbook, settle)(person)


def somebody(directory: Path, lab: Lab) -> Person:
    """Return a person whose project in ``directory`` has variables for the lab, and no host yet."""
    shutil.copy(CHECKOUT / "fabfile.py", directory)
    person = Person(Project(directory, lab, {}))
    settle(person)
    return person


def follow(person: Person, part: Command | Inventory | str) -> None:
    if isinstance(part, Command):
        person.type(part)
    elif isinstance(part, Inventory):
        take_in(person, part.text)
    else:
        HANDS[part](person)
