"""Protect this process's memory from core dumps, and from other processes of the same user."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4


def forbid() -> None:
    """Forbid core dumps of this process and of its children.

    The limit is inherited. A kernel that pipes cores to a program ignores the limit, but not the flag, which
    also keeps other processes of the user from reading our memory. The flag is reset by exec, so each program
    that holds a secret calls this. macOS has only the limit.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
