"""The door: `fab` finds its commands here."""

import sys

# fab keeps Python from storing compiled modules, and compiling this package takes 0.1 s at each start.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)

from provision.tasks import namespace  # noqa: E402, F401 - fab looks for this name
