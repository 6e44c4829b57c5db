"""Read what the host code has answered, and turn it into the result of Ansible's task."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from provision.hints import parse, render
from provision.ssh.elevate import NO_PYTHON, OLD_PYTHON
from provision.ssh.remote import OUTPUT_CAP_BYTES

# Begins a line that says what the host is doing, as a JSON string (STEP in host/main.py).
STEP_MARK = "provision-step: "
RC_MARK = "provision-rc "
_RESULT = '{"changed":'
_UNCHANGED = "nothing was changed"
_UNKNOWN = "unknown until the next run, which looks"
_PYTHON_HINT = "on the host: dnf install python3; then: `again`"

_CHANGE_WORDS = ("name", "before", "after", "diff", "sign", "kind", "subject", "brief")
_RUN_WORDS = ("run", "who", "how")
_ERROR_WORDS = ("kind", "message", "hint", "evidence", "meaning", "state")


@dataclass(frozen=True, slots=True)
class WireError:
    """An error in the form in which the host code sends one; ``hint`` is marked text."""

    kind: str
    message: str
    hint: str
    evidence: str = ""
    meaning: str = ""
    state: str = _UNCHANGED
    refused: bool = False


class NoResult(Exception):
    """The host code did not run, or its result did not come."""

    def __init__(self, error: WireError) -> None:
        super().__init__(error.evidence or error.message)
        self.error = asdict(error)


def read(stdout: str, stderr: str) -> dict[str, Any]:
    """Find the result among what a chatty host printed; without one, say what its exit code means."""
    lines = stdout.splitlines()
    for line in reversed(lines):
        # what a start file printed may stand before it, without a line end
        _, begin, rest = line.rpartition(_RESULT)
        if begin:
            try:
                return known(json.loads(begin + rest))
            except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
                break
    rc = next((line.rpartition(RC_MARK)[2] for line in reversed(lines) if RC_MARK in line), "")
    error = _no_end_of_output(lines) if len(stdout) >= OUTPUT_CAP_BYTES else _no_answer(rc, stderr)
    empty = {"changed": False, "changes": [], "system": "", "undone": [], "earlier": [], "installed": False}
    empty |= {"consent": None, "containers": None, "waited": [], "mirrors": [], "passed_over": []}
    return empty | {"locked": None, "reboot": None, "error": asdict(error)}


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
        **{name: _shown_all(found.get(name, ())) for name in ("waited", "mirrors", "passed_over")},
        "locked": _known_lock(found.get("locked")),
        "reboot": _known_reboot(found.get("reboot")),
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


def _known_lock(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    rows = [[shown(nevra), shown(digest)] for nevra, digest in found["packages"]]
    return {"system": shown(found["system"]), "packages": rows}


def _known_reboot(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    return {"into": shown(found["into"]), "boot": shown(found["boot"]), "stops": _shown_all(found["stops"])}


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


def _shown_all(values: Any) -> list[str]:
    return [shown(value) for value in values]


def shown(value: Any) -> str:
    """Return ``value`` as text in which control characters are spelled out.

    Ansible prints it as it is, and ansible-runner takes escape sequences there for its own events.
    """
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", str(value))


def task_result(found: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the host's answer into what Ansible shows; nobody has told it the host's name in a hint.

    Ansible alone does not reboot a host, so one that waits for a reboot has failed.
    """
    result = dict(found) | {"diff": [_ansible_diff(change) for change in found["changes"]]}
    for harm in (found["consent"] or {"harms": []})["harms"]:
        names = ", ".join(harm["names"])
        result["diff"].append({"prepared": f"would disrupt: {harm['count']} {harm['what']}: {names}\n"})
    error = found["error"] or (found["reboot"] and _needs_reboot(found["reboot"]))
    if error:
        hint = render(parse(error["hint"], host="NAME"))
        parts = (error["message"], error["evidence"], hint, error["state"])
        result |= {"failed": True, "msg": " | ".join(part for part in parts if part)}
    return result


def _needs_reboot(reboot: Mapping[str, Any]) -> dict[str, Any]:
    return asdict(
        WireError(
            "reboot-needed",
            f"the host has to reboot into kernel {reboot['into']} before it gets the engine",
            "ansible NAME -i INVENTORY -b -m ansible.builtin.reboot, then the playbook again;"
            " or `fab provision --limit {host}`, which does both",
            state=f"kernel {reboot['into']} is installed, and the engine is not",
        )
    )


def _ansible_diff(change: Mapping[str, Any]) -> dict[str, str]:
    if change["diff"]:
        return {"prepared": change["diff"]}
    before = f"{change['before']} \N{RIGHTWARDS ARROW} " if change["before"] else ""
    return {"prepared": f"{change['name']}: {before}{change['after']}\n"}


def bad_value(evidence: str) -> NoResult:
    """Return the error for a variable that the role's manual does not allow."""
    return NoResult(
        WireError(
            "bad-variable",
            "a variable docker_engine_… has a value that it cannot have",
            "correct it in the inventory; the role's meta/argument_specs.yml describes each",
            evidence,
        )
    )


def unexpected(error: Exception) -> dict[str, Any]:
    """Return what is sent in place of a result for an error that nobody foresaw."""
    return asdict(
        WireError(
            "unexpected",
            "the controller's worker failed at this host",
            "`fab plan --limit {host}`",
            shown(f"{type(error).__name__}: {error}")[:200],
            state=_UNKNOWN,
        )
    )


def bad_collection(evidence: str) -> NoResult:
    """Return the error for packages that cannot be in a bundle."""
    return NoResult(
        WireError(
            "bundle",
            "what the host has collected cannot be in a bundle",
            "collect on another host of this system; report it with this line",
            shown(evidence)[:200],
        )
    )


def no_key_file(evidence: str) -> NoResult:
    """Return the error for a file with Docker's key that is not here."""
    return NoResult(
        WireError(
            "no-key-file",
            "docker_engine_gpg_key names a file that this controller cannot read",
            "correct docker_engine_gpg_key, or leave it out: then hosts take the mirror's key",
            evidence,
        )
    )


def no_ca_file(evidence: str) -> NoResult:
    """Return the error for a file of authorities that cannot be sent to a host."""
    return NoResult(
        WireError(
            "no-ca-file",
            "docker_engine_ca_file names no file of certificates that this controller can read",
            "correct docker_engine_ca_file: it must be PEM, with no private key",
            evidence,
        )
    )


def no_secret(name: str) -> NoResult:
    """Return the error for the name of a secret that nobody has told."""
    return NoResult(
        WireError(
            "no-secret",
            f"a value is {{secret: {shown(name)}}}, and nobody here knows it",
            "`fab provision` asks the keyring; for ansible-playbook write the value, by its vault",
            refused=True,
        )
    )


def no_end(evidence: str, after_s: float) -> NoResult:
    """Return the error for host code that is still at work after so many seconds."""
    return NoResult(
        WireError(
            "timed-out",
            f"the host code gave no result in {after_s / 60:.0f} minutes",
            "see on the host what it waits for: `fab hosts.shell {host}`; then: `again`",
            shown(evidence),
            state="unknown: what was begun goes on to a defined end, which the next run reports",
        )
    )


def _no_end_of_output(lines: list[str]) -> WireError:
    return WireError(
        "endless-output",
        f"the host printed more than {OUTPUT_CAP_BYTES >> 20} MB where a result was expected",
        "look at the start files of the login (/etc/profile.d, ~/.bashrc): `fab hosts.shell {host}`",
        shown(lines[0][:200]),
        "the rest was not read",
        _UNKNOWN,
    )


def _no_answer(rc: str, stderr: str) -> WireError:
    said = [line.strip() for line in stderr.splitlines() if line.strip()]
    evidence = shown((said or [""])[-1][:300])
    if rc == str(NO_PYTHON):
        message = "this host has no Python, not even the one that dnf is written in"
        return WireError("no-python", message, _PYTHON_HINT, evidence, refused=True)
    if rc == str(OLD_PYTHON):
        message = "the Python of this host is older than 2.7, or is a 3 older than 3.6"
        return WireError("python-too-old", message, _PYTHON_HINT, evidence, refused=True)
    return WireError(
        "no-answer-from-host-code",
        "the host code gave no result" + (f" (exit code {rc})" if rc else ", or too much output"),
        "look at the host: `fab hosts.shell {host}`; then: `again`",
        evidence,
        state=_UNKNOWN,
    )
