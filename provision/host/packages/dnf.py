"""Run dnf: resolve a transaction, perform it, and parse the output.

dnf gets a private directory for repositories, metadata and logs, so that a plan leaves nothing on the host
and does not depend on its caches.
"""

import os
import re
import shutil
import time
from collections import namedtuple

from ..ground import rpmdb, scratch
from ..ground.errors import HostError
from ..runs import rpmlock
from .dnf_errors import classify

# With dnf's defaults (30 s, 10 retries) a host without a route fails after five minutes. Three parallel
# downloads, each faster than minrate (bytes a second), finish within the transaction's time limit.
NETWORK_OPTIONS = ("--setopt=timeout=10", "--setopt=retries=1", "--setopt=minrate=20k")
# If its lock is taken, dnf waits forever.
LOCK_OPTION = "--setopt=exit_on_lock=True"
RESOLVE_TIMEOUT_S = 300
TRANSACTION_TIMEOUT_S = 1800
REPO_FOLDER = "/etc/yum.repos.d"

POLL_S = 1
QUESTION = "Is this ok [y/N]: "
# To this question, and to those about the keys of other repositories, as -y does.
YES = b"y\n" * 32
# Where the host's dnf.conf answers the question, ours must still be asked.
ASK_OPTIONS = ["--setopt=assumeyes=False", "--setopt=defaultyes=False"]

Row = namedtuple("Row", "action name arch evr")

_ACTIONS = (
    ("Install", "install"), ("Upgrad", "upgrade"), ("Downgrad", "downgrade"), ("Remov", "remove"),
    ("Reinstall", "reinstall"))
# A step of a running transaction, as dnf 4 and dnf 5 print it; "Installing:" alone is the plan.
_STEP = re.compile(
    r"^(?:\s*|\[ *\d+/\d+\] )(?:Installing|Upgrading|Downgrading|Reinstalling|Removing|Erasing|Obsoleting"
    r"|Replacing|Cleanup|Running scriptlet)(?: *: +| +)\S", re.MULTILINE)


class Dnf(object):
    """dnf with a private workspace below /var/tmp; ``close`` removes it.

    ``broke_off``: a transaction began and was interrupted. ``patience_s`` is the total time to wait for other
    package managers, None for a plan, which does not wait. ``waited`` lists those it has waited for.
    ``held``: a dnf that waits at its question, and the packages that were installed when it began.
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
        self.held = None

    def resolve(self, verb, specs, options=()):
        """Return the Rows of the transaction ``verb`` on ``specs``, without changing anything."""
        self.machine.tell("resolves packages")
        persist = "--setopt=persistdir=%s/persist" % self._open()
        words = ["--assumeno", persist] + list(options) + [verb] + specs
        return _rows_of(self._dnf(words, RESOLVE_TIMEOUT_S))

    def hold(self, verb, specs, options=()):
        """Return the Rows as ``resolve`` does; a run that applies keeps dnf waiting, for ``release``."""
        if self.patience_s is None:
            return self.resolve(verb, specs, options)
        self._drop()
        self.machine.tell("resolves packages")
        argv = self._argv(ASK_OPTIONS + list(options) + [verb] + specs)
        found = rpmdb.everything(self.machine)
        asking = self.machine.ask(argv)
        ran = asking.until(QUESTION, RESOLVE_TIMEOUT_S)
        rows = _rows_of(ran)
        if ran.rc is None:
            self.held = (asking, found)
        if ran.rc is None and not rows:
            # The same words ask about the key of a repository's metadata. A plan says what comes of it.
            self._drop()
            return self.resolve(verb, specs, options)
        return rows

    def release(self, verb, specs, options=()):
        """Let the held dnf perform what it has shown.

        Without one that waits, or when packages have changed since it looked, perform the transaction anew.
        """
        asking, found = self.held or (None, None)
        if asking is None or not asking.is_running() or rpmdb.everything(self.machine) != found:
            self._drop()
            self.perform(verb, specs, options)
            return
        self.held, self.broke_off = None, True
        self._settle(self._failure(asking.answer(YES, TRANSACTION_TIMEOUT_S)), verb, specs, options)

    def _drop(self):
        if self.held:
            self.held[0].end()
            self.held = None

    def brings(self, row):
        """Return whether a repository has exactly the installed version, so that a removal can be undone."""
        try:
            return bool(self.resolve("reinstall", ["%s-%s.%s" % (row.name, row.evr, row.arch)]))
        except HostError:
            return False

    def perform(self, verb, specs, options=()):
        """Perform the transaction; raise the classified error when dnf fails.

        One that could not start because another package manager runs is repeated when that has ended.
        """
        self._settle(self._perform(verb, specs, options), verb, specs, options)

    def _settle(self, said, verb, specs, options):
        while said:
            error = classify(said)
            if error.kind != rpmlock.HELD or self.broke_off or _STEP.search(said):
                raise error
            named = error.evidence
            self._wait(lambda left_s, named=named: rpmlock.wait_for_named(self.machine, left_s, named), error)
            said = self._perform(verb, specs, options)

    def _perform(self, verb, specs, options):
        self.broke_off = True
        return self._failure(
            self._dnf(["-y"] + list(options) + [verb] + specs, TRANSACTION_TIMEOUT_S, outlives=True))

    def _failure(self, ran):
        """Return the output of a failed dnf; empty when it succeeded."""
        self.broke_off = ran.rc < 0
        return ran.out + ran.err or "exit code %d" % ran.rc if ran.rc else ""

    def _wait(self, work, error=None):
        began, left_s = time.time(), self.patience_s or 0
        who = work(left_s)
        if error and not who:
            # The other process has just ended, or is unknown.
            if left_s < POLL_S:
                raise error
            time.sleep(POLL_S)
        self.waited += [who] if who else []
        self.patience_s = max(0, left_s - (time.time() - began))

    def close(self):
        """End a dnf that waits, and remove the workspace."""
        self._drop()
        if self.workspace:
            self.workspace.close()
            self.workspace = None

    def _dnf(self, words, timeout_s, outlives=False):
        return self.machine.run(self._argv(words), timeout_s, outlives)

    def _argv(self, words):
        """Return the command; the first one waits for the end of the first boot."""
        if not self.booted:
            self._wait(lambda left_s: rpmlock.wait_for_first_boot(self.machine, left_s))
            self.booted = True
        place = self._open()
        own = ["--setopt=%s=%s/%s" % (name, place, name) for name in ("reposdir", "cachedir", "logdir")]
        ours = list(NETWORK_OPTIONS) + [LOCK_OPTION, "--setopt=install_weak_deps=False"]
        return ["dnf"] + own + ours + words

    def _open(self):
        if self.workspace is None:
            self.workspace = scratch.Folder(self.machine)
            folder, theirs = os.path.join(self.workspace.path, "reposdir"), self.machine.path(REPO_FOLDER)
            os.mkdir(folder)
            for name in os.listdir(theirs) if os.path.isdir(theirs) else ():
                if name.endswith(".repo") and name != self.repo_file:
                    shutil.copyfile(os.path.join(theirs, name), os.path.join(folder, name))
            with open(os.path.join(folder, self.repo_file), "w") as stream:
                stream.write(self.repo_text)
        return self.workspace.path


def _rows_of(ran):
    rows = parse_transaction(ran.out)
    if ran.rc and not rows:
        raise classify(ran.out + ran.err)
    return rows


def parse_transaction(text):
    """Return the Rows of dnf's transaction table (dnf 4 and 5, C locale)."""
    rows, action, waiting = [], None, ""
    for line in text.splitlines():
        if line.startswith("Transaction Summary"):
            break
        if not line.startswith(" "):
            action, waiting = next((each for start, each in _ACTIONS if line.startswith(start)), None), ""
            continue
        words = (waiting + line).split()
        # A name too long for its column is alone on its line; the rest is on the next one.
        waiting = line if len(words) == 1 else ""
        rows += _rows(action, words)
    return rows


def _rows(action, words):
    if action is None or len(words) < 2:
        return []
    if words[0] == "replacing":
        # dnf 5 prints this for each old version as well; only another package is a removal.
        name, _, arch = words[1].rpartition(".")
        return [Row("remove", name, arch, words[2])] if len(words) == 3 else []
    return [Row(action, words[0], words[1], words[2])] if len(words) >= 4 else []
