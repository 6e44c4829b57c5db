"""The action ``docker_engine``: send the host code to one host, and turn its answer into a task result.

Works alone with plain Ansible. In a run of ``provision`` (PROVISION_RUN_DIR is set) it rides the run's own
connection, and the sudo password comes from the run's broker.
"""

import functools
import getpass
import importlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from yaml import safe_load


def import_package() -> None:
    """Import the package ``provision`` beside these playbooks: of the checkout, or of the wheel.

    It need not be installed. Only the import of its name looks there first, before other versions of it.
    """
    places = map(str, Path(__file__).resolve().parents[2:4])
    sys.path.insert(0, next(place for place in places if Path(place, "provision/host/loader.py").is_file()))
    importlib.import_module("provision")
    del sys.path[0]


import_package()
from provision.errors import ConnectionLost  # noqa: E402 - found by the line above
from provision.ssh import answer, hostcode  # noqa: E402

RUN_DIR = "PROVISION_RUN_DIR"


class ActionModule(ActionBase):  # type: ignore[misc] # Ansible ships no types
    """The action ``docker_engine``: its arguments are the role's variables without their prefix."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(
        ("state", "version", "upgrade", "channel", "mirror", "gpg_key", "gpg_fingerprint",
         "daemon_options", "registry_logins", "may_remove", "disruption", "consent", "lock_timeout",
         "purge_data", "run", "verb", "what", "access")
    )  # fmt: skip

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Converge (or in check mode plan) one host; gives changed, changes, system, error, diff."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            out, err = self._ask((task_vars or {})["inventory_hostname"], self._request())
        except answer.NoResult as error:
            raise AnsibleActionFail(str(error), result={"error": error.error}) from None
        result.update(answer.task_result(answer.read(out, err)))
        # in a run of provision the diff is in the changes, and nobody reads Ansible's own output
        if not self._task.diff or RUN_DIR in os.environ:
            result.pop("diff", None)
        return result

    def _request(self) -> dict[str, Any]:
        wanted = self._wanted()
        verb, state = wanted.pop("verb"), wanted["state"]
        if verb != "converge" or state == "absent":
            # What is not written now is not sent: there may be secrets in it.
            wanted |= {"daemon_options": {}, "registry_logins": {}}
        return {
            "run": wanted.pop("run", "") or time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(2),
            "verb": verb,
            "what": wanted.pop("what") or _what(verb, state),
            "mode": "plan" if self._task.check_mode else "apply",
            "purge_data": wanted.pop("purge_data") and state == "absent",
            "diff": bool(self._task.diff),
            "who": f"{getpass.getuser()}@{socket.gethostname()}",
            "lock_timeout_s": wanted.pop("lock_timeout"),
            # A run of provision says so once its report is written; Ansible alone says nothing back.
            "acknowledges": RUN_DIR in os.environ,
            "now": int(time.time()),
            "access": wanted.pop("access"),
            "disruption": wanted.pop("disruption"),
            "consent": wanted.pop("consent"),
            "desired": wanted | self._key(wanted.pop("gpg_key"), wanted["mirror"]),
        }

    def _wanted(self) -> dict[str, Any]:
        try:
            wanted: dict[str, Any] = self.validate_argument_spec(arguments())[1]
        except AnsibleActionFail as error:
            raise answer.bad_value(str(error)) from None
        return wanted

    def _key(self, where: str, mirror: str) -> dict[str, str]:
        """Return the key's text, or its URL: then a host fetches it, if it has no good one yet."""
        where = where or f"{mirror.rstrip('/')}/linux/centos/gpg"
        if where.startswith(("http://", "https://")):
            return {"gpg_key_url": where}
        try:
            return {"gpg_key": Path(self._loader.path_dwim(where)).read_bytes().decode("latin-1")}
        except OSError as error:
            raise answer.no_key_file(str(error)) from error

    def _ask(self, name: str, request: Mapping[str, Any]) -> tuple[str, str]:
        """Return what the host code printed; only here it is known how a host and its root are reached."""
        run_dir = os.environ.get(RUN_DIR)
        try:
            if run_dir:
                return hostcode.over_session(Path(run_dir), name, request)
            started = hostcode.plain(request)
            said = self._low_level_execute_command(started.command, in_data=started.stdin)
        except ConnectionLost:
            raise AnsibleConnectionFailure("ssh ended while the host was at work, or before") from None
        except AnsibleConnectionFailure as error:
            raise AnsibleConnectionFailure(answer.shown(error)) from None
        return said["stdout"], said["stderr"]


@functools.cache
def arguments() -> dict[str, Any]:
    """Return the types that the role's manual names.

    They are judged here, and by the playbooks of this directory only here: the task that Ansible puts before
    a role for it costs a worker process for each host.
    """
    role = Path(__file__).resolve().parent.parent / "roles" / "docker_engine"
    specs = safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    options = specs["main"]["options"]
    return {name.removeprefix("docker_engine_"): option for name, option in options.items()}


def _what(verb: str, state: str) -> str:
    if verb == "undo":
        return verb
    return "uninstall" if state == "absent" else "provision"


# Ansible's main process loads this module and forks a worker for each host: what is made here is made once.
hostcode.archive()
arguments()
