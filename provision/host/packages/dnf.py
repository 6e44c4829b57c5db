"""Run dnf: resolve a transaction, perform it, or do both by one dnf that waits at its question."""

import os

from ..ground import rpmdb
from .solver import RESOLVE_TIMEOUT_S, TRANSACTION_TIMEOUT_S, Solver, rows_of

QUESTION = "Is this ok [y/N]: "
# To this question, and to those about the keys of other repositories, as -y does.
YES = b"y\n" * 32
# Where the host's dnf.conf answers the question, ours must still be asked.
ASK_OPTIONS = ["--setopt=assumeyes=False", "--setopt=defaultyes=False"]


class Dnf(Solver):
    """dnf 4 or 5. ``held``: one that waits at its question, what was installed then, and its Rows."""

    program = "dnf"
    held = None

    def resolve(self, verb, specs, options=()):
        """Return the Rows of the transaction ``verb`` on ``specs``, without changing anything."""
        self.machine.tell("resolves packages")
        persist = "--setopt=persistdir=%s/persist" % self.place()
        argv = self._argv(["--assumeno", persist] + list(options) + [verb] + specs)
        return rows_of(self.machine.run(argv, RESOLVE_TIMEOUT_S))

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
        rows = rows_of(ran)
        if ran.rc is None:
            self.held = (asking, found, rows)
        if ran.rc is None and not rows:
            # The same words ask about the key of a repository's metadata. A plan says what comes of it.
            self._drop()
            return self.resolve(verb, specs, options)
        return rows

    def release(self, verb, specs, options=()):
        """Let the held dnf perform what it has shown.

        Without one that waits, or when packages have changed since it looked, perform the transaction anew.
        """
        asking, found, rows = self.held or (None, None, None)
        self.supply(rows)
        if asking is None or not asking.is_running() or rpmdb.everything(self.machine) != found:
            self._drop()
            self.perform(verb, specs, options)
            return
        self.held, self.broke_off = None, True
        self.settle(self._failure(asking.answer(YES, TRANSACTION_TIMEOUT_S)), verb, specs, options)

    def attempt(self, verb, specs, options):
        """Perform a transaction; return the output of one that failed, empty when it succeeded."""
        if verb != "remove":
            self.supply()
        argv = self._argv(["-y"] + list(options) + [verb] + specs)
        self.broke_off = True
        return self._failure(self.machine.run(argv, TRANSACTION_TIMEOUT_S, outlives=True))

    def listing(self, names):
        """Run the command that lists every version of the packages ``names`` in the repositories."""
        persist = "--setopt=persistdir=%s/persist" % self.place()
        argv = self._argv([persist, "list", "--available", "--showduplicates"] + list(names))
        return self.machine.run(argv, RESOLVE_TIMEOUT_S)

    def download(self, specs, options):
        """Install ``specs`` with ``options`` that only fetch packages; return what dnf said."""
        self.machine.tell("fetches packages")
        # dnf does not make it when it works in another root.
        os.mkdir(os.path.join(self.place(), "logdir"))
        return self.machine.run(self._argv(["-y"] + options + ["install"] + specs), TRANSACTION_TIMEOUT_S)

    def close(self):
        """End a dnf that waits, and remove the workspace."""
        self._drop()
        Solver.close(self)

    def _drop(self):
        if self.held:
            self.held[0].end()
            self.held = None

    def _failure(self, ran):
        self.broke_off = ran.rc < 0
        return ran.out + ran.err or "exit code %d" % ran.rc if ran.rc else ""

    def _argv(self, words):
        return ["dnf"] + self.options("logdir") + ["--setopt=install_weak_deps=False"] + words
