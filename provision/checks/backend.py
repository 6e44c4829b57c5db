"""The testinfra backend that rides an open Session instead of making connections."""

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
        """Give the host's name: it is in each line that pytest writes."""
        return self.session.host.name

    def get_encoding(self) -> str:
        """Give UTF-8 without asking the host; what is not UTF-8 is shown as such."""
        return "utf-8"

    def decode(self, data: bytes) -> str:
        """Decode output; it comes from a host, so no byte in it may raise."""
        return data.decode("utf-8", "replace")

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run ``command`` with ``args`` quoted into it; ``stdin`` (bytes) and ``timeout_s`` are optional.

        Raises ConnectionLost, or CommandTimedOut when the time is over.
        """
        text = self.get_command(command, *args)
        timeout_s = float(kwargs.get("timeout_s", COMMAND_TIMEOUT_S))
        stdin = kwargs.get("stdin", b"")
        done = remote.run(self.session, text, stdin=stdin, timeout_s=timeout_s, cap_bytes=OUTPUT_CAP_BYTES)
        return self.result(done.rc, text.encode(), done.out, done.err)


def host_of(session: Session) -> Host:
    """Give the testinfra host of a session."""
    backend = SessionBackend(session)
    host = Host(backend)
    backend.set_host(host)
    return host
