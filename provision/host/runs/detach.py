"""Work on when the connection, or the controller, dies; but not without an end."""

import json
import os
import signal

from ..ground.errors import HostError

# Below the controller's own limit, so that an undo that it begins is still heard of.
WORK_LIMIT_S = 2100
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run(work):
    """Call ``work`` in a process of its own session and give its result (plain data).

    The caller waits and relays. When the caller is killed, the work goes on to its end. WORK_LIMIT_S after it
    called ``limit``, or at a signal, the work is ended by a HostError in it, and so undone.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _leave(writer, work)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as stream:
        text = stream.read().decode("utf-8")
    if not text:
        raise HostError(
            "killed", "the run on this host was killed", "`again` finds what it left and finishes it",
            "its process ended without a result", "out of memory, a reboot, or somebody's kill")
    return json.loads(text)


def limit():
    """Let the time of detached work run from now on: what came before was waiting for the host's lock."""
    if signal.getsignal(signal.SIGALRM) is _end:
        signal.alarm(WORK_LIMIT_S)


def renew():
    """Let the time run anew, if it runs: what came before was waiting for another package manager."""
    if signal.alarm(0):
        signal.alarm(WORK_LIMIT_S)


def no_limit():
    """Let nothing end it any more: an undo, and the writing of a result, come to their own end."""
    signal.alarm(0)
    for number in SIGNALS:
        if signal.getsignal(number) is _end:
            signal.signal(number, signal.SIG_IGN)


def _end(number, frame):
    no_limit()
    if number in SIGNALS:
        raise HostError(
            "terminated", "the run on this host was told to end", "`again` begins anew",
            "signal %d" % number, "a shutdown of the host, or somebody's kill")
    raise HostError(
        "timed-out", "the work on this host did not end in %d minutes" % (WORK_LIMIT_S // 60),
        "see on the host what is slow (a mirror, a disk); then: `again`")


def _leave(writer, work):
    # A second fork after setsid: the worker can never get a terminal, nor a parent that reaps it late.
    status = 1
    try:
        os.setsid()
        if os.fork():
            status = 0
            return
        _silence()
        for number in (signal.SIGALRM,) + SIGNALS:
            signal.signal(number, _end)
        _tell(writer, json.dumps(work()).encode("utf-8"))
        status = 0
    finally:
        os._exit(status)


def _silence():
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _tell(writer, data):
    # Nobody may be left to hear it; the result file holds it then.
    try:
        while data:
            data = data[os.write(writer, data):]
    except OSError:
        return
