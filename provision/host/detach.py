"""Work on when the connection, or the controller, dies."""

import json
import os

from .errors import HostError


def run(work):
    """Call ``work`` in a process of its own session and give its result (plain data).

    The caller waits and relays. When the caller is killed, the work goes on to its end.
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
            "killed", "the run on this host was killed", "fab provision finds what it left and finishes it",
            "its process ended without a result", "out of memory, a reboot, or somebody's kill")
    return json.loads(text)


def _leave(writer, work):
    # A second fork after setsid: the worker can never get a terminal, nor a parent that reaps it late.
    status = 1
    try:
        os.setsid()
        if os.fork():
            status = 0
            return
        _silence()
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
