"""Build the command that runs a Python program as root on a host, and the stdin that feeds it.

The program follows a random marker line on stdin. Everything before the marker is dropped: a password that
sudo did not read is never executed or printed.
"""

import secrets as random_source
import shlex
from dataclasses import dataclass

from provision.model import Secret

# Every EL has one of these: yum and dnf are written in Python.
PYTHONS = "/usr/libexec/platform-python python3 python2 python"

NO_PYTHON = 127
OLD_PYTHON = 95
NO_SUDO = 94

# Runs before anything that an older Python cannot parse.
_JUDGE = f"""\
import sys
if sys.version_info < (2, 7) or (3,) <= sys.version_info < (3, 6):
    sys.stderr.write("Python " + sys.version.split()[0] + " at " + sys.executable + "\\n")
    sys.exit({OLD_PYTHON})
"""
# A file subprocess.py in the login's directory must not be imported: it would run as root.
_OWN_MODULES = "import sys; sys.path[:] = [place for place in sys.path if place]\n"

_BOOT = (
    _JUDGE
    + _OWN_MODULES
    + """\
stdin = getattr(sys.stdin, 'buffer', sys.stdin)
mark = sys.argv[1].encode()
while True:
    line = stdin.readline()
    if not line:
        sys.exit(96)
    if line.strip() == mark:
        break
size = int(stdin.readline())
exec(compile(stdin.read(size), '<provision>', 'exec'), {'__name__': '__provision__', 'stdin': stdin})
"""
)

# sudo with requiretty needs a controlling terminal; stdin must stay the pipe.
_TERMINAL = (
    _OWN_MODULES
    + """\
import fcntl, os, termios
master, slave = os.openpty()
child = os.fork()
if not child:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    os.execvp(sys.argv[1], sys.argv[1:])
status = os.waitpid(child, 0)[1]
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
"""
)

_FIND = (
    f'for p in {PYTHONS}; do command -v "$p" >/dev/null 2>&1 && break; p=; done; '
    f'[ "$p" ] || exit {NO_PYTHON}; '
)
_FIND_SUDO = f"command -v sudo >/dev/null || exit {NO_SUDO}; "


@dataclass(frozen=True, slots=True)
class Elevated:
    """A remote shell command, and its stdin, which may have the password: never print it."""

    command: str
    stdin: bytes

    def __repr__(self) -> str:
        return "Elevated(***)"


def sudo_true() -> str:
    """Return the command that tests a sudo password once; its stdin is only the password."""
    start = f'exec "$p" -c {shlex.quote(_TERMINAL)} '
    return "sh -c " + shlex.quote(_FIND + _FIND_SUDO + start + "sudo -k -S -p '' true")


def wrap(
    program: str, payload: bytes = b"", *, sudo: bool = False, password: Secret | None = None
) -> Elevated:
    """Return the command that runs ``program``, Python 2.7 and 3 source that reads ``payload`` on ``stdin``.

    ``sudo`` says whether sudo is needed, ``password`` is its password, if it asks for one.
    """
    mark = "provision-" + random_source.token_hex(16)
    boot = f'"$p" -c {shlex.quote(_BOOT)} {mark}'
    find = _FIND + _FIND_SUDO if sudo else _FIND
    if sudo:
        # -n: without a password sudo must not ask, or it reads our marker as one
        ask = "-n" if password is None else "-S -p ''"
        boot = f'"$p" -c {shlex.quote(_TERMINAL)} sudo -k {ask} {boot}'
    source = program.encode()
    stdin = f"{mark}\n{len(source)}\n".encode() + source + payload
    if password is not None:
        stdin = password.reveal().encode() + b"\n" + stdin
    return Elevated("sh -c " + shlex.quote(f"{find}exec {boot}"), stdin)
