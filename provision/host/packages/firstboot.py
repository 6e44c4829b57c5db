"""Wait for the first boot to finish: cloud-init installs and upgrades packages in its last stage."""

import time

from ..ground.errors import Refusal
from ..runs import detach, rpmlock

STATUS = "/run/cloud-init/status.json"
RESULT = "/run/cloud-init/result.json"
UNITS = (
    "cloud-init-local.service", "cloud-init-main.service", "cloud-init.service", "cloud-config.service",
    "cloud-final.service")
POLL_S = 1


def wait(machine, timeout_s):
    """Wait for cloud-init; return what was waited for, empty for none; raise after ``timeout_s``."""
    deadline, waited = time.time() + timeout_s, ""
    unit = running(machine)
    while unit:
        waited = "cloud-init (%s)" % unit
        if time.time() > deadline:
            raise Refusal(
                rpmlock.HELD, "the first boot of this host is not finished: cloud-init is running",
                "wait until it has ended (on the host: cloud-init status --wait), or give --lock-timeout more"
                " seconds; then: `again`", waited)
        detach.renew()
        time.sleep(POLL_S)
        unit = running(machine)
    return waited


def running(machine):
    """Return the unit of cloud-init that runs or is queued; empty for none.

    cloud-init writes result.json when it is done. One that died never does, so systemd is asked as well.
    """
    if machine.read(STATUS) is None or machine.read(RESULT) is not None:
        return ""
    ran = machine.run(["systemctl", "show"] + list(UNITS) + ["--property", "Id,ActiveState,Job"])
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
              for block in ran.out.split("\n\n")]
    busy = [block["Id"] for block in blocks
            if block.get("ActiveState") == "activating" or block.get("Job", "0") not in ("", "0")]
    return busy[0] if busy else ""
