"""Ask dnf what it would do, let it do it, and read what it says.

dnf gets a directory of its own for repositories, metadata and logs, so that a plan leaves
nothing on the host and does not depend on what was cached there.
"""

import os
import re
import shutil
import time
from collections import namedtuple

from ..ground import scratch
from ..ground.errors import HostError
from ..runs import rpmlock
from . import firstboot
from .dnf_errors import classify

# dnf's own defaults (30 s, 10 retries) keep a host without a route busy for five minutes. Three
# downloads at once, each faster than minrate (bytes a second), end within the transaction's time.
NETWORK_OPTIONS = ("--setopt=timeout=10", "--setopt=retries=1", "--setopt=minrate=20k")
# With dnf's lock taken by another it would wait without an end.
LOCK_OPTION = "--setopt=exit_on_lock=True"
RESOLVE_TIMEOUT_S = 300
TRANSACTION_TIMEOUT_S = 1800
REPO_FOLDER = "/etc/yum.repos.d"

POLL_S = 1

Row = namedtuple("Row", "action name arch evr")

_ACTIONS = (
    ("Install", "install"), ("Upgrad", "upgrade"), ("Downgrad", "downgrade"), ("Remov", "remove"),
    ("Reinstall", "reinstall"))
# A step of a transaction that runs, in the words of dnf 4 and of dnf 5; "Installing:" alone is the plan.
_STEP = re.compile(
    r"^(?:\s*|\[ *\d+/\d+\] )(?:Installing|Upgrading|Downgrading|Reinstalling|Removing|Erasing|Obsoleting"
    r"|Replacing|Cleanup|Running scriptlet)(?: *: +| +)\S", re.MULTILINE)


class Dnf(object):
    """dnf with a private workspace below /var/tmp; ``close`` removes it.

    ``broke_off`` says that a transaction began and did not come to its own end. ``patience_s`` is how long
    it waits in all for others that change packages, None for a plan, which waits for nobody; ``waited``
    says for whom it did.
    """

    def __init__(self, machine, repo_file, repo_text, patience_s=None):
        self.machine = machine
        self.patience_s = patience_s
        self.waited = []
        self.booted = patience_s is None
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

    def brings(self, row):
        """Whether a repository has exactly what is installed: what is removed can then come back."""
        try:
            return bool(self.resolve("reinstall", ["%s-%s.%s" % (row.name, row.evr, row.arch)]))
        except HostError:
            return False

    def perform(self, verb, specs, options=()):
        """Let dnf do it; raises what dnf's words mean when it fails.

        One that could not begin, since another package manager is at work, is repeated when that has ended.
        """
        said = self._perform(verb, specs, options)
        while said:
            error = classify(said)
            if error.kind != rpmlock.HELD or self.broke_off or _STEP.search(said):
                raise error
            named = error.evidence
            self._wait(lambda left_s, named=named: rpmlock.wait_for_named(self.machine, left_s, named), error)
            said = self._perform(verb, specs, options)

    def _perform(self, verb, specs, options):
        """Return what a dnf that failed has said."""
        self.broke_off = True
        ran = self._dnf(["-y"] + list(options) + [verb] + specs, TRANSACTION_TIMEOUT_S, outlives=True)
        self.broke_off = ran.rc < 0
        return ran.out + ran.err or "exit code %d" % ran.rc if ran.rc else ""

    def _wait(self, work, error=None):
        began, left_s = time.time(), self.patience_s or 0
        who = work(left_s)
        if error and not who:
            # It has just ended, or it cannot be named.
            if left_s < POLL_S:
                raise error
            time.sleep(POLL_S)
        self.waited += [who] if who else []
        self.patience_s = max(0, left_s - (time.time() - began))

    def close(self):
        """Remove the workspace."""
        if self.workspace:
            self.workspace.close()
            self.workspace = None

    def _dnf(self, words, timeout_s, outlives=False):
        if not self.booted:
            self._wait(lambda left_s: firstboot.wait(self.machine, left_s))
            self.booted = True
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
