"""bundle.make: let a host collect packages, and write them into one file."""

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from provision import bundle
from provision.bundle import Manifest
from provision.converge.outcome import of_answer
from provision.entrants import fingerprint, read
from provision.errors import ProvisionError, UsageError
from provision.hints import HOST, parse
from provision.model import Session
from provision.report.layout import clean, count
from provision.role import PREFIX, typed
from provision.run import audit
from provision.settings import Settings
from provision.ssh import answer, hostcode
from provision.wording import Wording
from provision.workflows.guard import hint_text
from provision.workflows.reach import sessions, shell_entrants

_WORDS = Wording("bundle.make", again=f"bundle.make --from {HOST}")


def make(project: Settings, name: str, to: str, via: str, *, replace: bool) -> str:
    """Write what the host ``name`` collects to the file ``to``; return a message with the next command."""
    if not name:
        raise UsageError("no host is named", "name a connected host: `fab bundle.make --from NAME`")
    selection = read(project, name, via)
    if [host.name for host in selection.hosts] != [name]:
        raise UsageError(f"{name} is not the name of one host", "`fab hosts.list`")
    if to:
        bundle.expect_free(Path(to).expanduser(), replace=replace)
    ready = shell_entrants(project, selection)
    with sessions(ready) as opened, audit.recorded(
        project.state_dir, "bundle.make", name, fingerprint(ready[name])
    ):  # fmt: skip
        session = opened[name]
        if isinstance(session, ProvisionError):
            raise session
        file, manifest = _collected(session, to, replace=replace)
    return (
        f"made {file}: Docker {manifest.version} for {manifest.system}, {_amount(manifest)}; now: "
        + hint_text(parse(f"`fab provision --bundle {file} --limit NAME`"))
    )


def _collected(session: Session, to: str, *, replace: bool) -> tuple[Path, Manifest]:
    name, begun = session.host.name, []

    def on_step(words: str) -> None:
        print(clean(f"{name}: {words}"), file=sys.stderr, flush=True)

    with ExitStack() as stack:

        def begin(manifest: Manifest) -> Callable[[bytes], None]:
            on_step(f"sends {_amount(manifest)}")
            file = Path(to or manifest.file_name).expanduser()
            begun.append((file, manifest))
            return stack.enter_context(bundle.written(file, manifest, replace=replace))

        row = _answer(session, on_step, begin)
        failure = of_answer(name, _WORDS, row).failure
        if failure:
            raise ProvisionError(
                f"{name}: {failure.message}", failure.next, evidence=failure.evidence,
                meaning=failure.meaning, kind=failure.kind, status=failure.status,
            )  # fmt: skip
    return begun[0]


def _answer(session: Session, on_step: hostcode.OnStep, begin: hostcode.Begin) -> Mapping[str, Any]:
    """Return the host's answer in the form that a shard sends."""
    desired = {key.removeprefix(PREFIX): value for key, value in session.host.desired.items()}
    try:
        values = typed(desired | {"what": _WORDS.called})
        request = hostcode.request(values, plan=True, diff=False, acknowledges=False)
        return {"result": answer.read(*hostcode.collect(session, request, on_step, begin))}
    except answer.NoResult as error:
        return {"error": error.error}


def _amount(manifest: Manifest) -> str:
    packages = [each for each in manifest.members if each.name.startswith("packages/")]
    return f"{count(len(packages), 'package')}, {manifest.size >> 20} MB"
