"""Start, stop, pause and cut off stand-in hosts while their lab is up."""

import signal
import subprocess

from provision.errors import LabError
from provision.lab import host as hosts
from provision.lab import network, processes, wait
from provision.lab.record import Lab, LabHost

EXECUTE_TIMEOUT_S = 120
POWER_OFF_TIMEOUT_S = 30
CUT_RULES = """\
add table inet lab_cut
add chain inet lab_cut input { type filter hook input priority -300; }
add rule inet lab_cut input iifname host0 drop
"""


def start_host(lab: Lab, host: LabHost) -> None:
    """Boot a host and wait until it answers SSH; a host that runs is left as it is."""
    if not hosts.supervisors(host.directory):
        hosts.boot(lab, host)
    wait.for_ssh(host.name, host.address, host.console)


def stop_host(host: LabHost) -> None:
    """Shut a host down, after 30 s by force; its disk stays.

    Containers that ignore SIGTERM delay it by 10 s, as on any host.
    """
    resume(host)
    supervisors = hosts.supervisors(host.directory)
    processes.send(supervisors, signal.SIGTERM)
    if not processes.gone(supervisors, POWER_OFF_TIMEOUT_S):
        power_cut(host)


def reboot(lab: Lab, host: LabHost) -> None:
    """Shut a host down, boot it, and wait until it answers SSH again."""
    stop_host(host)
    start_host(lab, host)


def power_cut(host: LabHost) -> None:
    """Kill every process of a host at once; unwritten data is lost."""
    # The kernel kills all others with process 1, and then nspawn ends by itself.
    processes.send([_leader(host)], signal.SIGKILL)
    processes.gone(hosts.supervisors(host.directory), processes.STOP_TIMEOUT_S)


def pause(host: LabHost) -> None:
    """Make a host silent: its kernel accepts connections, and no process answers."""
    processes.send(processes.in_namespace(_leader(host)), signal.SIGSTOP)


def resume(host: LabHost) -> None:
    """Resume a paused host."""
    leader = hosts.leader(host.directory)
    if leader is not None:
        processes.resume(leader)


def cut(host: LabHost) -> None:
    """Drop every packet that reaches a host, as a security group does: connections get no answer."""
    network.inside(_leader(host), "nft", "-f", "-", stdin=CUT_RULES)


def mend(host: LabHost) -> None:
    """Undo ``cut``."""
    network.inside(_leader(host), "nft", "delete", "table", "inet", "lab_cut")


def execute(host: LabHost, *argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a program inside a host as root, without SSH, for at most 120 s; both outputs are captured."""
    command = ["nsenter", "--all", "--target", str(_leader(host)), *argv]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=EXECUTE_TIMEOUT_S)


def _leader(host: LabHost) -> int:
    leader = hosts.leader(host.directory)
    if leader is None:
        raise LabError(f"{host.name} is off", "`fab lab.status` shows which hosts run")
    return leader
