"""`fab` with the most verbose output of the programs behind it.

Type `python -m tests.leak.verbose TASK …`. No flag of ours does that, but somebody who debugs may.
"""

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import ansible_runner

from provision.converge import play
from provision.tasks import program

VERBOSITY = 4
# Stays in the directory from which the command was typed.
LOG = "ansible.log"


def main() -> None:
    """Make Invoke, Ansible and what it starts verbose, and run the task."""
    environment = play.environment

    def loud(prepared: Mapping[str, str], run_dir: Path) -> dict[str, str]:
        return environment(prepared, run_dir) | {
            "ANSIBLE_DEBUG": "1",
            "ANSIBLE_LOG_PATH": str(Path.cwd() / LOG),
        }

    config = functools.partial(ansible_runner.RunnerConfig, verbosity=VERBOSITY)
    with patch.object(play, "environment", loud), patch.object(ansible_runner, "RunnerConfig", config):
        program.run([sys.argv[0], "--debug", *sys.argv[1:]])


if __name__ == "__main__":
    main()
