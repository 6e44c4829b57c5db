"""The host as the other modules see it: files below a root, and commands with an end."""

import os
import signal
import subprocess
import threading
from collections import namedtuple

from .errors import HostError

SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
COMMAND_TIMEOUT_S = 60

Ran = namedtuple("Ran", "rc out err")


class Machine(object):
    """The only door to files and commands, so that a test needs to replace nothing else."""

    def __init__(self, root="/"):
        self.root = root

    def path(self, absolute):
        """Give where ``absolute`` lies below the root."""
        return os.path.join(self.root, absolute.lstrip("/"))

    def read(self, absolute):
        """Give the bytes of a file, or None where there is none."""
        if not os.path.isfile(self.path(absolute)):
            return None
        with open(self.path(absolute), "rb") as stream:
            return stream.read()

    def text(self, absolute):
        """Give a file as text, empty where there is none."""
        return (self.read(absolute) or b"").decode("utf-8", "replace")

    def has(self, program):
        """Is ``program`` installed?"""
        found = [self.path(folder + "/" + program) for folder in SEARCH_PATH.split(":")]
        return any(os.access(place, os.X_OK) for place in found)

    def run(self, argv, timeout_s=COMMAND_TIMEOUT_S):
        """Run a command in the C locale; give its exit code and texts, or raise when it does not end."""
        environment = dict(os.environ, LC_ALL="C", PATH=SEARCH_PATH, TERM="dumb")
        with open(os.devnull, "rb") as nothing:
            process = subprocess.Popen(
                argv, stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment, close_fds=True, preexec_fn=os.setsid)
        late = []
        timer = threading.Timer(timeout_s, _end, (process, late))
        timer.start()
        try:
            out, err = process.communicate()
        finally:
            timer.cancel()
        if late:
            raise HostError(
                "timed-out", "%s did not end in %d s" % (argv[0], timeout_s),
                "see on the host what it waits for, then: fab provision", " ".join(argv))
        return Ran(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def _end(process, late):
    late.append(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
