"""docker.service, its helpers and the units that depend on it, as systemd describes them."""

import time
from collections import namedtuple

from . import dockerd_flags

UNIT = "docker.service"
UNITS = (UNIT, "docker.socket", "containerd.service")
State = namedtuple("State", "enabled active helpers")
WANTED = State(True, True, list(UNITS[1:]))
NONE = State(False, False, [])
POLL_S = 0.25

_BOUND = "RequiredBy,RequisiteOf,BoundBy,ConsistsOf"
_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,CanReload,NeedDaemonReload,ExecMainStartTimestampMonotonic,"
    "ExecStart,Environment,EnvironmentFiles," + _BOUND)
# It starts at boot, or `systemctl enable` changes nothing: no [Install] section, or masked; see is-enabled in
# systemctl(1). enabled-runtime and linked are left out: `systemctl enable` makes both enabled.
_ENABLED = (
    "enabled", "static", "indirect", "alias", "generated", "transient", "masked", "masked-runtime")
# How far a chain of units that require each other is followed.
_DEPTH = 20
# Becoming active, or active again.
_STARTING = ("activating", "reloading", "refreshing")
# Waiting for the next attempt after a failure: not starting.
_TRIES_AGAIN = "auto-restart"


class Unit(object):
    """docker.service as systemd describes it; ``command``, for dockerd_flags, is None without a unit.

    ``helpers`` are those of its two helpers that run: others may use containerd too. ``bound`` are the units
    that stop or restart with it.
    """

    def __init__(self, machine):
        ran = machine.run(["systemctl", "show"] + list(UNITS) + ["--property", _PROPERTIES])
        texts = ran.out.split("\n\n")
        blocks = [properties(text) for text in texts]
        number = next((number for number, block in enumerate(blocks) if block.get("Id") == UNIT), None)
        found = {} if number is None else blocks[number]
        self.machine = machine
        self.loaded = found.get("LoadState") == "loaded"
        self.active_state = found.get("ActiveState", "inactive")
        # A starting unit counts as active: it is waited for.
        self.starting = is_starting(found)
        self.active = self.active_state == "active" or self.starting
        self.enabled = found.get("UnitFileState") in _ENABLED
        self.can_reload = found.get("CanReload") == "yes"
        # Whether its file differs from what systemd has loaded: a restart will apply the new one.
        self.edited = found.get("NeedDaemonReload") == "yes"
        self.started_at = _seconds(machine, found.get("ExecMainStartTimestampMonotonic", ""))
        self.command = dockerd_flags.described(found, texts[number]) if self.loaded else None
        active = [block.get("Id") for block in blocks if block.get("ActiveState") == "active"]
        self.helpers = [name for name in UNITS[1:] if name in active]
        self.bound = _bound(found)

    @property
    def state(self):
        """The part of it that a Change can restore."""
        return State(self.enabled, self.active, self.helpers)

    @property
    def live_restore_flag(self):
        """The value of --live-restore on its command line; None without the flag."""
        flag = dockerd_flags.CommandLine(self.machine, self.command).get("live-restore")
        return None if flag is None else flag.value

    def words(self):
        """Return its state in words; empty without a unit."""
        if not self.loaded:
            return ""
        states = {"active": "started", "inactive": "stopped"}
        return in_words(self.enabled, states.get(self.active_state, self.active_state))

    def disturbed(self):
        """Return the active units that stop or restart with the engine, or with another such unit."""
        found, names = set(), self.bound
        for _ in range(_DEPTH):
            names = [name for name in names if name not in found]
            show = ["systemctl", "show"] + names + ["--property", "Id,ActiveState," + _BOUND]
            blocks = [properties(text) for text in self.machine.run(show).out.split("\n\n")] if names else []
            # An inactive one stops no other.
            blocks = [block for block in blocks if block.get("ActiveState") == "active" and "Id" in block]
            found.update(block["Id"] for block in blocks)
            names = sorted({name for block in blocks for name in _bound(block)})
        return sorted(found)


def _bound(found):
    """Return the units that stop or restart with the one that has these properties."""
    names = {name for kind in _BOUND.split(",") for name in found.get(kind, "").split()}
    return sorted(names - set(UNITS))


def _seconds(machine, since_boot_us):
    """Return a time of systemd's monotonic clock in seconds since 1970; None for never."""
    uptime = machine.text("/proc/uptime").split()
    if not uptime or since_boot_us in ("", "0"):
        return None
    return time.time() - float(uptime[0]) + int(since_boot_us) / 1e6


def is_active(machine, unit):
    """Return whether ``unit`` is active."""
    return machine.run(["systemctl", "is-active", unit]).out.strip() == "active"


def await_start(machine, limit_s):
    """Return the Unit once it is no longer starting, or after ``limit_s`` seconds."""
    deadline, unit = time.time() + limit_s, Unit(machine)
    while unit.starting and time.time() < deadline:
        time.sleep(POLL_S)
        unit = Unit(machine)
    return unit


def in_words(enabled, state):
    """Return a state in words."""
    return "%s and %s" % ("enabled" if enabled else "disabled", state)


def is_starting(found):
    """Return whether a unit with these properties is becoming active."""
    return found.get("ActiveState") in _STARTING and not found.get("SubState", "").startswith(_TRIES_AGAIN)


def properties(text):
    """Return the output of `systemctl show` as a mapping."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
