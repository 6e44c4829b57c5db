"""The timed way back: unless the operator has got in meanwhile, sshd's old setting returns by itself."""

import os

from ..ground.change import Change
from ..ground.errors import HostError
from ..ground.files import backup_name, replace_file
from ..runs.journal import FOLDER

# On a tmpfs, as the timer is: neither outlives a reboot. It is there until the setting is proven.
SCRIPT = "/run/provision-sshd-restore"
# A timer for each run: the one of before is stopped only when the new one goes.
UNIT = "provision-sshd-restore-"
PATIENCE_S = 120

_REMOVE = "rm -f '{path}'\n"
# Beside the file and then over it, with its mode and owner: a reader sees the old or the new one.
_PUT_BACK = (
    "cp -p '{path}' '{path}.provision'\n"
    "cat '{kept}' > '{path}.provision'\n"
    "mv -f '{path}.provision' '{path}'\n")


def is_set(machine):
    """Waits a setting of sshd to be proven, or to be put back?"""
    return os.path.exists(machine.path(SCRIPT))


class Guard(Change):
    """A timer that puts ``setting`` (a FileChange) back as it was before the run of this name.

    Without ``setting`` the way back that an earlier run has left is kept, and its time begins anew.
    """

    kind = "timer"
    subject = UNIT.rstrip("-")

    def __init__(self, machine, setting, run, unit):
        self.machine = machine
        self.run = run
        self.setting = setting
        self.script = _script(setting, run, unit) if setting else machine.text(SCRIPT)
        self.after = (
            "puts the old setting back after %d s, unless a new login shows that all is well" % PATIENCE_S)

    def apply(self):
        """Start the timer."""
        replace_file(self.machine.path(SCRIPT), self.script.encode("ascii"), mode=0o600)
        old = self._timers()
        ran = self.machine.run([
            "systemd-run", "--on-active=%d" % PATIENCE_S, "--timer-property=AccuracySec=1s",
            "--unit=" + UNIT + self.run, "/bin/sh", SCRIPT])
        if ran.rc:
            raise HostError(
                "no-timer", "systemd did not take the timer that would put sshd's setting back",
                "systemctl status on the host says more; then: `again`",
                (ran.err.strip() or "exit code %d" % ran.rc).splitlines()[-1])
        self._stop(old)

    def undo(self):
        """Leave it until the file is back: see settle."""

    def settle(self):
        """Stop the timer, once there is nothing left to put back: what an earlier run has made still is."""
        if self.setting is None or not self.setting.is_back():
            return
        self._stop(self._timers())
        if is_set(self.machine):
            os.unlink(self.machine.path(SCRIPT))

    def _timers(self):
        shown = ["systemctl", "list-units", "--plain", "--no-legend", UNIT + "*.timer"]
        return [line.split()[0] for line in self.machine.run(shown).out.splitlines() if line.strip()]

    def _stop(self, timers):
        if timers:
            self.machine.run(["systemctl", "stop"] + timers)


def _script(setting, run, unit):
    kept = "%s/%s/%s" % (FOLDER, run, backup_name(setting.path))
    back = (_REMOVE if setting.old is None else _PUT_BACK).format(path=setting.target, kept=kept)
    reload = "systemctl reload %s\n" % unit if unit else ""
    # What fails leaves the script, which says that the setting is not proven.
    return "set -e\n" + back + reload + "rm -f %s\n" % SCRIPT
