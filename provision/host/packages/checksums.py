"""The checksums of packages in the repositories, by the package manager's own Python interface.

No command of dnf or yum shows them. The program runs with the interpreter that the package manager names in
its first line, as ours may be another one.
"""

import json
import os

from ..ground.errors import HostError
from .dnf_errors import classify
from .solver import RESOLVE_TIMEOUT_S

PROGRAM = """\
import json, sys
settings, names = json.load(sys.stdin)
try:
    try:
        import dnf
    except ImportError:
        import yum
        base = yum.YumBase()
        base.preconf.debuglevel, base.preconf.errorlevel = 0, 0
    else:
        base = dnf.Base()
        base.conf.read()
        base.conf.substitutions.update_from_etc("/", varsdir=base.conf.varsdir)
        # A host without a release package has no version of its own.
        for name in [each for each, value in base.conf.substitutions.items() if value is None]:
            del base.conf.substitutions[name]
        base.init_plugins()
        getattr(base, "pre_configure_plugins", int)()
    for name, value in settings:
        setattr(base.conf, str(name), str(value))
    if hasattr(base, "fill_sack"):
        base.read_all_repos()
        base.configure_plugins()
        base.fill_sack(load_system_repo=False)
        found = list(base.sack.query().available().filter(name=names))
    else:
        found = base.pkgSack.searchNames([str(name) for name in names])
    rows = [
        [each.name, "%s:%s-%s.%s" % (each.epoch or 0, each.version, each.release, each.arch)]
        + [each.returnIdSum()] for each in found]
except Exception as error:
    sys.exit("Error: %s" % error)
print(json.dumps(rows))
"""


def of(solver, names):
    """Return {(name, version): SHA-256} of every version of the packages ``names`` in the repositories."""
    settings = [word.split("=", 2)[1:] for word in solver.options()]
    settings.append(["persistdir", os.path.join(solver.place(), "persist")])
    argv = [_interpreter(solver.machine, solver.program), "-c", PROGRAM]
    ran = solver.machine.run(argv, RESOLVE_TIMEOUT_S, stdin=json.dumps([settings, names]).encode("ascii"))
    if ran.rc:
        raise classify(ran.out + ran.err)
    rows = json.loads(ran.out.splitlines()[-1])
    return {(name, version): text for name, version, (kind, text) in rows if kind == "sha256"}


def _interpreter(machine, program):
    first = machine.text("/usr/bin/" + program).partition("\n")[0].split()
    if not first or not first[0].startswith("#!/"):
        raise HostError(
            "no-checksums", "%s on this host has no Python interface that shows checksums" % program,
            "leave provision.lock.yml out for this host, with an inventory and a project of its own",
            "/usr/bin/%s is no Python program" % program)
    return first[0][2:]
