"""What dnf and yum have in common: a private workspace, patience, and the table of a transaction.

The workspace holds repositories, metadata and logs, so that a plan leaves nothing on the host and does not
depend on its caches.
"""

import re
import time
from collections import namedtuple

from ..ground import rpmdb, scratch
from ..ground.errors import HostError
from ..runs import rpmlock
from . import versionlock
from .dnf_errors import classify
from .reposdir import ReposDir

# With the defaults (30 s, 10 retries) a host without a route fails after five minutes. Three parallel
# downloads, each faster than minrate (bytes a second), finish within the transaction's time limit.
NETWORK_OPTIONS = ("--setopt=timeout=10", "--setopt=retries=1", "--setopt=minrate=20k")
# If its lock is taken, the program waits forever.
LOCK_OPTION = "--setopt=exit_on_lock=True"
RESOLVE_TIMEOUT_S = 300
TRANSACTION_TIMEOUT_S = 1800

POLL_S = 1

Row = namedtuple("Row", "action name arch evr")

_ACTIONS = (
    ("Install", "install"), ("Upgrad", "upgrade"), ("Updating", "upgrade"), ("Downgrad", "downgrade"),
    ("Remov", "remove"), ("Reinstall", "reinstall"))
# A step of a running transaction, as yum, dnf 4 and dnf 5 print it; "Installing:" alone is the plan.
_STEP = re.compile(
    r"^(?:\s*|\[ *\d+/\d+\] )(?:Installing|Upgrading|Updating|Downgrading|Reinstalling|Removing|Erasing"
    r"|Obsoleting|Replacing|Cleanup|Running scriptlet)(?: *: +| +)\S", re.MULTILINE)


class Solver(object):
    """A package manager with a private workspace below /var/tmp; ``close`` removes it.

    ``broke_off``: a transaction began and was interrupted. ``patience_s`` is the total time to wait for other
    package managers, None for a plan, which does not wait. ``waited`` lists those it has waited for.
    ``mirrors`` says how each mirror answered. ``repos`` are the repositories of the workspace.
    """

    # The command, which is also the name of its file in /usr/bin.
    program = ""

    def __init__(self, machine, repo_file, repo_text, patience_s=None, bundle=None):
        self.machine = machine
        self.patience_s = patience_s
        self.waited = []
        self.booted = patience_s is None
        self.broke_off = False
        self.mirrors = []
        self.repos = ReposDir(machine, repo_file, repo_text, bundle)
        self.workspace = None

    def resolve(self, verb, specs, options=()):
        """Return the Rows of the transaction ``verb`` on ``specs``, without changing anything."""
        raise NotImplementedError

    def attempt(self, verb, specs, options):
        """Perform a transaction; return the output of one that failed, empty when it succeeded."""
        raise NotImplementedError

    def versions(self, names):
        """Return the versions of each package in the repositories, like {'docker-ce': {'28.5.2'}}."""
        ran = self.listing(names)
        found = parse_listing(ran.out)
        if ran.rc and not found:
            raise classify(ran.out + ran.err)
        return found

    def listing(self, names):
        """Run the command that lists every version of the packages ``names`` in the repositories."""
        raise NotImplementedError

    def download(self, specs, options):
        """Install ``specs`` with ``options`` that only fetch packages; return what the program said."""
        raise NotImplementedError

    def supply(self, rows=None):
        """Fetch the packages of ``rows``, or all of them, if they come from a bundle."""
        if self.repos.bundle:
            self.place()
            self.repos.bundle.fetch(rows)

    def brings(self, row):
        """Return whether a repository has exactly the installed version, so that a removal can be undone."""
        try:
            return bool(self.resolve("reinstall", ["%s-%s.%s" % (row.name, row.evr, row.arch)]))
        except HostError:
            return False

    def perform(self, verb, specs, options=()):
        """Perform the transaction; raise the classified error when it fails.

        One that could not start because another package manager runs is repeated when that has ended.
        """
        self.settle(self.attempt(verb, specs, options), verb, specs, options)

    def settle(self, said, verb, specs, options):
        """Raise for what a failed transaction ``said``, or repeat it, as ``perform`` does."""
        while said:
            error = classify(said)
            if error.kind != rpmlock.HELD or self.broke_off or _STEP.search(said):
                raise error
            named = error.evidence
            self._wait(lambda left_s, named=named: rpmlock.wait_for_named(self.machine, left_s, named), error)
            said = self.attempt(verb, specs, options)

    def close(self):
        """Remove the workspace."""
        if self.workspace:
            self.workspace.close()
            self.workspace = None

    def place(self):
        """Return the path of the workspace; the first call waits for the end of the first boot."""
        if not self.booted:
            self._wait(lambda left_s: rpmlock.wait_for_first_boot(self.machine, left_s))
            self.booted = True
        if self.workspace is None:
            self.workspace = scratch.Folder(self.machine)
            self.repos.fill(self.workspace.path)
        return self.workspace.path

    def take(self, repo_text, authorities):
        """Take packages from the repository of this .repo file, verified by ``authorities`` (PEM) if any."""
        if self.workspace and (repo_text, authorities) != (self.repos.text, self.repos.authorities):
            self.close()
        self.repos.text, self.repos.authorities = repo_text, authorities

    def options(self, *names):
        """Return the options that set the directories ``names`` below the workspace, and the common ones."""
        own = ["--setopt=%s=%s/%s" % (name, self.place(), name) for name in ("reposdir", "cachedir") + names]
        own += versionlock.options(self.machine, self.program, self.place())
        return own + list(NETWORK_OPTIONS) + [LOCK_OPTION]

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


def rows_of(ran):
    """Return the Rows that a program has shown; raise the classified error when it failed."""
    rows = parse_transaction(ran.out)
    if ran.rc and not rows:
        raise classify(ran.out + ran.err)
    return rows


def parse_transaction(text):
    """Return the Rows of a transaction's table (yum 3, dnf 4 and 5, C locale)."""
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


def parse_listing(text):
    """Return the versions of each package in the output of ``list`` (yum 3, dnf 4 and 5, C locale)."""
    found, waiting = {}, ""
    for line in text.splitlines():
        words = (waiting + " " + line).split()
        # A long name is alone on its line; its version is on the next one, which is indented.
        waiting = line if len(words) == 1 and "." in line else ""
        name, _, arch = words[0].rpartition(".") if words else ("", "", "")
        if len(words) == 3 and name and arch:
            found.setdefault(name, set()).add(rpmdb.short(words[1]))
    return found


def _rows(action, words):
    if action is None or len(words) < 2:
        return []
    if words[0] == "replacing":
        # dnf 5 prints this for each old version as well; only another package is a removal.
        name, _, arch = words[1].rpartition(".")
        return [Row("remove", name, arch, words[2])] if len(words) == 3 else []
    return [Row(action, words[0], words[1], words[2])] if len(words) >= 4 else []
