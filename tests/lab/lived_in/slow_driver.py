"""Run on a stand-in host: the real host code with its limits of time scaled down, so that a start of
seconds is longer than any of them. `python3 slow_driver.py < REQUEST` prints the result.
"""

import sys

sys.path.insert(0, "/root/code")

from provision_host import main
from provision_host.engine import health, service

SCALE = 60.0


def scale_down():
    """Divide every limit of a start by SCALE; not how often it looks."""
    for module in (health, service):
        for name in dir(module):
            if name.endswith(("_TIMEOUT_S", "STALL_S")):
                setattr(module, name, getattr(module, name) / SCALE)


if __name__ == "__main__":
    scale_down()
    main.main(sys.stdin.read())
