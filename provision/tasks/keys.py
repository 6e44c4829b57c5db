"""Let hosts be entered by a key that lives in the keyring."""

from provision.pipeline import Request
from provision.tasks import runs
from provision.tasks.command import RUN, command, typed
from provision.tasks.consent import LOCK, lock_values
from provision.tasks.project import Flags

HOSTS = {
    "hosts": "web1, web1,web2, a group, or all",
    "via": "public or private: which address of each host is used",
}


def change_access(verb: str, flags: Flags, hosts: str, via: str, lock_timeout: str) -> int:
    """Run one verb that changes who gets in, and give its exit code."""
    request = Request(verb, typed(), hosts, via, values=lock_values(lock_timeout))
    return runs.start(request, flags, runs.Manner())


@command(shared=RUN, positional=("hosts",), help=HOSTS | LOCK)
def install(flags: Flags, hosts: str, via: str = "public", lock_timeout: str = "") -> int:
    """Return hosts a key each, which lives in the keyring.

    An ed25519 key, and in no file. It is used once a login with nothing else has worked. Other keys stay.
    """
    return change_access("keys.install", flags, hosts, via, lock_timeout)


@command(shared=RUN, positional=("hosts",), help=HOSTS | LOCK)
def remove(flags: Flags, hosts: str, via: str = "public", lock_timeout: str = "") -> int:
    """Take those keys away again; passwords are used then.

    Refused for a host that the password of the keyring does not let in.
    """
    return change_access("keys.remove", flags, hosts, via, lock_timeout)
