"""Keep working when the connection or the controller dies, but within a time limit."""

import json
import os
import signal

from ..ground.errors import HostError

# Below the controller's own limit, so that the controller still receives the result of an undo.
WORK_LIMIT_S = 2100
STEP, RESULT = "step", "result"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run(work, on_step=lambda words: None):
    """Call ``work`` in a process with a session of its own and return its result (plain data).

    ``work`` gets a function that says in a few words what it does, and ``on_step`` is called with them. The
    work continues when the caller is killed. WORK_LIMIT_S after it called ``limit``, or at a signal, a
    HostError is raised in it, and so it is undone.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _leave(writer, work)
    os.close(writer)
    os.waitpid(child, 0)
    result = None
    with os.fdopen(reader, "rb") as stream:
        # Not a loop over the stream: Python 2 would keep lines back.
        for line in iter(stream.readline, b""):
            if not line.endswith(b"\n"):
                break
            kind, said = json.loads(line.decode("utf-8"))
            if kind == RESULT:
                result = said
                break
            on_step(said)
    if result is None:
        raise HostError(
            "killed", "the run on this host was killed", "`again` finds what it left and finishes it",
            "its process ended without a result", "out of memory, a reboot, or somebody's kill")
    return result


def limit():
    """Start the time limit of detached work: waiting for the host's lock does not count."""
    if signal.getsignal(signal.SIGALRM) is _end:
        signal.alarm(WORK_LIMIT_S)


def renew():
    """Restart the time limit, if it has started: waiting for another package manager does not count."""
    if signal.alarm(0):
        signal.alarm(WORK_LIMIT_S)


def no_limit():
    """Lift the time limit and ignore signals: an undo and the writing of a result must not be interrupted."""
    signal.alarm(0)
    for number in SIGNALS:
        if signal.getsignal(number) is _end:
            signal.signal(number, signal.SIG_IGN)


def _end(number, frame):
    no_limit()
    if number in SIGNALS:
        raise HostError(
            "terminated", "the run on this host was terminated", "`again` starts over",
            "signal %d" % number, "a shutdown of the host, or somebody's kill")
    raise HostError(
        "timed-out", "the work on this host did not finish in %d minutes" % (WORK_LIMIT_S // 60),
        "see on the host what is slow (a mirror, a disk); then: `again`")


def _leave(writer, work):
    # A second fork after setsid: the worker cannot acquire a terminal, and init reaps it.
    status = 1
    try:
        os.setsid()
        if os.fork():
            status = 0
            return
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        for number in (signal.SIGALRM,) + SIGNALS:
            signal.signal(number, _end)
        _send(writer, RESULT, work(lambda words: _send(writer, STEP, words)))
        status = 0
    finally:
        os._exit(status)


def _send(writer, kind, said):
    # The caller may be dead: the result is then in its file alone.
    data = json.dumps([kind, said]).encode("utf-8") + b"\n"
    try:
        while data:
            data = data[os.write(writer, data):]
    except OSError:
        return
