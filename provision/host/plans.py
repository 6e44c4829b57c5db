"""Plans: the Changes, in order, that bring a host to the desired state."""

from . import owned, packages
from .engine import api, certificates, daemon, kept, kernel, purge, registries, service, stop
from .engine.unit import State
from .ground import channels, rpmdb
from .ground.errors import HostError
from .ground.jsonfile import parse
from .packages import archive, exchange, kernels, locked, repository, signing_key, versionlock


def present(machine, unit, observed, desired, solver, unended, rebooted=None):
    """Return the Changes that install and run the engine; ``unended`` are the runs that were cut short.

    A Reboot among them comes first; the Changes after it wait for the next request, which has the same
    order as ``rebooted``.
    """
    channel, before = channels.of(observed, desired), owned.read(machine)
    installed = packages.Installed(machine, channel, before.packages if before else ())
    modules = kernel.lacking(machine, desired, unit)
    lock = locked.honoured(observed, desired, channel)
    asks = bool(modules) or not packages.is_satisfied(installed, desired, lock)
    if asks and archive.ended(observed) and not desired["accept_eol"]:
        archive.refuse_ended(observed)
    source, removed = [], []
    if channel.is_own:
        removed = repository.plan_absent(machine, desired, installed.keys, before) if before else []
    else:
        desired = repository.settle(machine, observed, desired, solver, asks)
        held = channel.packages if desired.get("hold") else ()
        source = repository.plan(machine, observed, desired, installed.keys, held)
    boot, software = _software(machine, solver, installed, desired, modules, lock, rebooted)
    then = packages.versions_after(installed, software)
    software += versionlock.plan(machine, solver.program, then if desired.get("hold") else {})
    # Its unit is not there yet.
    comes = exchange.replaced(installed) or (channel.is_own and not unit.loaded)
    version = rpmdb.short(then.get(channel.packages[0], ""))
    settings = daemon.plan(machine, desired, channel.command if comes else unit.command, version, comes)
    logins = registries.plan(machine, desired) + certificates.plan(machine, desired)
    stale = any(past.cut_short() for past in unended)
    changes = serving(machine, unit, source + software + removed + settings + logins, stale, unended)
    trusted = signing_key.is_trusted(desired["gpg_fingerprint"], installed.keys)
    parts = [part for part in (boot, changes) if part]
    return [each for part in parts for each in owned.plan(machine, unit, trusted, part) + part]


def _software(machine, solver, installed, desired, modules, lock, rebooted):
    """Return the Changes up to a reboot, if one is needed and allowed, and those of the packages."""
    try:
        software = packages.plan(machine, solver, installed, desired, modules, lock)
        return [], software + kernel.plan(machine, modules)
    except HostError as error:
        if error.kind != kernel.KIND:
            raise
        version, may = packages.engine(solver, installed, desired, lock), desired.get("allow_reboot", False)
        missing = kernel.missing(error.evidence, version, may)
    if not may:
        raise missing
    # What stands in the way of the engine is found before the reboot.
    software = packages.plan(machine, solver, installed, desired, (), lock)
    return kernels.plan(machine, solver, installed, missing, rebooted), software


def lock_entry(machine, observed, channel, solver, changes):
    """Return what the lock says about this system, once ``changes`` are made."""
    rows = [row for change in changes for row in getattr(change, "rows", ())]
    before = owned.read(machine)
    brought = before.packages if before else ()
    return locked.entry(machine, solver, observed, rows, channel, brought)


def serving(machine, unit, changes, stale, unended=(), goal=None):
    """Return ``changes`` and those that make the engine use what is on the disk, or bring it to ``goal``.

    ``stale``: a killed run may have written files that the engine has not read yet.
    """
    need = "restart" if stale or packages.restart_engine(changes) else needed(changes)
    fate = None
    if need == "restart" or not (unit.active and api.answers(machine)):
        fate = kept.fate(machine, unit, changes, api.info(machine))
    serve = service.plan(machine, unit, need, fate) if goal is None else service.plan_back(
        machine, unit, goal, need, fate)
    return kept.around(machine, fate if serve else None, changes + serve, unended)


def needed(changes):
    """Return what makes the engine read the daemon.json of ``changes``: "none", "reload" or "restart"."""
    for part in kept.settings(changes):
        sides = [(side or b"").decode("utf-8", "replace") for side in (part.old, part.content)]
        return daemon.effect(*[parse(side) for side in sides])
    return "none"


def absent(machine, unit, desired, solver, purge_data):
    """Return the Changes that remove what our runs installed, and with ``purge_data`` the engine's data."""
    installed = packages.Installed(machine, channels.EVERY)
    before = owned.read(machine)
    engines = channels.ENGINES.intersection(installed.packages)
    stays = bool(engines.difference(before.packages if before else ()))
    # An engine that is removed, or that did not run before us, is stopped, its containers first and by name.
    stops = not stays or (before is not None and unit.active and not before.unit.active)
    data = purge.plan(machine, before, stays, owned.data_left(machine)) if purge_data else []
    ours = _ours(machine, unit, desired, solver, installed, before, stays, stops) if before else []
    if not (ours or data):
        return []
    lost = owned.stay_removed(machine, before) if before else []
    changes = ours + lost + data + owned.plan_absent(machine, before, purge_data)
    return (stop.plan(machine, unit) if stops else []) + changes


def _ours(machine, unit, desired, solver, installed, before, stays, stops):
    software = packages.plan_absent(machine, solver, installed, before.packages)
    software += versionlock.plan(machine, solver.program, {})
    logins = certificates.plan_absent(machine) + registries.plan_absent(machine)
    settings = logins + daemon.plan_absent(machine, before)
    rest = software + settings + repository.plan_absent(machine, desired, installed.keys, before)
    if not stops:
        # An engine that keeps running reads its old settings last.
        return serving(machine, unit, rest, False, goal=before.unit)
    stop.refuse_others(machine, software)
    # A containerd that ran before our first run keeps running.
    helpers = [name for name in before.unit.helpers if name != "docker.socket"]
    goal = before.unit if stays else State(False, False, helpers)
    return service.plan_back(machine, unit, goal, "none") + rest
