"""Ask dnf what it would do, let it do it, and read what it says.

dnf gets a directory of its own for repositories, metadata and logs, so that a plan leaves
nothing on the host and does not depend on what was cached there.
"""

import os
import shutil
from collections import namedtuple

from . import scratch
from .dnf_errors import classify

# dnf's own defaults (30 s, 10 retries) keep a host without a route busy for five minutes. Three
# downloads at once, each faster than minrate (bytes a second), end within the transaction's time.
NETWORK_OPTIONS = ("--setopt=timeout=10", "--setopt=retries=1", "--setopt=minrate=20k")
# With dnf's lock taken by another it would wait without an end.
LOCK_OPTION = "--setopt=exit_on_lock=True"
RESOLVE_TIMEOUT_S = 300
TRANSACTION_TIMEOUT_S = 1800
REPO_FOLDER = "/etc/yum.repos.d"

Row = namedtuple("Row", "action name arch evr")

_ACTIONS = (("Install", "install"), ("Upgrad", "upgrade"), ("Downgrad", "downgrade"), ("Remov", "remove"))


class Dnf(object):
    """dnf with a private workspace below /var/tmp; ``close`` removes it.

    ``broke_off`` says that a transaction began and did not come to its own end.
    """

    def __init__(self, machine, repo_file, repo_text):
        self.machine = machine
        self.broke_off = False
        self.repo_file = os.path.basename(repo_file)
        self.repo_text = repo_text
        self.workspace = None

    def resolve(self, verb, specs, options=()):
        """Give the Rows of the transaction that ``verb`` on ``specs`` would be; nothing is changed."""
        persist = "--setopt=persistdir=%s/persist" % self._open()
        ran = self._dnf(["--assumeno", persist] + list(options) + [verb] + specs, RESOLVE_TIMEOUT_S)
        rows = parse_transaction(ran.out)
        if ran.rc and not rows:
            raise classify(ran.out + ran.err)
        return rows

    def perform(self, verb, specs, options=()):
        """Let dnf do it; raises what dnf's words mean when it fails."""
        self.broke_off = True
        ran = self._dnf(["-y"] + list(options) + [verb] + specs, TRANSACTION_TIMEOUT_S, outlives=True)
        self.broke_off = ran.rc < 0
        if ran.rc:
            raise classify(ran.out + ran.err)

    def close(self):
        """Remove the workspace."""
        if self.workspace:
            self.workspace.close()
            self.workspace = None

    def _dnf(self, words, timeout_s, outlives=False):
        place = self._open()
        own = ["--setopt=%s=%s/%s" % (name, place, name) for name in ("reposdir", "cachedir", "logdir")]
        ours = list(NETWORK_OPTIONS) + [LOCK_OPTION, "--setopt=install_weak_deps=False"]
        return self.machine.run(["dnf"] + own + ours + words, timeout_s, outlives)

    def _open(self):
        if self.workspace is None:
            self.workspace = scratch.Folder(self.machine)
            self._copy_repositories(os.path.join(self.workspace.path, "reposdir"))
        return self.workspace.path

    def _copy_repositories(self, folder):
        os.mkdir(folder)
        theirs = self.machine.path(REPO_FOLDER)
        for name in os.listdir(theirs) if os.path.isdir(theirs) else ():
            if name.endswith(".repo") and name != self.repo_file:
                shutil.copyfile(os.path.join(theirs, name), os.path.join(folder, name))
        with open(os.path.join(folder, self.repo_file), "w") as stream:
            stream.write(self.repo_text)


def parse_transaction(text):
    """Give the Rows of dnf's transaction table (dnf 4 and 5, C locale)."""
    rows, action, waiting = [], None, ""
    for line in text.splitlines():
        if line.startswith("Transaction Summary"):
            break
        if not line.startswith(" "):
            action, waiting = _action(line), ""
            continue
        words = (waiting + line).split()
        # A name too long for its column stands alone; the rest follows on the next line.
        waiting = line if len(words) == 1 else ""
        rows += _rows(action, words)
    return rows


def _action(line):
    return next((action for start, action in _ACTIONS if line.startswith(start)), None)


def _rows(action, words):
    if action is None or len(words) < 2:
        return []
    if words[0] == "replacing":
        # dnf 5 says so of each old version as well; only another package is a removal.
        name, _, arch = words[1].rpartition(".")
        return [Row("remove", name, arch, words[2])] if len(words) == 3 else []
    return [Row(action, words[0], words[1], words[2])] if len(words) >= 4 else []
