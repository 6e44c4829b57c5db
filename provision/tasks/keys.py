"""Log in to hosts with keys from the keyring."""

from provision.workflows.command import HOSTS, LOCK, RUN, command
from provision.workflows.project import Flags


@command(shared=RUN, positional=("hosts",), help=HOSTS | LOCK)
def install(flags: Flags, hosts: str, via: str = "public", lock_timeout: str = "") -> int:
    """Install a login key on each host; it is in the keyring.

    The key is ed25519, and its private half is only in the keyring. It is used once a login with it alone has
    worked. Other keys stay.
    """
    from provision.workflows.runs import change_access

    return change_access("keys.install", flags, hosts, via, lock_timeout)


@command(shared=RUN, positional=("hosts",), help=HOSTS | LOCK)
def remove(flags: Flags, hosts: str, via: str = "public", lock_timeout: str = "") -> int:
    """Remove these keys again, and log in by password.

    Refused for a host that does not accept the password in the keyring.
    """
    from provision.workflows.runs import change_access

    return change_access("keys.remove", flags, hosts, via, lock_timeout)
