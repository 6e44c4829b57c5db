"""Turn a host's answer, or the lack of one, into its Outcome."""

from collections.abc import Mapping
from typing import Any

from provision import errors
from provision.hints import HOST, parse
from provision.model import (
    ChangeLine,
    Consent,
    Containers,
    Earlier,
    Failure,
    Harm,
    Locked,
    Outcome,
    Reboot,
    Stage,
    Status,
)
from provision.wording import EARLIER, Wording

_UNTOUCHED = "nothing was changed"
# The kind of a Change that the controller completes.
REBOOT = "reboot"


def of_answer(name: str, words: Wording, answer: Mapping[str, Any]) -> Outcome:
    """Return one host's Outcome from the ``answer`` of its shard: a result, an error, or a lost session."""
    if "lost" in answer:
        return Outcome(failure=_lost(name, words, answer["lost"]))
    result = answer.get("result", {})
    error = answer.get("error") or result.get("error")
    return _outcome(name, result, _failure(name, words, error) if error else None)


def _outcome(name: str, result: Mapping[str, Any], failure: Failure | None) -> Outcome:
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
        mirrors=tuple(result.get("mirrors", ())),
        passed_over=tuple(result.get("passed_over", ())),
        locked=_locked(result.get("locked")),
        reboot=_reboot(result.get("reboot")),
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


def _locked(found: Mapping[str, Any] | None) -> Locked | None:
    if not found:
        return None
    return Locked(found["system"], tuple((nevra, digest) for nevra, digest in found["packages"]))


def _reboot(found: Mapping[str, Any] | None) -> Reboot | None:
    return Reboot(found["into"], found["boot"], tuple(found["stops"])) if found else None


def _changes(result: Mapping[str, Any]) -> tuple[ChangeLine, ...]:
    changes = result.get("changes", ())
    return tuple(ChangeLine(**change | {"implied": tuple(change["implied"])}) for change in changes)


def _earlier(name: str, run: Mapping[str, Any]) -> Earlier:
    failure = _failure(name, EARLIER, run["error"]) if run["error"] else None
    # Nothing on the host says whether the reboot followed.
    changes = tuple(change for change in _changes(run) if change.kind != REBOOT)
    return Earlier(run["run"], run["who"], run["at"], run["how"], changes, failure)


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


def without_answer(name: str, words: Wording, *, cancelled: bool) -> Outcome:
    """Return the Outcome of a host that was at work, and whose shard ended without its answer."""
    if cancelled:
        return _interrupted(name, words, "the host finishes or rolls back by itself; the next run says which")
    silent = errors.NotProven(
        f"{name} sent no result",
        f"`fab plan --limit {name}`",
        evidence="the worker of Ansible that drove it has ended",
        state="unknown: what was begun goes on to a defined end, which the next run reports",
    )
    return Outcome(failure=silent.at(Stage.CONVERGE))


def not_begun(name: str, words: Wording, said: str, *, cancelled: bool) -> Outcome:
    """Return the Outcome of a host that no shard has taken; ``said`` is Ansible's output."""
    if cancelled:
        return _interrupted(name, words, _UNTOUCHED)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors_of = [line for line in lines if "ERROR" in line or "rror:" in line] or lines[-1:]
    failed = errors.ProvisionError(
        f"{name} was not reached: Ansible ended on this machine before its turn",
        parse(f"`fab hosts.ping {HOST}`; then: `again {HOST}`", alone=words.again, host=name),
        evidence=(errors_of or [""])[0][:200],
        state=_UNTOUCHED,
        kind="ansible-ended",
    )
    return Outcome(failure=failed.at(Stage.CONVERGE))


def _interrupted(name: str, words: Wording, state: str) -> Outcome:
    hint = parse(f"`again {HOST}`", alone=words.safely, host=name)
    error = errors.Interrupted(f"interrupted before {name} reported", hint, state=state)
    return Outcome(failure=error.at(Stage.CONVERGE))
