"""Run yum 3 (EL 7 and its relatives): resolve a transaction, and perform it.

Its exit codes tell little: 1 for a plan as for an error, 0 for names that were passed over and for a
downgrade that it does not make. So the table says what is planned, and rpm what was done.
"""

from ..ground import rpmdb
from .dnf_errors import classify
from .solver import RESOLVE_TIMEOUT_S, TRANSACTION_TIMEOUT_S, Solver, rows_of

# What dnf alone knows: yum takes no package away for another, and removes no dependency.
_DNF_ONLY = ("--best", "--setopt=best=False", "--allowerasing", "--noautoremove")
# A name that no repository has fails; yum would pass it over.
STRICT = "--setopt=skip_missing_names_on_install=False"
# The host's yum.conf may leave the question out, and assume yes.
NOT_YET = ["--assumeno", "--setopt=assumeyes=False"]


class Yum(Solver):
    """yum 3. It cannot be kept waiting at its question for long: it holds its lock there."""

    program = "yum"

    def resolve(self, verb, specs, options=()):
        """Return the Rows of the transaction ``verb`` on ``specs``, without changing anything."""
        self.machine.tell("resolves packages")
        rows = self._rows(verb, specs, options)
        if verb == "install" and self._unmet(specs, rows):
            # It installs nothing older than what is there: that is another verb, which passes over the rest.
            rows += self._rows("downgrade", specs, options)
            lacking = self._unmet(specs, rows)
            if lacking:
                raise classify("No package %s available." % lacking[0])
        return rows

    def hold(self, verb, specs, options=()):
        """Return the Rows as ``resolve`` does."""
        return self.resolve(verb, specs, options)

    def release(self, verb, specs, options=()):
        """Perform the transaction."""
        self.perform(verb, specs, options)

    def attempt(self, verb, specs, options):
        """Perform a transaction; return the output of one that failed, empty when rpm has what was wanted."""
        if verb != "remove":
            self.supply()
        ran = self._run(verb, specs, options)
        if verb == "install" and ran.rc == 0 and self._unmet(specs, ()):
            ran = self._run("downgrade", specs, options)
        self.broke_off = ran.rc < 0
        return "" if self._is_done(verb, specs, ran) else ran.out + ran.err or "exit code %d" % ran.rc

    def listing(self, names):
        """Run the command that lists every version of the packages ``names`` in the repositories."""
        words = ["--setopt=persistdir=%s/persist" % self.place()]
        argv = self._argv(words, "list", ["available", "--showduplicates"] + list(names), ())
        return self.machine.run(argv, RESOLVE_TIMEOUT_S)

    def download(self, specs, options):
        """Install ``specs`` with ``options`` that only fetch packages; return what yum said."""
        self.machine.tell("fetches packages")
        return self.machine.run(self._argv(["-y"], "install", specs, options), TRANSACTION_TIMEOUT_S)

    def _is_done(self, verb, specs, ran):
        if verb == "remove":
            names = {name for name, _ in rpmdb.everything(self.machine)}
            return not names & set(specs)
        return not self._unmet(specs, ()) and (verb != "reinstall" or ran.rc == 0)

    def _run(self, verb, specs, options):
        argv = self._argv(["-y"], verb, specs, options)
        self.broke_off = True
        return self.machine.run(argv, TRANSACTION_TIMEOUT_S, outlives=True)

    def _rows(self, verb, specs, options):
        words = NOT_YET + ["--setopt=persistdir=%s/persist" % self.place()]
        return rows_of(self.machine.run(self._argv(words, verb, specs, options), RESOLVE_TIMEOUT_S))

    def _argv(self, words, verb, specs, options):
        """Return the command; a plan that was not performed leaves a file in $TMPDIR."""
        kept = [option for option in options if option not in _DNF_ONLY]
        place = "TMPDIR=" + self.place()
        return ["env", place, "yum"] + self.options() + [STRICT] + words + kept + [verb] + specs

    def _unmet(self, specs, rows):
        """Return those of ``specs`` that are neither in ``rows`` nor installed."""
        coming = [row for row in rows if row.action != "remove"]
        there = rpmdb.everything(self.machine) | {(row.name, "%s.%s" % (row.evr, row.arch)) for row in coming}
        known = {word for name, version in there for word in _spellings(name, version)}
        return [spec for spec in specs if spec not in known]


def _spellings(name, version):
    """Return what yum accepts for a package, from 'docker-ce' to 'docker-ce-3:26.1.4-1.el7.x86_64'.

    ``version`` is like '3:26.1.4-1.el7.x86_64'; without an epoch it is 0.
    """
    evr, _, arch = version.rpartition(".")
    epoch, _, short = evr.rpartition(":")
    forms = {short.split("-")[0], short, "%s:%s" % (epoch or "0", short)}
    forms |= {"%s.%s" % (form, arch) for form in forms}
    return {name} | {"%s-%s" % (name, form) for form in forms}
