"""Wait until a login shell is ready, whatever it prints before."""

import os
import selectors
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass

# The most that a banner, a message of the day and start files may print.
CAP_BYTES = 1 << 18
# When one output has ended, the other is read for this long.
LAST_WORDS_S = 0.5


@dataclass(frozen=True, slots=True)
class Greeting:
    """The result of a login: ready, late or endless; and its output."""

    is_ready: bool
    is_late: bool
    is_endless: bool
    out: str
    err: str


def listen(master: subprocess.Popen[bytes], ready: str, timeout_s: float) -> Greeting:
    """Read both outputs of ``master`` until a line ends with ``ready``, it ends, or ``timeout_s`` are over.

    A master that is not ready is killed. The stderr of one that is ready is closed, as nothing reads it:
    further output must neither fill the pipe nor block the host.
    """
    out, err, word = bytearray(), bytearray(), ready.encode() + b"\n"
    has_ended = _read(master, out, err, word, timeout_s)
    is_ready = word in out
    is_endless = not is_ready and len(out) + len(err) >= CAP_BYTES
    if not is_ready:
        with suppress(subprocess.TimeoutExpired):
            master.wait(LAST_WORDS_S if has_ended else 0)
        master.kill()
        master.wait()
    if master.stderr:
        master.stderr.close()
    is_late = not (is_ready or is_endless or has_ended)
    return Greeting(is_ready, is_late, is_endless, _text(out), _text(err))


def _read(
    master: subprocess.Popen[bytes], out: bytearray, err: bytearray, word: bytes, timeout_s: float
) -> bool:
    """Fill ``out`` and ``err``; return whether one of them has ended."""
    assert master.stdout
    assert master.stderr
    end, has_ended = time.monotonic() + timeout_s, False
    with selectors.DefaultSelector() as selector:
        selector.register(master.stdout, selectors.EVENT_READ, out)
        selector.register(master.stderr, selectors.EVENT_READ, err)
        while selector.get_map() and word not in out and len(out) + len(err) < CAP_BYTES:
            # checked each time, or a host that never pauses has no time limit
            if (left_s := end - time.monotonic()) <= 0:
                break
            for key, _ in selector.select(left_s):
                data = os.read(key.fd, CAP_BYTES)
                key.data.extend(data)
                if not data:
                    selector.unregister(key.fileobj)
                    end, has_ended = min(end, time.monotonic() + LAST_WORDS_S), True
    return has_ended


def _text(data: bytearray) -> str:
    return data[:CAP_BYTES].decode("utf-8", "replace")
