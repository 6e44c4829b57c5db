"""Keep this process's memory out of core dumps, and out of reach of others of the same user."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4


def forbid() -> None:
    """Forbid core dumps of this process and of all that it starts from now on.

    The limit is inherited. A kernel that pipes cores to a program asks for no limit but for the flag, which
    also keeps other processes of the user from reading our memory. A program that is started has it anew, so
    each that holds a secret calls this. Where there is no such flag (macOS), the limit stands alone.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
