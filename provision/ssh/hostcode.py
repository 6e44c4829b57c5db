"""Send the host code and one request to a host, in one round trip.

Nothing is written on the host to run it: the package ``provision/host`` travels on stdin and is
imported from memory by ``host/loader.py``.
"""

import functools
import getpass
import json
import secrets as random_source
import socket
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from provision import bundle as bundles
from provision import pem
from provision.bundle import Bundle, Manifest
from provision.errors import CommandTimedOut
from provision.model import Session
from provision.ssh import answer, remote
from provision.ssh.elevate import Elevated, wrap

# Each command on the host has its own limit, and so has its whole work; this is the last resort, a little
# below the task's timeout. The waiting for locks comes on top: for ours, for dnf's, and for rpm's.
ANSWER_TIMEOUT_S = 2340.0
OnStep = Callable[[str], None]
# Takes what a host announces or asks for, beside its steps.
OnWish = Callable[[Mapping[str, Any]], remote.Reply]
# Takes the manifest of what a host has collected, and returns what takes its bytes.
Begin = Callable[[Manifest], Callable[[bytes], None]]
# What of a bundle is for this machine alone.
_OURS = ("file", "offsets")
_LONGEST_STEP = 200
SECRET = "secret"  # noqa: S105 - the word, not a secret
_PACKAGE = Path(__file__).resolve().parent.parent / "host"


def plain(request: Mapping[str, Any]) -> Elevated:
    """Return the command for whoever Ansible is, or becomes; no secret is known to it.

    Raises NoResult where ``request`` names a secret.
    """
    started = marked(wrap(loader(), payload(resolve(request, lambda _: None))))
    # Ansible's connection has no limit. `head` keeps lines back, so steps would come with the result.
    return Elevated(f"{started.command} | head -c {remote.OUTPUT_CAP_BYTES}", started.stdin)


def request(
    values: Mapping[str, Any], *, plan: bool, diff: bool, acknowledges: bool, bundle: Bundle | None = None
) -> dict[str, Any]:
    """Return what the host code is asked for; ``values`` are all variables of the role, in their types.

    With ``acknowledges`` the caller says so once the result is in a report. Packages and key come from the
    ``bundle``, if there is one. Raises NoResult when a file that they name cannot be sent.
    """
    wanted = dict(values)
    verb, state = wanted.pop("verb"), wanted["state"]
    if verb != "converge" or state == "absent":
        # What is not written now is not sent: there may be secrets in it.
        wanted |= {"daemon_options": {}, "registry_logins": {}}
    if verb in ("access", "reboot"):
        wanted |= {"proxy": "", "ca_file": ""}
    key = _key(wanted.pop("gpg_key"), bundle) | {"ca": _authorities(wanted.pop("ca_file"))}
    return {
        "run": wanted.pop("run") or time.strftime("%Y%m%d-%H%M%S-") + random_source.token_hex(2),
        "verb": verb,
        "what": wanted.pop("what") or _what(verb, state),
        "mode": "plan" if plan else "apply",
        "purge_data": wanted.pop("purge_data") and state == "absent",
        "diff": diff,
        "who": f"{getpass.getuser()}@{socket.gethostname()}",
        "lock_timeout_s": wanted.pop("lock_timeout"),
        "acknowledges": acknowledges,
        "now": int(time.time()),
        "access": wanted.pop("access"),
        "disruption": wanted.pop("disruption"),
        "consent": wanted.pop("consent"),
        "reboot": wanted.pop("reboot"),
        "bundle": bundle and bundle.row,
        "desired": wanted | key,
    }


def _what(verb: str, state: str) -> str:
    if verb == "undo":
        return verb
    return "uninstall" if state == "absent" else "provision"


def _key(where: str, bundle: Bundle | None) -> dict[str, Any]:
    """Return the key's text, or its URL: then a host fetches it, if it has no good one yet.

    An empty URL is that on the mirror, which the host chooses.
    """
    if bundle:
        return {"gpg_key": bundle.key, "bundled": True}
    if not where or where.startswith(("http://", "https://")):
        return {"gpg_key_url": where}
    try:
        return {"gpg_key": Path(where).expanduser().read_bytes().decode("latin-1")}
    except OSError as error:
        raise answer.no_key_file(str(error)) from error


def _authorities(where: str) -> str:
    try:
        return pem.authorities(where) if where else ""
    except ValueError as error:
        raise answer.no_ca_file(f"{where}: {error}") from None


def over_session(session: Session, request: Mapping[str, Any], on_step: OnStep) -> tuple[str, str]:
    """Run the host code as ``exchange`` does; members of the request's bundle are sent when it asks."""
    row = request.get("bundle")
    if not row:
        return exchange(session, request, on_step)
    shown = {word: value for word, value in row.items() if word not in _OURS}
    return exchange(
        session, {**request, "bundle": shown}, on_step,
        lambda wish: remote.Reply(bundles.pieces(row, wish["send"])),
    )  # fmt: skip


def collect(session: Session, request: Mapping[str, Any], on_step: OnStep, begin: Begin) -> tuple[str, str]:
    """Let the host code collect packages, as ``exchange`` does; their bytes go where ``begin`` says.

    Raises NoResult also for a host that announces what cannot be in a bundle.
    """

    def wished(wish: Mapping[str, Any]) -> remote.Reply:
        try:
            manifest = bundles.manifest_of(wish["collected"])
        except (LookupError, ValueError) as error:
            raise answer.bad_collection(str(error)) from None
        return remote.Reply([b"\n"], manifest.size, begin(manifest))

    return exchange(session, {**request, "verb": "collect"}, on_step, wished)


def exchange(
    session: Session, request: Mapping[str, Any], on_step: OnStep, on_wish: OnWish | None = None
) -> tuple[str, str]:
    """Run the host code over the run's own Session, and return its stdout and stderr.

    ``on_step`` is called with a few words when the host begins something that may take time, ``on_wish`` with
    what it wants.
    The run's broker gives the secrets, and the password for sudo. Ansible's own connection has no limit for
    what a host prints before the command begins, so it is not used.

    Raises ConnectionLost, and NoResult when the time is over or a secret is not known.
    """

    def text_of(secret: str) -> str | None:
        found = remote.named_secret(session, secret)
        return found.reveal() if found else None

    data, password = payload(resolve(request, text_of)), remote.sudo_password(session)
    started = marked(wrap(loader(), data, sudo=session.host.user != "root", password=password))
    timeout_s = ANSWER_TIMEOUT_S + 3 * request["lock_timeout_s"]

    def heard(line: bytes) -> remote.Reply | None:
        _, mark, words = line.decode("utf-8", "replace").partition(answer.STEP_MARK)
        said = None
        with suppress(ValueError):
            said = json.loads(words) if mark else None
        if on_wish and isinstance(said, dict):
            return on_wish(said)
        if said is not None:
            on_step(answer.shown(str(said))[:_LONGEST_STEP])
        return None

    try:
        done = remote.over_master(
            session, started.command, stdin=started.stdin, timeout_s=timeout_s, on_line=heard,
            stays_open=on_wish is not None,
        )  # fmt: skip
    except CommandTimedOut as error:
        raise answer.no_end(str(error), timeout_s) from None
    return done.out.decode("utf-8", "replace"), done.err.decode("utf-8", "replace")


def marked(started: Elevated) -> Elevated:
    """Let the command print its exit code as the last line."""
    return Elevated(f'{{ {started.command}; echo "{answer.RC_MARK}$?"; }}', started.stdin)


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
    """Return what the loader reads: the archive's size, the archive, the request."""
    return f"{len(archive())}\n".encode() + archive() + json.dumps(request).encode() + b"\n"


@functools.cache
def loader() -> str:
    """Return the program that imports it."""
    return (_PACKAGE / "loader.py").read_text()


@functools.cache
def archive() -> bytes:
    """Return the host package: the source of each file by its path, as JSON, compressed."""
    files = sorted(_PACKAGE.rglob("*.py"))
    return zlib.compress(json.dumps({str(f.relative_to(_PACKAGE)): f.read_text() for f in files}).encode(), 9)
