"""The lab: throw-away stand-in hosts on this machine, for the demo and for tests.

They are systemd-nspawn containers **dressed as** CentOS Stream and made of Debian packages, with real
systemd, sshd, rpm, dnf, a real signed RPM repository and a real container registry. What works here has
not been shown to work on CentOS, Rocky or RHEL.
"""

from provision.lab.control import cut, execute, mend, pause, power_cut, reboot, resume, start_host, stop_host
from provision.lab.lifecycle import down, status, up
from provision.lab.network import free_subnet
from provision.lab.record import Lab, LabHost

__all__ = [
    "Lab", "LabHost", "cut", "down", "execute", "free_subnet", "mend", "pause", "power_cut", "reboot",
    "resume", "start_host", "status", "stop_host", "up",
]  # fmt: skip
