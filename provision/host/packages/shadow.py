"""Resolve and download as if some packages were not there: with a copy of rpm's database that lacks them.

A package that obsoletes or provides another one keeps dnf from installing that one, whatever it may erase.
"""

import os
import shutil

from . import dnf_errors

# The packages stay in the workspace from one command to the next.
KEEP_OPTION = "--setopt=keepcache=True"
# A removal needs no repository, and removes only what it names.
REMOVE_OPTIONS = ["--disablerepo=*", "--noautoremove"]
_VARS_OPTION = "--setopt=varsdir=/etc/dnf/vars,/etc/yum/vars"
# What a running program has of the database, and no copy needs.
_PASSING = ("__db.*", ".*.lock")


def options(machine, solver, names):
    """Return the options with which ``solver`` does not see the packages ``names``; none without names."""
    if not names:
        return []
    root, logs = (os.path.join(solver.place(), name) for name in ("root", "logdir"))
    where = machine.run(["rpm", "--eval", "%{_dbpath}"]).out.strip()
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(
        os.path.realpath(machine.path(where)), root + where, ignore=shutil.ignore_patterns(*_PASSING))
    ran = machine.run(
        ["rpm", "--dbpath", root + where, "-e", "--justdb", "--nodeps", "--noscripts", "--notriggers"]
        + sorted(names))
    if ran.rc:
        raise dnf_errors.classify(ran.out + ran.err)
    if not os.path.isdir(logs):
        # dnf does not make it when it works in another root.
        os.mkdir(logs)
    return ["--installroot=" + root, _VARS_OPTION]


def replace(machine, solver, wanted, more, names, ready):
    """Install ``wanted`` with the options ``more`` in the place of ``names``.

    Those go once all is downloaded and ``ready`` has been called. They may have the same files, which dnf
    does not know when it resolves, and rpm refuses.
    """
    hidden = options(machine, solver, names)
    solver.perform("install", wanted, hidden + [KEEP_OPTION, "--downloadonly"])
    ready()
    solver.perform("remove", names, REMOVE_OPTIONS + [KEEP_OPTION])
    solver.perform("install", wanted, more + [KEEP_OPTION])
