"""Start this program, and the Python programs that it runs, with less garbage collection.

``python -P -m provision.startup MODULE ...`` is ``python -m MODULE ...`` with less of it. With -P, no module
of the working directory is imported.
"""

import atexit
import gc
import runpy
import sys

# Objects between two searches for unreachable cycles. Python's own 700 and the search at its end take up to a
# quarter of the processor time of a program that runs for a second or two.
GC_THRESHOLD = 50_000

INVENTORY = "ansible.cli.inventory"
PLAYBOOK = "ansible.cli.playbook"
PYTEST = "pytest"


def collect_less() -> None:
    """Search for unreachable cycles less often, and not at the end of this process."""
    gc.set_threshold(GC_THRESHOLD)
    atexit.register(gc.freeze)


def argv_of(module: str) -> list[str]:
    """Return the start of the command line of ``module``: INVENTORY, PLAYBOOK or PYTEST."""
    return [sys.executable, "-P", "-m", "provision.startup", module]


if __name__ == "__main__":
    collect_less()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
