"""The action ``docker_engine_shard``: let one worker of Ansible drive many hosts of a run of ``provision``.

The package is imported from PYTHONPATH, which the run sets.
"""

import os
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from provision.ssh import hostcode, shard


class ActionModule(ActionBase):  # type: ignore[misc] # Ansible ships no types
    """The action ``docker_engine_shard``, without arguments; its "host" is the shard."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Drive the hosts that the controller sends, until it closes the socket; return their number."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        return result | {"hosts": shard.work(Path(os.environ["PROVISION_RUN_DIR"]))}


# Ansible's main process loads this module and forks the workers: what is made here is made once.
hostcode.archive()
