"""Log in to hosts with keys from the keyring."""

from provision.pipeline import Request
from provision.workflows import runs
from provision.workflows.command import RUN, command, typed
from provision.workflows.consent import LOCK, lock_values
from provision.workflows.project import Flags

HOSTS = {
    "hosts": "web1, web1,web2, a group, or all",
    "via": "public or private: which address of each host is used",
}


def change_access(verb: str, flags: Flags, hosts: str, via: str, lock_timeout: str) -> int:
    """Run one verb that changes access, and return its exit code."""
    request = Request(verb, typed(), hosts, via, values=lock_values(lock_timeout))
    return runs.start(request, flags, runs.Manner())


@command(shared=RUN, positional=("hosts",), help=HOSTS | LOCK)
def install(flags: Flags, hosts: str, via: str = "public", lock_timeout: str = "") -> int:
    """Install a login key on each host; it is in the keyring.

    An ed25519 key, which is in no file. It is used once a login with it alone has worked. Other keys stay.
    """
    return change_access("keys.install", flags, hosts, via, lock_timeout)


@command(shared=RUN, positional=("hosts",), help=HOSTS | LOCK)
def remove(flags: Flags, hosts: str, via: str = "public", lock_timeout: str = "") -> int:
    """Remove these keys again, and log in by password.

    Refused for a host that does not accept the password in the keyring.
    """
    return change_access("keys.remove", flags, hosts, via, lock_timeout)
