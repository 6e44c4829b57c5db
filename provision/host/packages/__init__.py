"""The engine's packages: what is installed, and what dnf would change."""

from ..engine import kernel
from ..ground import rpmdb
from ..ground.errors import HostError
from . import dnf_errors, locked, others, versions
from .dnf import Dnf
from .solver import Row
from .transaction import ERASE_OPTION, INSTALL_OPTIONS, REMOVE_OPTIONS, Transaction, bring, compare, specs
from .yum import Yum

SOLVERS = {"dnf": Dnf, "yum": Yum}

ENGINE = ("docker-ce", "docker-ce-cli")
PACKAGES = ENGINE + ("containerd.io", "docker-buildx-plugin", "docker-compose-plugin")
# The packages of a running engine.
RUNNING = PACKAGES[:3]
CONTAINERD = "containerd.io"
LATEST = versions.LATEST
# An installed engine is upgraded only on request.
BEST, STAY = "--best", "--setopt=best=False"


class Installed(object):
    """Our installed packages and rpm's trusted keys, in one query: it is most of the cost of a no-op run."""

    def __init__(self, machine=None):
        words = ["rpm", "-q", "--qf", rpmdb.FORMAT] + list(PACKAGES) + ["gpg-pubkey"]
        rows = rpmdb.pairs(machine.run(words).out) if machine else []
        self.packages = dict(row for row in rows if row[0] in PACKAGES)
        self.keys = [rpmdb.short(row[1]) for row in rows if row[0] == "gpg-pubkey"]

    def version(self, name):
        """Return the short version of a package; empty when it is not installed."""
        return rpmdb.short(self.packages.get(name, ""))


def is_satisfied(installed, desired, lock=None):
    """Return whether the repository need not be asked; 'latest' is any version unless upgrading."""
    if lock:
        return locked.is_satisfied(installed, lock, PACKAGES)
    if desired["upgrade"] or any(name not in installed.packages for name in PACKAGES):
        return False
    return not _outside(installed, desired)


def plan(machine, solver, installed, desired, modules=(), lock=None):
    """Return the Change that installs the wanted packages, and ``modules``, those of the running kernel.

    ``lock`` has exact packages by name, in place of wanted versions. Raise when installed packages would
    change or be removed without being asked for.
    """
    lock = lock or {}
    wanted = locked.specs(machine, solver, installed, lock, PACKAGES) if lock else _specs(
        solver, installed, desired)
    asked = wanted + list(modules)
    if not asked:
        return []
    is_new = ENGINE[0] not in installed.packages
    moves = locked.moves(installed, lock, PACKAGES) if lock else _moves(installed, desired)
    if is_new:
        others.refuse_unowned(machine, ENGINE[0])
    rows = _ordered(_found(machine, solver, asked, BEST if moves or is_new else STAY, modules))
    if lock:
        locked.expect_complete(rows, lock)
    if not moves:
        others.refuse_moves(machine, [row for row in rows if not _may_move(row, installed)], asked)
    gone = [row for row in rows if _of_others(row)]
    if gone:
        others.refuse_removals(machine, gone, desired.get("may_remove") or ())
    # Ours and locked ones by exact version, others as dnf resolves them.
    ours = [row for row in rows if row.action != "remove" and (row.name in PACKAGES or row.name in lock)]
    exact = ["%s-%s.%s" % (row.name, row.evr, row.arch) for row in ours] + list(modules)
    options = [ERASE_OPTION] if gone else []
    lost = [row.name for row in gone if not solver.brings(row)]
    moved = [row for row in rows if row.action in ("upgrade", "downgrade") and row.name not in PACKAGES]
    disturbing = moved if moved and others.running(machine) else ()

    def make():
        return solver.release("install", exact, options)

    return [Transaction(machine, solver, make, rows, installed, gone, lost, disturbing)] if rows else []


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
    rows = _ordered(rows)

    def make():
        return solver.perform("remove", [row.name for row in rows], REMOVE_OPTIONS)

    return [Transaction(machine, solver, make, rows, installed)] if rows else []


def plan_back(machine, solver, installed, goal, half):
    """Return the Change that restores the versions in ``goal``; raise when no repository has them."""
    found = rpmdb.everything(machine)
    missing, surplus, double, there = compare(found, goal)
    coming = [] if half else _resolved(solver, "install", specs(missing), INSTALL_OPTIONS)
    going = [] if half else _resolved(solver, "remove", sorted({name for name, _ in surplus}), REMOVE_OPTIONS)
    gone, dependents = (
        [row for row in rows if row.action == "remove" and row.name not in goal] for rows in (coming, going))
    if not missing:
        # A dependent may need just what is restored: dnf resolves the two separately.
        others.refuse_dependents(machine, dependents)
    rows = coming + going
    if half:
        rows = [_row("install", pair) for pair in missing] + [_row("reinstall", pair) for pair in there]
        rows += [_row("remove", pair) for pair in surplus + double]
    lost = [row.name for row in gone if not solver.brings(row)]
    return [Transaction(
        machine, solver, lambda: bring(machine, solver, goal, half), _ordered(rows), installed, gone, lost)
    ] if rows else []


def every(solver, desired):
    """Return what to ask for on a host that has none of the packages."""
    return _specs(solver, Installed(), desired)


def engine(solver, installed, desired, lock):
    """Return the version of the engine that would run; empty where no repository says it."""
    there, wanted = installed.version(ENGINE[0]), desired["version"]
    if lock:
        return rpmdb.short(lock[ENGINE[0]][0])
    if there and not _moves(installed, desired):
        return there
    found = solver.versions(ENGINE[:1]).get(ENGINE[0], ())
    return max([""] + [each for each in found if versions.matches(each, wanted)], key=versions.order)


def versions_after(installed, changes):
    """Return the version of each of our packages once ``changes`` are made, by name."""
    rows = [row for change in changes for row in getattr(change, "rows", ()) if row.name in PACKAGES]
    moved = {row.name: "%s%s.%s" % ("" if ":" in row.evr else "0:", row.evr, row.arch) for row in rows}
    return dict(installed.packages, **moved)


def restart_engine(changes):
    """Return whether these Changes replace packages of a running engine."""
    rows = [row for change in changes for row in getattr(change, "rows", ()) if row.action != "install"]
    return any(row.name in RUNNING for row in rows)


def _resolved(solver, verb, words, options):
    return solver.resolve(verb, words, options) if words else []


def _row(action, pair):
    name, (evr, _, arch) = pair[0], pair[1].rpartition(".")
    return Row(action, name, arch, evr)


def _found(machine, solver, asked, best, modules):
    """Return the rows for what is ``asked``; with removals only where there is no other way."""
    try:
        rows = solver.hold("install", asked, [best])
    except HostError as error:
        if error.kind == "version-not-found" and any(name in error.evidence for name in modules):
            raise kernel.missing(error.evidence)
        if error.kind not in (dnf_errors.CONFLICT, dnf_errors.UNKNOWN):
            raise
        rows = _erasing(solver, asked, best)
        if not rows:
            raise error
    return [_beside(machine, row) for row in rows]


def _erasing(solver, asked, best):
    try:
        return solver.hold("install", asked, [best, ERASE_OPTION])
    except HostError:
        return []  # The first error says what conflicts.


def _beside(machine, row):
    """Return the row, as "beside" for a kernel's package that is installed beside those of other kernels."""
    is_kernels = row.action == "install" and row.name.startswith("kernel")
    if is_kernels and machine.run(["rpm", "-q", row.name]).rc == 0:
        return row._replace(action="beside")
    return row


def _of_others(row):
    return row.action == "remove" and row.name not in PACKAGES


def _may_move(row, installed):
    """Return whether it may change unasked: removals are judged elsewhere, a new engine may need it."""
    return _of_others(row) or (
        row.action == "upgrade" and row.name not in PACKAGES and ENGINE[0] not in installed.packages)


def _moves(installed, desired):
    """Return whether our installed packages were asked to change."""
    return desired["upgrade"] or bool(_outside(installed, desired))


def _outside(installed, desired):
    """Return our installed packages whose version is not a wanted one."""
    return {name for name in installed.packages
            if not versions.matches(installed.version(name), _wanted(name, desired))}


def _wanted(name, desired):
    if name == CONTAINERD:
        return desired.get("containerd_version") or LATEST
    return desired["version"] if name in ENGINE else LATEST


def _specs(solver, installed, desired):
    if is_satisfied(installed, desired):
        return []
    outside, there = _outside(installed, desired), installed.version(ENGINE[0])
    if desired["upgrade"] or outside & set(ENGINE):
        names, engine = PACKAGES, ""
    else:
        # A missing client is installed in the engine's version, and another containerd never moves it.
        names = [name for name in PACKAGES if name not in installed.packages or (outside and name in RUNNING)]
        engine = there
    chosen = dict.fromkeys(ENGINE, engine or versions.newest(solver, ENGINE, desired["version"], there))
    if CONTAINERD in names:
        chosen[CONTAINERD] = versions.newest(
            solver, [CONTAINERD], _wanted(CONTAINERD, desired), installed.version(CONTAINERD))
    return [_spec(name, chosen.get(name, LATEST)) for name in names]


def _spec(name, version):
    return name if version == LATEST else "%s-%s" % (name, version)


def _ordered(rows):
    return sorted(rows, key=lambda row: (
        (PACKAGES.index(row.name), "") if row.name in PACKAGES else (len(PACKAGES), row.name)))
