"""The lists: which Changes, in which order, bring a host to what is desired."""

from . import containers, daemon, kernel, owned, packages, purge, registries, repository, service


def present(machine, observed, desired, solver, cut_short):
    """Give the Changes to a running engine; ``cut_short``: a killed run may have written what it has not read."""
    installed = packages.Installed(machine)
    unit = service.Unit(machine)
    source = repository.plan(machine, observed, desired, installed.keys)
    modules = kernel.lacking(machine, desired, unit)
    software = packages.plan(machine, solver, installed, desired, modules) + kernel.plan(machine, modules)
    settings = daemon.plan(machine, desired, unit.command)
    restart = settings or packages.restart_engine(software) or cut_short
    logins = registries.plan(machine, desired)
    changes = source + software + settings + logins + service.plan(machine, unit, bool(restart))
    if not changes:
        return []
    trusted = repository.is_trusted(desired["gpg_fingerprint"], installed.keys)
    return owned.plan(machine, unit, trusted, changes) + changes


def absent(machine, desired, solver, purge_data):
    """Give the Changes that take away what our runs brought, and with ``purge_data`` the engine's data."""
    installed = packages.Installed(machine)
    before = owned.read(machine)
    stays = packages.ENGINE[0] in installed.packages and (
        before is None or packages.ENGINE[0] not in before.packages)
    ours = _ours(machine, desired, solver, installed, before, stays) if before else []
    if not purge_data:
        return ours
    purge.refuse(stays)
    return containers.plan_stop(machine) + ours + purge.plan(machine)


def _ours(machine, desired, solver, installed, before, stays):
    unit = service.Unit(machine)
    software = packages.plan_absent(machine, solver, installed, before.packages)
    settings = daemon.plan_absent(machine, before) + registries.plan_absent(machine)
    serve = service.plan_back(machine, unit, before.unit if stays else service.NONE, bool(settings))
    rest = software + settings + repository.plan_absent(machine, desired, installed.keys, before)
    # An engine that goes is stopped first; one that stays reads its old settings last.
    return (rest + serve if stays else serve + rest) + owned.plan_absent(machine)
