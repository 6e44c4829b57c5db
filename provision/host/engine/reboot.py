"""A reboot into another kernel: planned as a Change, and begun once the result of that run has arrived."""

from ..ground.change import Change, Harm
from ..ground.errors import HostError, Refusal
from . import kernel

BOOT_ID = "/proc/sys/kernel/random/boot_id"
STOPS = Harm("containers stop at the reboot", "container stops at the reboot")
# The answer leaves the host before sshd ends.
DELAY_S = 2
NOT_DEFAULT = "boot-default"


class Reboot(Change):
    """The reboot into the kernel ``release``; ``names`` are the containers that it stops.

    It only looks whether that kernel boots next. The controller asks for the reboot, as ``order`` says.
    """

    kind = "reboot"
    disruptive = True
    sign = "~"

    def __init__(self, machine, release, names):
        self.machine = machine
        self.release = release
        self.names = names
        self.subject = "into kernel " + release
        self.after = "%s runs, without %s" % (kernel.release(), kernel.MODULE)

    @property
    def order(self):
        """What the controller sends back to have this host rebooted, as plain data."""
        return {"into": self.release, "boot": boot(self.machine), "stops": self.names}

    def apply(self):
        """Raise when another kernel boots next."""
        expect_default(self.machine, self.release)

    def undo(self):
        """Do nothing."""

    def harms(self):
        """Return the containers, which nobody starts again but their own units or policies."""
        return [(STOPS, self.names)]


def up_to_reboot(changes):
    """Return the Changes to make now, and the Reboot that ends them; None where no reboot is planned."""
    for number, change in enumerate(changes):
        if isinstance(change, Reboot):
            return changes[:number + 1], change
    return changes, None


def boot(machine):
    """Return the id of this boot."""
    return machine.text(BOOT_ID).strip()


def default(machine):
    """Return the kernel that boots next, as grubby says; empty where nothing says it."""
    ran = machine.run(["grubby", "--default-kernel"]) if machine.has("grubby") else None
    return ran.out.strip().rpartition("/vmlinuz-")[2] if ran and not ran.rc else ""


def expect_default(machine, release):
    """Raise when a kernel other than ``release`` boots next."""
    found = default(machine)
    if found not in ("", release):
        raise HostError(
            NOT_DEFAULT, "the boot loader of this host starts another kernel next",
            "grubby --set-default /boot/vmlinuz-%s on the host; then: `again`" % release,
            "wanted %s, next is %s" % (release, found))


def begin(machine, order, names, is_allowed):
    """Reboot the host as ``order`` says, in a moment; do nothing if it has been rebooted since.

    ``names`` are the containers that run now. Raise for those that nobody has agreed to stop.
    """
    if "boot" not in order:
        raise Refusal(
            "bad-variable", "docker_engine_reboot says nothing of a reboot",
            "leave docker_engine_verb and docker_engine_reboot to `fab provision`")
    if boot(machine) != order["boot"]:
        return
    more = sorted(set(names) - set(order["stops"]))
    if more and not is_allowed:
        raise Refusal(
            "plan-changed", "containers were started after the plan was made",
            "`fab plan --limit {host}` shows it; then: `again {host}`", ", ".join(more)[:300],
            "what was agreed to is not what would be done now")
    expect_default(machine, order["into"])
    ran = machine.run(["systemd-run", "--on-active=%d" % DELAY_S, "--timer-property=AccuracySec=100ms",
                       "systemctl", "reboot"])
    if ran.rc:
        raise HostError(
            "not-rebooted", "systemd did not accept the reboot",
            "systemctl reboot on the host says more; then: `again`",
            " ".join((ran.err or ran.out).split())[-300:])


def refuse_second(order):
    """Raise for a host that this run has rebooted, and whose kernel still lacks the module."""
    raise HostError(
        "reboot-without-effect", "the host was rebooted, and its kernel still lacks %s" % kernel.MODULE,
        "see on the host which kernel boots (grubby --info=ALL); then: `again`",
        "wanted %s, runs %s" % (order["into"], kernel.release()),
        "a run reboots a host once at most")
