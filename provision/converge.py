"""converge: bring the hosts of open Sessions to their desired state, by one Ansible play."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from ansible_runner import Runner, RunnerConfig

from provision import errors
from provision.desired import PREFIX
from provision.hints import HOST, parse
from provision.model import (
    Change,
    Consent,
    Containers,
    Earlier,
    Failure,
    Harm,
    Outcome,
    Session,
    Stage,
    Status,
)
from provision.wording import EARLIER, Wording

_PACKAGE = Path(__file__).resolve().parent
_FORK_BYTES = 100 << 20
# ansible-runner writes its environment to disk, so it gets only these.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME")
ACTION = "docker_engine"

OnOutcome = Callable[[str, Outcome], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of every host; ``words`` are those of the verb, and the lock on the host shows its name.

    ``check`` only plans. ``values`` are the role's, without their prefix, and override the inventory;
    ``by_host`` has those of one host, by its name.
    """

    run: str
    words: Wording
    check: bool = False
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    by_host: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)


def converge(
    sessions: tuple[Session, ...],
    run_dir: Path,
    order: Order,
    *,
    on_outcome: OnOutcome,
    cancelled: Callable[[], bool],
) -> dict[str, Outcome]:
    """Carry ``order`` out on each session's host.

    ``on_outcome`` is called as each host ends. Returns an Outcome for every session, by host name; a host
    without a result is lost, interrupted or unknown.
    """
    listener = Listener(on_outcome, cancelled, order.words)
    said = _play(sessions, run_dir, order, listener.hear, cancelled)
    return listener.all_of(tuple(session.host.name for session in sessions), said)


class Listener:
    """Turn Ansible's events into one Outcome per host.

    Only the result of our own action counts as success: an earlier task may also end in "ok".
    """

    def __init__(
        self, on_outcome: OnOutcome, cancelled: Callable[[], bool], words: Wording = EARLIER
    ) -> None:
        self._on_outcome = on_outcome
        self._cancelled = cancelled
        self._words = words
        self._outcomes: dict[str, Outcome] = {}
        self._started = time.monotonic()

    def hear(self, event: dict[str, Any]) -> bool:
        """Handle one event of ansible-runner; return False, so that it writes no file for it."""
        kind, data = event.get("event"), event.get("event_data", {})
        if kind == "runner_on_unreachable" and not self._cancelled():  # else the run ended the connection
            lost = _lost(data["host"], self._words, str(data["res"].get("msg", "")))
            self._keep(data["host"], Outcome(failure=lost))
        elif kind == "runner_on_failed":
            failure = _failure(data["host"], self._words, data["res"].get("error") or _untyped(data["res"]))
            self._keep(data["host"], _outcome(data["host"], data["res"], failure))
        elif kind == "runner_on_ok" and data.get("task_action") == ACTION:
            self._keep(data["host"], _outcome(data["host"], data["res"]))
        return False

    def all_of(self, names: tuple[str, ...], said: str) -> dict[str, Outcome]:
        """Return every host's Outcome; ``said`` is Ansible's output, the evidence for hosts without one."""
        for name in names:
            if name not in self._outcomes:
                self._keep(name, Outcome(failure=_silence(name, self._words, said, self._cancelled())))
        return self._outcomes

    def _keep(self, name: str, outcome: Outcome) -> None:
        outcome = replace(outcome, seconds=time.monotonic() - self._started)
        self._outcomes[name] = outcome
        self._on_outcome(name, outcome)


def playbooks() -> Path:
    """Return the directory of the playbooks: inside the wheel, or beside the package in a checkout."""
    installed = _PACKAGE / "_playbooks"
    return installed if installed.is_dir() else _PACKAGE.parent / "playbooks"


def _play(
    sessions: tuple[Session, ...],
    run_dir: Path,
    order: Order,
    hear: Callable[[dict[str, Any]], bool],
    cancelled: Callable[[], bool],
) -> str:
    private = run_dir / "runner"
    private.mkdir(mode=0o700, exist_ok=True)
    inventory = run_dir / "inventory.yml"
    inventory.write_text(_inventory(sessions, order))
    config = RunnerConfig(
        private_data_dir=str(private),
        playbook=str(playbooks() / "provision.yml"),
        inventory=str(inventory),
        cmdline="--check --diff" if order.check else "--diff",
        forks=forks(len(sessions)),
        quiet=True,
        suppress_env_files=True,
        settings={"pexpect_timeout": 1},
    )
    config.prepare()
    config.env = _environment(config.env, run_dir)
    runner = Runner(config=config, event_handler=hear, cancel_callback=cancelled, remove_partials=True)
    runner.run()
    return runner.stdout.read() if runner.status != "successful" else ""


def forks(hosts: int) -> int:
    """Return how many hosts Ansible handles at once: min(hosts, 4 x cores, memory / 100 MB)."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(hosts, 4 * (os.cpu_count() or 1), memory // _FORK_BYTES))


def _environment(prepared: Mapping[str, str], run_dir: Path) -> dict[str, str]:
    """Return what ansible-runner set, and the allowed part of our environment."""
    kept = {k: v for k, v in prepared.items() if k in _INHERITED or os.environ.get(k) != v}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}",
        "ANSIBLE_CONFIG": str(playbooks() / "ansible.cfg"),
        "ANSIBLE_SSH_ARGS": f"-F {run_dir}/clients",
        "ANSIBLE_LOCAL_TEMP": str(run_dir / "ansible"),
        "ANSIBLE_HOME": str(run_dir / "ansible"),
        "PROVISION_RUN_DIR": str(run_dir),
    }


class _Untrusted(dict[str, Any]):
    """Variables that Ansible must never evaluate as templates."""


class _Dumper(yaml.SafeDumper):
    """Write _Untrusted variables with Ansible's tag for them."""


# The tag before the mapping covers all values. Before each text instead, "5" would be read as a number.
_Dumper.add_representer(_Untrusted, lambda dumper, values: dumper.represent_mapping("!unsafe", values))


def _inventory(sessions: tuple[Session, ...], order: Order) -> str:
    asked = {"run": order.run, "what": order.words.called} | dict(order.values)

    def ours(name: str) -> dict[str, Any]:
        return {PREFIX + key: value for key, value in (asked | dict(order.by_host.get(name, {}))).items()}

    hosts = {
        s.host.name: _Untrusted(
            dict(s.host.desired) | ours(s.host.name), ansible_connection="ssh", ansible_user=s.host.user
        )
        for s in sessions
    }
    return yaml.dump({"all": {"hosts": hosts}}, Dumper=_Dumper, width=1 << 16)


def _outcome(name: str, result: Mapping[str, Any], failure: Failure | None = None) -> Outcome:
    earlier = tuple(_earlier(name, run) for run in result.get("earlier", ()))
    return Outcome(
        _changes(result),
        str(result.get("system", "")),
        failure,
        earlier=earlier,
        received=bool(result.get("heard")),
        consent=_consent(result.get("consent")),
        containers=_containers(result.get("containers")),
        installed=bool(result.get("installed")),
        waited=tuple(result.get("waited", ())),
    )


def _consent(found: Mapping[str, Any] | None) -> Consent | None:
    if not found:
        return None
    harms = tuple(Harm(**harm | {"names": tuple(harm["names"])}) for harm in found["harms"])
    return Consent(found["digest"], tuple(found["ids"]), harms)


def _containers(found: Mapping[str, Any] | None) -> Containers | None:
    if not found:
        return None
    restarted, lost, silent = (tuple(found[name]) for name in ("restarted", "lost", "silent"))
    return Containers(found["untouched"], restarted, lost, silent)


def _changes(result: Mapping[str, Any]) -> tuple[Change, ...]:
    changes = result.get("changes", ())
    return tuple(Change(**change | {"implied": tuple(change["implied"])}) for change in changes)


def _earlier(name: str, run: Mapping[str, Any]) -> Earlier:
    failure = _failure(name, EARLIER, run["error"]) if run["error"] else None
    return Earlier(run["run"], run["who"], run["at"], run["how"], _changes(run), failure)


def _untyped(result: Mapping[str, Any]) -> dict[str, str]:
    return {"kind": "unexpected", "message": str(result.get("msg", "no result"))}


def _failure(name: str, words: Wording, error: Mapping[str, Any]) -> Failure:
    hint = error.get("hint") or f"`fab hosts.shell {HOST}`"
    return Failure(
        kind=error["kind"],
        message=error["message"],
        next=parse(hint, again=words.anew, alone=words.again, host=name),
        stage=Stage.CONVERGE,
        evidence=error.get("evidence", ""),
        meaning=error.get("meaning", ""),
        state=error.get("state", ""),
        status=Status.REFUSED if error.get("refused") else Status.FAILED,
    )


def _lost(name: str, words: Wording, evidence: str) -> Failure:
    return errors.ConnectionLost(
        f"the connection to {name} was lost",
        parse(f"`fab hosts.ping {HOST}`; then: `again {HOST}`", alone=words.safely, host=name),
        evidence=" ".join(evidence.split())[:200],
        meaning="the network or the host went away; the host finishes or rolls back by itself",
        state="unknown until the next run, which reports it",
    ).at(Stage.CONVERGE)


def _silence(name: str, words: Wording, said: str, cancelled: bool) -> Failure:
    if cancelled:
        return errors.Interrupted(
            f"interrupted before {name} reported",
            parse(f"`again {HOST}`", alone=words.safely, host=name),
            state="the host finishes or rolls back by itself; the next run says which",
        ).at(Stage.CONVERGE)
    lines = [line.strip() for line in said.splitlines() if "ERROR" in line or "rror:" in line]
    return errors.NotProven(
        f"{name} sent no result", f"`fab plan --limit {name}`", evidence=(lines or [""])[0][:200]
    ).at(Stage.CONVERGE)
