"""The action ``docker_engine``: send the host code to one host, and turn its answer into a task result.

It is for plain Ansible, which opens the connection. A run of ``provision`` has ``docker_engine_shard``.
"""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase


def import_package() -> None:
    """Import the package ``provision`` beside these playbooks: of the checkout, or of the wheel.

    It need not be installed. Only the import of its name looks there first, before other versions of it.
    """
    places = map(str, Path(__file__).resolve().parents[2:4])
    sys.path.insert(0, next(place for place in places if Path(place, "provision/host/loader.py").is_file()))
    importlib.import_module("provision")
    del sys.path[0]


import_package()
from provision import role  # noqa: E402 - found by the line above
from provision.ssh import answer, hostcode  # noqa: E402


class ActionModule(ActionBase):  # type: ignore[misc] # Ansible ships no types
    """The action ``docker_engine``: its arguments are the role's variables without their prefix."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(
        ("state", "version", "containerd_version", "upgrade", "hold", "lock", "channel", "mirror", "gpg_key",
         "gpg_fingerprint", "proxy", "ca_file", "daemon_options", "registry_logins", "may_remove",
         "accept_eol", "allow_reboot", "disruption", "consent", "lock_timeout", "purge_data", "run", "verb",
         "what", "access", "reboot")
    )  # fmt: skip

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Converge (or in check mode plan) one host; gives changed, changes, system, error, diff."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            out, err = self._ask(self._request())
        except answer.NoResult as error:
            raise AnsibleActionFail(str(error), result={"error": error.error}) from None
        result.update(answer.task_result(answer.read(out, err)))
        if not self._task.diff:
            result.pop("diff", None)
        return result

    def _request(self) -> dict[str, Any]:
        try:
            values = role.typed(self._task.args)
        except ValueError as error:
            raise answer.bad_value(str(error)) from None
        plan, diff = bool(self._task.check_mode), bool(self._task.diff)
        for name in ("gpg_key", "ca_file"):
            values[name] = values[name] and self._found(values[name])
        return hostcode.request(values, plan=plan, diff=diff, acknowledges=False)

    def _found(self, file: str) -> str:
        """Return the path of a file as Ansible finds files; a URL stays as it is."""
        return file if "://" in file else str(self._loader.path_dwim(file))

    def _ask(self, request: Mapping[str, Any]) -> tuple[str, str]:
        """Return what the host code printed; only here it is known how a host and its root are reached."""
        try:
            started = hostcode.plain(request)
            said = self._low_level_execute_command(started.command, in_data=started.stdin)
        except AnsibleConnectionFailure as error:
            raise AnsibleConnectionFailure(answer.shown(error)) from None
        return said["stdout"], said["stderr"]


# Ansible's main process loads this module and forks a worker for each host: what is made here is made once.
hostcode.archive()
role.typed({})
