"""Send the host code and one request to a host, in one round trip.

Nothing is written on the host to run it: the package ``provision/host`` travels as a zip on stdin and is
imported from memory by ``host/loader.py``.
"""

import functools
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from provision.errors import CommandTimedOut
from provision.ssh import answer, remote
from provision.ssh.elevate import Elevated, wrap

# Each command on the host has its own limit, and so has its whole work; this is the last resort, a little
# below the task's timeout. The waiting for locks comes on top: for ours, for dnf's, and for rpm's.
ANSWER_TIMEOUT_S = 2340.0
SECRET = "secret"  # noqa: S105 - the word, not a secret
_PACKAGE = Path(__file__).resolve().parent.parent / "host"


def plain(request: Mapping[str, Any]) -> Elevated:
    """Return the command for whoever Ansible is, or becomes; no secret is known to it.

    Raises NoResult where ``request`` names a secret.
    """
    return marked(wrap(loader(), payload(resolve(request, lambda _: None))))


def over_session(run_dir: Path, name: str, request: Mapping[str, Any]) -> tuple[str, str]:
    """Run the host code over the run's own Session; give its stdout and stderr.

    The run's broker gives the secrets, and the password for sudo. Ends with the run: an orphan of Ansible
    would wait for a result that nobody reads. Ansible's own connection has no limit for what a host prints
    before the command begins, so it is not used.

    Raises ConnectionLost, and NoResult when the time is over or a secret is not known.
    """
    session = remote.load_sessions(run_dir)[name]

    def text_of(secret: str) -> str | None:
        found = remote.named_secret(session, secret)
        return found.reveal() if found else None

    data, password = payload(resolve(request, text_of)), remote.sudo_password(session)
    started = marked(wrap(loader(), data, sudo=session.host.user != "root", password=password))
    timeout_s = ANSWER_TIMEOUT_S + 3 * request["lock_timeout_s"]
    try:
        done = remote.over_master(
            session, started.command, stdin=started.stdin, timeout_s=timeout_s, with_run=True
        )
    except CommandTimedOut as error:
        raise answer.no_end(str(error), timeout_s) from None
    return done.out.decode("utf-8", "replace"), done.err.decode("utf-8", "replace")


def marked(started: Elevated) -> Elevated:
    """Let the command print no more than the cap, and its exit code as the last line."""
    command = f'{{ {started.command}; echo "{answer.RC_MARK}$?"; }} | head -c {remote.OUTPUT_CAP_BYTES}'
    return Elevated(command, started.stdin)


def resolve(values: Any, ask: Callable[[str], str | None]) -> Any:
    """Return a copy of ``values`` in which each {"secret": NAME} has its "value", by ``ask``.

    It is for stdin alone. Raises NoResult where ``ask`` gives None.
    """
    if isinstance(values, Mapping):
        if set(values) == {SECRET}:
            text = ask(str(values[SECRET]))
            if text is None:
                raise answer.no_secret(str(values[SECRET]))
            return {SECRET: values[SECRET], "value": text}
        return {key: resolve(value, ask) for key, value in values.items()}
    return [resolve(value, ask) for value in values] if isinstance(values, list) else values


def payload(request: Mapping[str, Any]) -> bytes:
    """Return what the loader reads: the zip's size, the zip, the request."""
    return f"{len(archive())}\n".encode() + archive() + json.dumps(request).encode()


def loader() -> str:
    """Return the program that imports the zip."""
    return (_PACKAGE / "loader.py").read_text()


@functools.cache
def archive() -> bytes:
    """Return the host package as a zip, compressed as a whole: a quarter smaller than file by file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as zipped:
        for path in sorted(_PACKAGE.rglob("*.py")):
            zipped.write(path, path.relative_to(_PACKAGE))
    return zlib.compress(buffer.getvalue(), 9)
