"""Planted leaks: a gate that does not find each of them proves nothing."""

import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provision import lab as labs
from provision.lab import Lab
from tests.leak.canaries import Canary

# Long enough for journald to compress it.
PADDING = "x" * 2000
IN_HOST = """\
read -r leak
echo "a line with $leak in it" >> /var/log/decoy.log
printf %s "$leak" > /dev/shm/decoy
printf %s "ops:$leak" | base64 -w 0 > /root/decoy.json
printf '%s %s\\n' "$leak" "$1" | logger -t decoy
"""
SLEEP_S = 10
# On a host, so that it has another name than those here.
SLEEPER = f"python3 -c 'import time; time.sleep({SLEEP_S})'"


@contextmanager
def planted(decoy: Canary, lab: Lab, place: Path) -> Iterator[None]:
    """Leak ``decoy`` in a log line, in a file of shared memory, in arguments and in an environment.

    On this machine, where files go below ``place``, and on the lab's first host.
    """
    shared = Path(f"/dev/shm/decoy-{lab.name}")
    text = decoy.marker
    (place / "planted.log").write_text(f"a line with {text} in it\n")
    (place / "planted.b64").write_bytes(base64.b64encode(f"root:{text}".encode()))
    shared.write_text(text)
    sleep = f"sleep {SLEEP_S}; true"
    processes = [
        subprocess.Popen(["sh", "-c", sleep, text]),
        subprocess.Popen(["sh", "-c", sleep], env={"DECOY": text}),
    ]
    try:
        labs.execute(lab.hosts[0], "sh", "-c", IN_HOST, "sh", PADDING, stdin=f"{text}\n".encode())
        labs.execute(lab.hosts[0], "sh", "-c", f"DECOY={text} {SLEEPER} {text} > /dev/null 2>&1 &")
        yield
    finally:
        shared.unlink()
        for process in processes:
            process.wait()
