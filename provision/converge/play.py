"""Run Ansible's play, in which each "host" is a shard that drives many hosts."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from provision.role import playbooks
from provision.startup import PLAYBOOK, argv_of

# A shard mostly waits, but reading and writing for its hosts takes processor time.
SHARDS_PER_CORE = 1
# How long Ansible may take to end once its shards have ended.
END_TIMEOUT_S = 10.0
# ansible-runner writes its environment to disk, so it gets only these.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME")
_PACKAGES = Path(__file__).resolve().parents[2]


def how_many(hosts: int) -> int:
    """Return the number of shards for this many ``hosts``."""
    return max(1, min(hosts, SHARDS_PER_CORE * (os.cpu_count() or 1)))


@contextmanager
def playing(
    run_dir: Path,
    shards: int,
    on_end: Callable[[str, Exception | None], None],
    cancelled: Callable[[], bool],
) -> Iterator[None]:
    """Run Ansible with this many ``shards`` in a thread; the context waits for its end, and then kills it.

    ``on_end`` is called when Ansible has ended, with its output unless it was successful, and with what was
    raised. When ``cancelled`` returns True, Ansible is killed.
    """
    overdue = threading.Event()

    def run() -> None:
        try:
            on_end(_play(run_dir, shards, lambda: overdue.is_set() or cancelled()), None)
        except Exception as error:  # raised where the answers are awaited
            on_end("", error)

    thread = threading.Thread(target=run, name="ansible", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(END_TIMEOUT_S)
        overdue.set()
        thread.join()


def _play(run_dir: Path, shards: int, cancelled: Callable[[], bool]) -> str:
    # Imported here: it takes 0.03 s, which other commands and a host's first answer need not wait for.
    from ansible_runner import Runner, RunnerConfig

    private = run_dir / "runner"
    private.mkdir(mode=0o700, exist_ok=True)
    inventory = run_dir / "shards.yml"
    inventory.write_text(_inventory(shards))
    config = RunnerConfig(
        private_data_dir=str(private),
        playbook=str(playbooks() / "shards.yml"),
        inventory=str(inventory),
        forks=shards,
        quiet=True,
        suppress_env_files=True,
        settings={"pexpect_timeout": 1},
    )
    config.prepare()
    config.command[:1] = argv_of(PLAYBOOK)
    config.env = environment(config.env, run_dir)
    runner = Runner(
        config=config, event_handler=lambda _: False, cancel_callback=cancelled, remove_partials=True
    )
    runner.run()
    return runner.stdout.read() if runner.status != "successful" else ""


def _inventory(shards: int) -> str:
    """Return an inventory of this many shards, which are workers on this machine. JSON is valid YAML."""
    hosts = {f"shard{number}": {"ansible_connection": "local"} for number in range(shards)}
    return json.dumps({"all": {"hosts": hosts}})


def environment(prepared: Mapping[str, str], run_dir: Path) -> dict[str, str]:
    """Return what ansible-runner set, and the allowed part of our environment."""
    kept = {k: v for k, v in prepared.items() if k in _INHERITED or os.environ.get(k) != v}
    return kept | {
        "PYTHONPATH": str(_PACKAGES),
        "ANSIBLE_CONFIG": str(playbooks() / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(run_dir / "ansible"),
        "ANSIBLE_HOME": str(run_dir / "ansible"),
        "PROVISION_RUN_DIR": str(run_dir),
    }
