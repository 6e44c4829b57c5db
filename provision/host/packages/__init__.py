"""The engine's packages: what is installed, and what dnf would change."""

from ..engine import kernel
from ..ground import rpmdb
from ..ground.channels import CONTAINERDS, DOCKER, RUNNING
from ..ground.errors import HostError
from . import dnf_errors, exchange, locked, others, shadow, versions
from .dnf import Dnf
from .solver import Row
from .transaction import (
    ERASE_OPTION,
    INSTALL_OPTIONS,
    REMOVE_OPTIONS,
    Transaction,
    bring,
    compare,
    exchanges,
    specs,
)
from .yum import Yum

SOLVERS = {"dnf": Dnf, "yum": Yum}

LATEST = versions.LATEST
# An installed engine is upgraded only on request.
BEST, STAY = "--best", "--setopt=best=False"


class Installed(object):
    """Our installed packages and rpm's trusted keys, in one query: it is most of the cost of a no-op run.

    ``channel`` is where the engine is to come from. ``stale`` are the packages of the other channel that go:
    see exchange.py. ``brought`` are those that our runs installed.
    """

    def __init__(self, machine=None, channel=DOCKER, brought=()):
        known = channel.packages + tuple(name for name in channel.former if name not in channel.packages)
        words = ["rpm", "-q", "--qf", rpmdb.FORMAT] + list(known) + ["gpg-pubkey"]
        rows = rpmdb.pairs(machine.run(words).out) if machine else []
        self.channel = channel
        self.packages = dict(row for row in rows if row[0] in known)
        self.keys = [rpmdb.short(row[1]) for row in rows if row[0] == "gpg-pubkey"]
        self.brought = brought
        self.stale = exchange.stale(channel, self.packages, brought)

    def version(self, name):
        """Return the short version of a package; empty when it is not installed."""
        return rpmdb.short(self.packages.get(name, ""))


def is_satisfied(installed, desired, lock=None):
    """Return whether the repository need not be asked; 'latest' is any version unless upgrading."""
    ours = installed.channel.packages
    if installed.stale:
        return False
    if lock:
        return locked.is_satisfied(installed, lock, ours)
    if desired["upgrade"] or any(name not in installed.packages for name in ours):
        return False
    return not _outside(installed, desired)


def plan(machine, solver, installed, desired, modules=(), lock=None):
    """Return the Change that installs the wanted packages, and ``modules``, those of the running kernel.

    ``lock`` has exact packages by name, in place of wanted versions. Raise when installed packages would
    change or be removed without being asked for.
    """
    lock, channel = lock or {}, installed.channel
    ours, is_new = channel.packages, channel.packages[0] not in installed.packages
    wanted = locked.specs(machine, solver, installed, lock, ours) if lock else _specs(
        solver, installed, desired)
    asked = wanted + list(modules)
    if is_new:
        others.refuse_unowned(machine, ours[0])
    exchange.refuse_stuck(machine, solver, installed)
    moves = bool(asked) and (
        locked.moves(installed, lock, ours) if lock else _moves(installed, desired))
    best = BEST if moves or is_new else STAY
    rows = _ordered(_found(machine, solver, asked, best, modules, installed), channel) if asked else []
    if lock:
        locked.expect_complete(rows, lock)
    if not moves:
        others.refuse_moves(machine, [row for row in rows if not _may_move(row, installed)], asked)
    gone = [row for row in rows if _of_others(row, installed)]
    if gone:
        others.refuse_removals(machine, gone, desired.get("may_remove") or ())
    # Ours and locked ones by exact version, others as dnf resolves them.
    exactly = [row for row in rows if row.action != "remove" and (row.name in ours or row.name in lock)]
    exact = ["%s-%s.%s" % (row.name, row.evr, row.arch) for row in exactly] + list(modules)
    options = [ERASE_OPTION] if gone else []
    leaving = exchange.leaving(machine, solver, installed, rows)
    rows = [row for row in rows if row.action != "remove" or row in gone] + leaving
    lost = exchange.lost(machine, solver, installed, desired, gone + leaving)
    moved = [row for row in rows if row.action in ("upgrade", "downgrade") and row.name not in ours]
    disturbing = moved if moved and others.running(machine) else ()

    def make():
        if leaving and exact:
            shadow.replace(machine, solver, exact, options, [row.name for row in leaving], step.ready)
        elif leaving:
            solver.perform("remove", [row.name for row in leaving], REMOVE_OPTIONS)
        else:
            solver.release("install", exact, options)

    if not rows:
        return []
    step = Transaction(machine, solver, make, rows, installed, gone, lost, disturbing)
    step.former = exchange.former(machine, installed, desired)
    return [step]


def plan_absent(machine, solver, installed, owned):
    """Return the Change that removes what our runs installed (``owned``), and no other package."""
    ours = sorted(set(owned) & set(installed.packages))
    if not ours:
        return []
    every = sorted({name for name, _ in rpmdb.everything(machine)} & set(owned))
    rows = solver.resolve("remove", every, REMOVE_OPTIONS)
    if not {row.name for row in rows} <= set(every):
        # Another package needs a dependency that was installed with ours: keep it.
        rows = solver.resolve("remove", ours, REMOVE_OPTIONS)
    others.refuse_dependents(machine, [row for row in rows if row.name not in owned])
    rows = _ordered(rows, installed.channel)

    def make():
        return solver.perform("remove", [row.name for row in rows], REMOVE_OPTIONS)

    return [Transaction(machine, solver, make, rows, installed)] if rows else []


def plan_back(machine, solver, installed, goal, half):
    """Return the Change that restores the versions in ``goal``; raise when no repository has them."""
    found = rpmdb.everything(machine)
    missing, surplus, double, there = compare(found, goal)
    others_go = [name for name, _ in surplus] if exchanges(missing, surplus) and not half else []
    options = shadow.options(machine, solver, others_go) or INSTALL_OPTIONS
    coming = [] if half else _resolved(solver, "install", specs(missing), options)
    going = [] if half else _resolved(solver, "remove", sorted({name for name, _ in surplus}), REMOVE_OPTIONS)
    gone, dependents = (
        [row for row in rows if row.action == "remove" and row.name not in goal] for rows in (coming, going))
    if not missing:
        # A dependent may need just what is restored: dnf resolves the two separately.
        others.refuse_dependents(machine, dependents)
    known = {row.name for row in coming}
    rows = coming + [row for row in going if row.name not in known]
    if half:
        rows = [_row("install", pair) for pair in missing] + [_row("reinstall", pair) for pair in there]
        rows += [_row("remove", pair) for pair in surplus + double]
    lost = [row.name for row in gone if not solver.brings(row)]
    step = Transaction(
        machine, solver, lambda: bring(machine, solver, goal, half, step.ready),
        _ordered(rows, installed.channel), installed, gone, lost)
    return [step] if rows else []


def every(solver, desired):
    """Return what to ask for on a host that has none of Docker's packages."""
    return _specs(solver, Installed(), desired)


def engine(solver, installed, desired, lock):
    """Return the version of the engine that would run; empty where no repository says it."""
    name = installed.channel.packages[0]
    there, wanted = installed.version(name), desired["version"]
    if lock:
        return rpmdb.short(lock[name][0])
    if there and not _moves(installed, desired):
        return there
    found = solver.versions([name]).get(name, ())
    return max([""] + [each for each in found if versions.matches(each, wanted)], key=versions.order)


def versions_after(installed, changes):
    """Return the version of each package of the channel once ``changes`` are made, by name."""
    ours = installed.channel.packages
    rows = [row for change in changes for row in getattr(change, "rows", ())
            if row.name in ours and row.action != "remove"]
    there = {name: installed.packages[name] for name in ours if name in installed.packages}
    moved = {row.name: "%s%s.%s" % ("" if ":" in row.evr else "0:", row.evr, row.arch) for row in rows}
    return dict(there, **moved)


def restart_engine(changes):
    """Return whether these Changes replace packages of a running engine."""
    rows = [row for change in changes for row in getattr(change, "rows", ()) if row.action != "install"]
    return any(row.name in RUNNING for row in rows)


def _resolved(solver, verb, words, options):
    return solver.resolve(verb, words, options) if words else []


def _row(action, pair):
    name, (evr, _, arch) = pair[0], pair[1].rpartition(".")
    return Row(action, name, arch, evr)


def _found(machine, solver, asked, best, modules, installed):
    """Return the rows for what is ``asked``; with removals only where there is no other way."""
    channel = installed.channel
    # One engine takes the place of the other in more than one transaction.
    solve = solver.resolve if installed.stale else solver.hold
    best = [best] + shadow.options(machine, solver, installed.stale)
    try:
        rows = solve("install", asked, best)
    except HostError as error:
        if error.kind == "version-not-found" and any(name in error.evidence for name in modules):
            raise kernel.missing(error.evidence)
        if error.kind == "version-not-found" and channel.is_own and channel.packages[0] in asked:
            raise exchange.not_served(channel, error.evidence)
        if error.kind not in (dnf_errors.CONFLICT, dnf_errors.UNKNOWN):
            raise
        rows = _erasing(solve, asked, best)
        if not rows:
            raise error
    return [_beside(machine, row) for row in rows]


def _erasing(solve, asked, best):
    try:
        return solve("install", asked, best + [ERASE_OPTION])
    except HostError:
        return []  # The first error says what conflicts.


def _beside(machine, row):
    """Return the row, as "beside" for a kernel's package that is installed beside those of other kernels."""
    is_kernels = row.action == "install" and row.name.startswith("kernel")
    if is_kernels and machine.run(["rpm", "-q", row.name]).rc == 0:
        return row._replace(action="beside")
    return row


def _of_others(row, installed):
    ours = row.name in installed.channel.packages or exchange.may_go(row.name, installed)
    return row.action == "remove" and not ours


def _may_move(row, installed):
    """Return whether it may change unasked: removals are judged elsewhere, a new engine may need it."""
    ours = installed.channel.packages
    return (row.action == "remove" and row.name not in ours) or (
        row.action == "upgrade" and row.name not in ours and ours[0] not in installed.packages)


def _moves(installed, desired):
    """Return whether our installed packages were asked to change."""
    return desired["upgrade"] or bool(_outside(installed, desired))


def _outside(installed, desired):
    """Return our installed packages whose version is not a wanted one."""
    channel = installed.channel
    there = [name for name in channel.packages if name in installed.packages]
    return {name for name in there
            if not versions.matches(installed.version(name), _wanted(name, desired, channel))}


def _wanted(name, desired, channel):
    if name in CONTAINERDS:
        return desired.get("containerd_version") or LATEST
    return desired["version"] if name in channel.engine else LATEST


def _specs(solver, installed, desired):
    channel = installed.channel
    outside, there = _outside(installed, desired), installed.version(channel.packages[0])
    if desired["upgrade"] or outside & set(channel.engine):
        names, engine = channel.packages, ""
    else:
        # A missing client is installed in the engine's version, and another containerd never moves it.
        names = [name for name in channel.packages
                 if name not in installed.packages or (outside and name in RUNNING)]
        engine = there
    if not names:
        return []
    chosen = dict.fromkeys(
        channel.engine, engine or versions.newest(solver, channel.engine, desired["version"], there))
    if channel.containerd in names:
        chosen[channel.containerd] = versions.newest(
            solver, [channel.containerd], _wanted(channel.containerd, desired, channel),
            installed.version(channel.containerd))
    return [_spec(name, chosen.get(name, LATEST)) for name in names]


def _spec(name, version):
    return name if version == LATEST else "%s-%s" % (name, version)


def _ordered(rows, channel):
    ours = channel.packages
    return sorted(rows, key=lambda row: (
        (ours.index(row.name), "") if row.name in ours else (len(ours), row.name)))
