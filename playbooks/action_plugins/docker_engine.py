"""Send the host code to one host in one round trip, and turn its answer into a task result.

Nothing is written on the host to run it: the package ``provision/host`` travels as a zip on
stdin and is imported from memory. Works alone with plain Ansible; in a run of ``provision``
(PROVISION_RUN_DIR is set) the sudo password comes from the run's broker.
"""

import functools
import getpass
import io
import json
import os
import re
import secrets
import shlex
import socket
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from yaml import safe_load

OUTPUT_CAP_BYTES = 4 << 20
# Each command on the host has its own limit, and so has its whole work; this is the last resort, a little
# below the task's timeout. The waiting for locks comes on top: for ours, for dnf's, and for rpm's.
ANSWER_TIMEOUT_S = 2340.0
RC_MARK = "provision-rc "
RESULT = '{"changed":'
NO_PYTHON = 127
OLD_PYTHON = 95
RUN_DIR = "PROVISION_RUN_DIR"
SECRET = "secret"  # noqa: S105 - the word, not a secret

# Every EL has one of these: yum and dnf are written in Python.
_FIND = (
    "for p in /usr/libexec/platform-python python3 python2 python;"
    " do command -v $p >/dev/null 2>&1 && break; p=; done;"
    f' [ "$p" ] || exit {NO_PYTHON};'
)
# Before anything that an older Python could not even parse.
_BOOT = (
    "import sys\nif sys.version_info < (2, 7) or (3,) <= sys.version_info < (3, 6):\n"
    "    sys.stderr.write('Python ' + sys.version.split()[0] + ' at ' + sys.executable)\n"
    f"    sys.exit({OLD_PYTHON})\n"
    "sys.path[:] = [place for place in sys.path if place];"
    " stdin = getattr(sys.stdin, 'buffer', sys.stdin); size = int(stdin.readline());"
    " exec(compile(stdin.read(size), '<provision>', 'exec'), {'__name__': '__provision__', 'stdin': stdin})"
)


class ActionModule(ActionBase):
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
        request = self._request()
        out, err = self._ask((task_vars or {})["inventory_hostname"], request)
        result.update(task_result(answer(out, err)))
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
            raise AnsibleActionFail(str(error), result={"error": _bad_value(error)}) from None
        return wanted

    def _key(self, where: str, mirror: str) -> dict[str, str]:
        """Give the key's text, or its URL: then a host fetches it, if it has no good one yet."""
        where = where or f"{mirror.rstrip('/')}/linux/centos/gpg"
        if where.startswith(("http://", "https://")):
            return {"gpg_key_url": where}
        path = Path(self._loader.path_dwim(where))
        try:
            return {"gpg_key": path.read_bytes().decode("latin-1")}
        except OSError as error:
            raise AnsibleActionFail(str(error), result={"error": _no_key_file(error)}) from error

    def _ask(self, name: str, request: Mapping[str, Any]) -> tuple[str, str]:
        """Give what the loader printed; the only place that knows how a host and its root are reached."""
        run_dir = os.environ.get(RUN_DIR)
        if run_dir:
            return brokered(Path(run_dir), name, request, ANSWER_TIMEOUT_S + 3 * request["lock_timeout_s"])
        command, stdin = plain(payload(resolve(request, lambda _: None)))
        try:
            said = self._low_level_execute_command(marked(command), in_data=stdin)
        except AnsibleConnectionFailure as error:
            raise AnsibleConnectionFailure(shown(error)) from None
        return said["stdout"], said["stderr"]


@functools.cache
def arguments() -> dict[str, Any]:
    """Give the types that the role's manual names.

    They are judged here, and by the playbooks of this directory only here: the task that Ansible puts before
    a role for it costs a worker process for each host.
    """
    role = Path(__file__).resolve().parent.parent / "roles" / "docker_engine"
    specs = safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    options = specs["main"]["options"]
    return {name.removeprefix("docker_engine_"): option for name, option in options.items()}


def marked(command: str) -> str:
    """Let ``command`` print no more than the cap, and its exit code as the last line."""
    return f'{{ {command}; echo "{RC_MARK}$?"; }} | head -c {OUTPUT_CAP_BYTES}'


def plain(data: bytes) -> tuple[str, bytes]:
    """Run the loader as whoever Ansible is, or becomes."""
    script = f'{_FIND} exec "$p" -c {shlex.quote(_BOOT)}'
    stdin = f"{len(loader())}\n".encode() + loader() + data
    return f"sh -c {shlex.quote(script)}", stdin


def resolve(values: Any, ask: Callable[[str], str | None]) -> Any:
    """Give a copy of ``values`` in which each {"secret": NAME} has its "value", by ``ask``: for stdin alone.

    Raises AnsibleActionFail where ``ask`` gives None.
    """
    if isinstance(values, Mapping):
        if set(values) == {SECRET}:
            text = ask(str(values[SECRET]))
            if text is None:
                raise AnsibleActionFail("no secret", result={"error": _no_secret(str(values[SECRET]))})
            return {SECRET: values[SECRET], "value": text}
        return {key: resolve(value, ask) for key, value in values.items()}
    return [resolve(value, ask) for value in values] if isinstance(values, list) else values


def brokered(run_dir: Path, name: str, request: Mapping[str, Any], timeout_s: float) -> tuple[str, str]:
    """Run the loader over the run's own Session; its broker gives the secrets, and the password for sudo.

    Ends with the run: an orphan of Ansible would wait, with the master, for an end of which nobody hears.
    Not by Ansible's connection: that has no limit for what a host prints before the command begins.
    """
    elevate, errors, remote = session_modules()
    session = remote.load_sessions(run_dir)[name]
    password = remote.sudo_password(session)

    def told(secret: str) -> str | None:
        found = remote.named_secret(session, secret)
        return found.reveal() if found else None

    data = payload(resolve(request, told))
    sudo = session.host.user != "root"
    elevated = elevate.wrap(loader().decode(), data, sudo=sudo, password=password)
    try:
        done = remote.over_master(
            session, marked(elevated.command), stdin=elevated.stdin, timeout_s=timeout_s,
            cap_bytes=OUTPUT_CAP_BYTES, with_run=True,
        )  # fmt: skip
    except errors.ConnectionLost:
        raise AnsibleConnectionFailure("ssh ended while the host was at work, or before") from None
    except errors.CommandTimedOut as error:
        raise AnsibleActionFail(str(error), result={"error": _no_end(str(error), timeout_s)}) from None
    return done.out.decode("utf-8", "replace"), done.err.decode("utf-8", "replace")


@functools.cache
def session_modules() -> tuple[Any, Any, Any]:
    """Import what rides the run's Sessions; only a run of ``provision`` has it, and needs it."""
    sys.path.append(str(host_package().parent.parent))
    from provision import errors
    from provision.ssh import elevate, remote

    return elevate, errors, remote


def host_package() -> Path:
    """Give the directory of the host code: in a checkout, or in the wheel."""
    here = Path(__file__).resolve().parent.parent
    places = (here.parent / "provision" / "host", here.parent / "host")
    return next(place for place in places if (place / "loader.py").is_file())


def loader() -> bytes:
    """Give the program that imports the zip."""
    return (host_package() / "loader.py").read_bytes()


def payload(request: Mapping[str, Any]) -> bytes:
    """Give what the loader reads: the zip's size, the zip, the request."""
    return f"{len(archive())}\n".encode() + archive() + json.dumps(request).encode()


@functools.cache
def archive() -> bytes:
    """Return the host package as a zip, compressed as a whole: a quarter smaller than file by file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as zipped:
        for path in sorted(host_package().rglob("*.py")):
            zipped.write(path, path.relative_to(host_package()))
    return zlib.compress(buffer.getvalue(), 9)


def answer(stdout: str, stderr: str) -> dict[str, Any]:
    """Find the result among what a chatty host printed; without one, say what its exit code means."""
    lines = stdout.splitlines()
    for line in reversed(lines):
        # what a start file printed may stand before it, without a line end
        _, begin, rest = line.rpartition(RESULT)
        if begin:
            try:
                return known(json.loads(begin + rest))
            except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
                break
    rc = next((line.rpartition(RC_MARK)[2] for line in reversed(lines) if RC_MARK in line), "")
    error = _no_end_of_output(lines) if len(stdout) >= OUTPUT_CAP_BYTES else _no_answer(rc, stderr)
    empty = {"changed": False, "changes": [], "system": "", "undone": [], "earlier": []}
    return empty | {"installed": False, "consent": None, "containers": None, "waited": [], "error": error}


_CHANGE_WORDS = ("name", "before", "after", "diff", "sign", "kind", "subject", "brief")
_RUN_WORDS = ("run", "who", "how")
_ERROR_WORDS = ("kind", "message", "hint", "evidence", "meaning", "state")


def known(found: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what a result has a place for, as words: Ansible acts on other keys that a host could add.

    Raises LookupError or TypeError for anything of another shape.
    """
    return {
        "heard": True,
        "changed": bool(found["changed"]),
        "system": shown(found["system"]),
        "undone": [shown(name) for name in found["undone"]],
        "earlier": [_known_run(run) for run in found["earlier"]],
        "installed": bool(found["installed"]),
        "consent": _known_consent(found["consent"]),
        "containers": _known_containers(found["containers"]),
        "waited": _shown_all(found.get("waited", ())),
        **_known_end(found),
    }


def _known_consent(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    harms = [
        {
            "what": shown(harm["what"]),
            "one": shown(harm["one"]),
            "names": _shown_all(harm["names"]),
            "count": int(harm["count"]),
        }
        for harm in found["harms"]
    ]
    return {"digest": shown(found["digest"]), "ids": _shown_all(found["ids"]), "harms": harms}


def _known_containers(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    names = {word: _shown_all(found[word]) for word in ("restarted", "lost", "silent")}
    return {"untouched": int(found["untouched"]), **names}


def _shown_all(values: Any) -> list[str]:
    return [shown(value) for value in values]


def _known_run(run: Mapping[str, Any]) -> dict[str, Any]:
    return {word: shown(run[word]) for word in _RUN_WORDS} | {"at": int(run["at"]), **_known_end(run)}


def _known_end(found: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what a run changed, and why it failed."""
    error = found["error"]
    return {
        "changes": [
            {word: shown(change[word]) for word in _CHANGE_WORDS}
            | {"disruptive": bool(change["disruptive"]), "implied": _shown_all(change["implied"])}
            for change in found["changes"]
        ],
        "error": _known_error(error) if error else None,
    }


def _known_error(error: Mapping[str, Any]) -> dict[str, Any]:
    # The result of a run by an earlier version does not say whether it was refused.
    return {word: shown(error[word]) for word in _ERROR_WORDS} | {"refused": bool(error.get("refused"))}


def shown(value: Any) -> str:
    """Give ``value`` as text in which control characters are spelled out.

    Ansible prints it as it is, and ansible-runner takes escape sequences there for its own events.
    """
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", str(value))


def _what(verb: str, state: str) -> str:
    if verb == "undo":
        return verb
    return "uninstall" if state == "absent" else "provision"


def _bad_value(error: Exception) -> dict[str, str]:
    return {
        "kind": "bad-variable",
        "message": "a variable docker_engine_… has a value that it cannot have",
        "hint": "correct it in the inventory; the role's meta/argument_specs.yml describes each",
        "evidence": str(error),
        "state": "nothing was changed",
    }


def _no_key_file(error: OSError) -> dict[str, str]:
    return {
        "kind": "no-key-file",
        "message": "docker_engine_gpg_key names a file that this controller cannot read",
        "hint": "correct docker_engine_gpg_key, or leave it out: then hosts take the mirror's key",
        "evidence": str(error),
        "state": "nothing was changed",
    }


def _no_secret(name: str) -> dict[str, Any]:
    return {
        "kind": "no-secret",
        "refused": True,
        "message": f"a value is {{secret: {shown(name)}}}, and nobody here knows it",
        "hint": "`fab provision` asks the keyring; for ansible-playbook write the value, by its vault",
        "state": "nothing was changed",
    }


def _no_end(evidence: str, after_s: float) -> dict[str, str]:
    return {
        "kind": "timed-out",
        "message": f"the host code gave no result in {after_s / 60:.0f} minutes",
        "hint": "see on the host what it waits for: `fab hosts.shell {host}`; then: `again`",
        "evidence": shown(evidence),
        "state": "unknown: what was begun goes on to a defined end, which the next run reports",
    }


def _no_end_of_output(lines: list[str]) -> dict[str, str]:
    return {
        "kind": "endless-output",
        "message": f"the host printed more than {OUTPUT_CAP_BYTES >> 20} MB where a result was expected",
        "hint": "look at the start files of the login (/etc/profile.d, ~/.bashrc): `fab hosts.shell {host}`",
        "evidence": shown(lines[0][:200]),
        "meaning": "the rest was not read",
        "state": "unknown until the next run, which looks",
    }


def _no_answer(rc: str, stderr: str) -> dict[str, Any]:
    said = [line.strip() for line in stderr.splitlines() if line.strip()]
    error = {"meaning": "", "state": "nothing was changed", "evidence": shown((said or [""])[-1][:300])}
    if rc == str(NO_PYTHON):
        return error | {
            "kind": "no-python",
            "refused": True,
            "message": "this host has no Python, not even the one that dnf is written in",
            "hint": "on the host: dnf install python3; then: `again`",
        }
    if rc == str(OLD_PYTHON):
        return error | {
            "kind": "python-too-old",
            "refused": True,
            "message": "the Python of this host is older than 2.7, or is a 3 older than 3.6",
            "hint": "on the host: dnf install python3; then: `again`",
        }
    return error | {
        "kind": "no-answer-from-host-code",
        "message": "the host code gave no result" + (f" (exit code {rc})" if rc else ", or too much output"),
        "hint": "look at the host: `fab hosts.shell {host}`; then: `again`",
        "state": "unknown until the next run, which looks",
    }


def task_result(found: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the host's answer into what Ansible shows."""
    result = dict(found) | {"diff": [_ansible_diff(change) for change in found["changes"]]}
    for harm in (found["consent"] or {"harms": []})["harms"]:
        names = ", ".join(harm["names"])
        result["diff"].append({"prepared": f"would disrupt: {harm['count']} {harm['what']}: {names}\n"})
    error = found["error"]
    if error:
        parts = (error["message"], error["evidence"], unmarked(error["hint"]), error["state"])
        result |= {"failed": True, "msg": " | ".join(part for part in parts if part)}
    return result


def unmarked(hint: str) -> str:
    """Return a hint without its marks, for Ansible alone; ``provision.hints`` has their meaning."""
    return re.sub(r"`(fab|again \{host\}|again)([^`]*)`", _command, hint)


def _command(found: re.Match[str]) -> str:
    starts = {"again": "fab provision", "again {host}": "fab provision --limit NAME"}
    return starts.get(found[1], found[1]) + found[2].replace("{host}", "NAME")


def _ansible_diff(change: Mapping[str, Any]) -> dict[str, str]:
    if change["diff"]:
        return {"prepared": change["diff"]}
    before = f"{change['before']} \N{RIGHTWARDS ARROW} " if change["before"] else ""
    return {"prepared": f"{change['name']}: {before}{change['after']}\n"}


# Ansible's main process loads this module and forks a worker for each host: what is made here is made once.
archive()
arguments()
if RUN_DIR in os.environ:
    session_modules()
