"""A timed rollback: sshd's old setting is restored unless a new login succeeds in time."""

import os

from ..ground.change import Change
from ..ground.errors import HostError
from ..ground.files import backup_name, replace_file
from ..runs.journal import FOLDER

# On a tmpfs, as the timer is: neither survives a reboot. It exists until the setting is proven.
SCRIPT = "/run/provision-sshd-restore"
# A timer for each run: the previous one is stopped only once the new one runs.
UNIT = "provision-sshd-restore-"
PATIENCE_S = 120

_REMOVE = "rm -f '{path}'\n"
# Written beside the file and then renamed over it, with its mode and owner: a reader sees one or the other.
_PUT_BACK = (
    "cp -p '{path}' '{path}.provision'\n"
    "cat '{kept}' > '{path}.provision'\n"
    "mv -f '{path}.provision' '{path}'\n")


def is_set(machine):
    """Return whether an sshd setting awaits proof or rollback."""
    return os.path.exists(machine.path(SCRIPT))


class Guard(Change):
    """A timer that restores ``setting`` (a FileChange) as it was before this run.

    Without ``setting`` the rollback of an earlier run is kept, and its time starts again.
    """

    kind = "timer"
    subject = UNIT.rstrip("-")

    def __init__(self, machine, setting, run, unit):
        self.machine = machine
        self.run = run
        self.setting = setting
        self.script = machine.text(SCRIPT)
        if setting:
            kept = "%s/%s/%s" % (FOLDER, run, backup_name(setting.path))
            back = (_REMOVE if setting.old is None else _PUT_BACK).format(path=setting.target, kept=kept)
            reload = "systemctl reload %s\n" % unit if unit else ""
            # A failure leaves the script, which marks the setting as not proven.
            self.script = "set -e\n" + back + reload + "rm -f %s\n" % SCRIPT
        self.after = "restores the old setting after %d s, unless a new login succeeds" % PATIENCE_S

    def apply(self):
        """Start the timer."""
        replace_file(self.machine.path(SCRIPT), self.script.encode("ascii"), mode=0o600)
        old = self._timers()
        ran = self.machine.run([
            "systemd-run", "--on-active=%d" % PATIENCE_S, "--timer-property=AccuracySec=1s",
            "--unit=" + UNIT + self.run, "/bin/sh", SCRIPT])
        if ran.rc:
            raise HostError(
                "no-timer", "systemd did not accept the timer that would restore sshd's setting",
                "systemctl status on the host says more; then: `again`",
                (ran.err.strip() or "exit code %d" % ran.rc).splitlines()[-1])
        self._stop(old)

    def undo(self):
        """Do nothing until the file is restored: see settle."""

    def settle(self):
        """Stop the timer, unless there is an earlier run's setting to roll back."""
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
