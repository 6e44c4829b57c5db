"""The testinfra backend that uses an open Session instead of making connections."""

from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from provision.model import Session
from provision.ssh import remote

COMMAND_TIMEOUT_S = 30.0
OUTPUT_CAP_BYTES = 1 << 20


class SessionBackend(BaseBackend):  # type: ignore[misc]  # testinfra ships no types
    """Run each command as root through the session's master, with a time limit and an output cap."""

    NAME = "session"

    def __init__(self, session: Session) -> None:
        super().__init__(session.host.name)
        self.session = session

    def get_pytest_id(self) -> str:
        """Return the host's name, which is in each line that pytest writes."""
        return self.session.host.name

    def get_encoding(self) -> str:
        """Return UTF-8 without asking the host; other bytes are replaced."""
        return "utf-8"

    def decode(self, data: bytes) -> str:
        """Return the decoded output; it comes from a host, so no byte of it may raise."""
        return data.decode("utf-8", "replace")

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run ``command`` with ``args`` quoted into it; ``stdin`` (bytes) and ``timeout_s`` are optional.

        Raise ConnectionLost, or CommandTimedOut at the timeout.
        """
        text = self.get_command(command, *args)
        timeout_s = float(kwargs.get("timeout_s", COMMAND_TIMEOUT_S))
        stdin = kwargs.get("stdin", b"")
        done = remote.run(self.session, text, stdin=stdin, timeout_s=timeout_s, cap_bytes=OUTPUT_CAP_BYTES)
        return self.result(done.rc, text.encode(), done.out, done.err)


def host_of(session: Session) -> Host:
    """Return the testinfra host of a session."""
    backend = SessionBackend(session)
    host = Host(backend)
    backend.set_host(host)
    return host
