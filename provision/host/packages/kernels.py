"""A newer kernel beside the running one, for the module that the engine needs, and the reboot into it."""

import os

from ..engine import containers, kernel, reboot
from ..ground.errors import HostError
from . import others, versions
from .transaction import Transaction

# By default dnf removes the oldest of more than three kernels.
OPTIONS = ["--best", "--setopt=installonly_limit=0"]


def plan(machine, solver, installed, missing, rebooted=None):
    """Return the Changes that end with the reboot into a newer kernel with the module.

    Raise ``missing``, the error without such a reboot, where no repository has one, and another error after
    the reboot ``rebooted`` of the same run.
    """
    if rebooted:
        reboot.refuse_second(rebooted)
    there = _boots_next(machine)
    if _helps(machine, there):
        return [reboot.Reboot(machine, there, stopped(machine))]
    try:
        build, words, rows = _newer(solver)
    except HostError as error:
        raise missing if error.kind == "version-not-found" else error
    if not rows:
        ready = [each for each in _on_disk(machine) if _helps(machine, each)]
        if ready:
            reboot.expect_default(machine, max(ready, key=versions.order))
        raise missing
    others.refuse_moves(machine, [row for row in rows if row.action in ("downgrade", "remove")], words)

    def make():
        return solver.release("install", words, OPTIONS)

    return [
        Transaction(machine, solver, make, rows, installed),
        reboot.Reboot(machine, build, stopped(machine))]


def stopped(machine):
    """Return the containers that a reboot stops: Docker's by their ids, as its engine does not run."""
    return sorted(set(others.running(machine)) | {each[:12] for each in containers.running(machine)})


def _newer(solver):
    """Return the newest kernel with additional modules: its release, what to ask for, and the Rows of that.

    There are no Rows where it is not newer than the running one.
    """
    running = kernel.release()
    base, (build, plus, flavor) = kernel.base(running), running.partition("+")
    extra = base + kernel.EXTRA
    found = ["%s.%s" % (row.evr.split(":")[-1], row.arch)
             for row in solver.resolve("install", [extra], OPTIONS) if row.name == extra]
    newest = max(found + [build], key=versions.order)
    words = ["%s-%s" % (name, newest) for name in (base, extra)]
    rows = [] if newest == build else [_beside(row) for row in solver.hold("install", words, OPTIONS)]
    return newest + plus + flavor, words, sorted(rows, key=lambda row: row.name)


def _boots_next(machine):
    """Return the kernel that boots next: as the boot loader says, else the newest on the disk."""
    return reboot.default(machine) or max(_on_disk(machine), key=versions.order)


def _on_disk(machine):
    return os.listdir(machine.path(kernel.FOLDER)) + [kernel.release()]


def _helps(machine, release):
    """Return whether this kernel is newer than the running one, and has the module."""
    return versions.order(release) > versions.order(kernel.release()) and kernel.has(machine, release)


def _beside(row):
    """Return the row, as "beside" for what the new kernel needs to run: it stays at an uninstall."""
    stays = kernel.is_part(row.name) and not row.name.endswith(kernel.EXTRA) and row.action == "install"
    return row._replace(action="beside") if stays else row
