"""The host as the other modules see it: files below a root, and commands with a time limit."""

import errno
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import namedtuple

from . import scratch
from .errors import HostError

SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
COMMAND_TIMEOUT_S = 60
OUTPUT_CAP_BYTES = 4 << 20

# How often the output of a command is read until it asks something.
ASKS_POLL_S = 0.02

Ran = namedtuple("Ran", "rc out err")


class Machine(object):
    """The only access to files and commands, so that a test needs to replace nothing else.

    ``engine_sleeps``: the engine is stopped, and its socket must not be used: systemd would start the engine
    for any connection. ``source``: the descriptor of what the controller sends on request.
    """

    engine_sleeps = False
    source = None

    def __init__(self, root="/"):
        self.root = root

    def tell(self, words):
        """Say what is being done now, or what is wanted; replaced where somebody listens."""

    def path(self, absolute):
        """Return the path of ``absolute`` below the root."""
        return os.path.join(self.root, absolute.lstrip("/"))

    def read(self, absolute):
        """Return the bytes of a file, or None where there is none."""
        try:
            if os.path.isfile(self.path(absolute)):
                with open(self.path(absolute), "rb") as stream:
                    return stream.read()
        except (IOError, OSError) as error:
            # The file, or the process that it describes, has just gone.
            if error.errno not in (errno.ENOENT, errno.ESRCH):
                raise
        return None

    def text(self, absolute):
        """Return a file as text, empty where there is none."""
        return (self.read(absolute) or b"").decode("utf-8", "replace")

    def has(self, program):
        """Return whether ``program`` is installed."""
        found = [self.path(folder + "/" + program) for folder in SEARCH_PATH.split(":")]
        return any(os.access(place, os.X_OK) for place in found)

    def commands(self):
        """Yield the process id and the words of each command line; a process that has just ended has none."""
        place = self.path("/proc")
        for pid in sorted(os.listdir(place)) if os.path.isdir(place) else ():
            words = self.text("/proc/%s/cmdline" % pid).rstrip("\0") if pid.isdigit() else ""
            if words:
                yield int(pid), words.split("\0")

    def run(self, argv, timeout_s=COMMAND_TIMEOUT_S, outlives=False, stdin=None):
        """Run a command in the C locale; return its exit code and output, or raise when it times out.

        A secret goes to ``stdin`` (bytes), as anybody can read a command line. A command that ``outlives`` a
        kill of this process writes to files: a pipe without a reader would end it in the middle of its work.
        """
        streams = self._files() if outlives else ()
        out, err = streams or (subprocess.PIPE, subprocess.PIPE)
        with open(os.devnull, "rb") as nothing:
            process = _start(argv, nothing if stdin is None else subprocess.PIPE, out, err)
        said = _wait(process, argv, timeout_s, stdin)
        return Ran(process.returncode, *[_text(*pair) for pair in zip(streams or (None, None), said)])

    def ask(self, argv):
        """Start a command that asks before its work; once answered, it outlives a kill of this process."""
        return Asking(argv, self._files())

    def _files(self):
        return [tempfile.TemporaryFile(dir=self.path(scratch.SMALL)) for _ in (1, 2)]


class Asking(object):
    """A command that asks questions on a terminal, which is its standard input alone.

    When this process ends, also by a kill, the terminal hangs up, and the command cannot read an answer.
    """

    def __init__(self, argv, streams):
        self._argv = argv
        self._streams = streams
        self._terminal, theirs = os.openpty()
        try:
            self._process = _start(argv, theirs, *streams)
        finally:
            os.close(theirs)

    def until(self, question, timeout_s):
        """Wait for the question; return what was said, with the exit code None while it is open."""
        deadline = time.time() + timeout_s
        try:
            while self.is_running() and not self._said().endswith(question):
                if time.time() > deadline:
                    raise _late(self._argv, timeout_s)
                time.sleep(ASKS_POLL_S)
        except BaseException:
            self.end()
            raise
        code = self._process.poll()
        return Ran(code, self._said(), "") if code is None else self._ran()

    def is_running(self):
        """Return whether the command has not ended."""
        return self._process.poll() is None

    def answer(self, words, timeout_s):
        """Type ``words``, and wait for the end of the command, as ``Machine.run`` does."""
        try:
            os.write(self._terminal, words)
            _wait(self._process, self._argv, timeout_s, None)
        finally:
            ran = self._ran()
        return ran

    def end(self):
        """Kill the command."""
        _kill(self._process)
        self._process.wait()
        self._ran()

    def _ran(self):
        os.close(self._terminal)
        return Ran(self._process.returncode, *[_text(stream, None) for stream in self._streams])

    def _said(self):
        # Not by the file itself: its offset is where the command writes next.
        with open("/proc/self/fd/%d" % self._streams[0].fileno(), "rb") as stream:
            return stream.read(OUTPUT_CAP_BYTES).decode("utf-8", "replace")


def _start(argv, source, out, err):
    environment = dict(os.environ, LC_ALL="C", PATH=SEARCH_PATH, TERM="dumb")
    return subprocess.Popen(
        argv, stdin=source, stdout=out, stderr=err, env=environment, close_fds=True, preexec_fn=_lead)


def _wait(process, argv, timeout_s, stdin):
    late = []
    timer = threading.Timer(timeout_s, _end, (process, late))
    timer.start()
    try:
        said = process.communicate(stdin)
    except BaseException:
        _end(process, late)
        process.wait()
        raise
    finally:
        timer.cancel()
    if late:
        raise _late(argv, timeout_s)
    return said


def _late(argv, timeout_s):
    return HostError(
        "timed-out", "%s did not finish in %d s" % (argv[0], timeout_s),
        "see on the host what it waits for, then: `again`", " ".join(argv))


def _text(stream, said):
    if stream is not None:
        stream.seek(0)
        said = stream.read(OUTPUT_CAP_BYTES)
        stream.close()
    return said.decode("utf-8", "replace")


def _lead():
    # A session of its own, so that all of it can be killed; and it handles signals even while we ignore them.
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _end(process, late):
    late.append(process.pid)
    _kill(process)


def _kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        return  # The process has just ended.
