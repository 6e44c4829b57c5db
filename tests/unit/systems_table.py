"""docs/systems.md, from the rows of the program, the lab's profiles and the recorded os-release files.

``python -m tests.unit.systems_table > docs/systems.md`` writes it; a test compares.
"""

from pathlib import Path
from typing import Any

import yaml

from provision.host.ground import facts, systems
from provision.lab.profiles import PROFILES

# How that profile differs from the system, apart from the kernel and the like.
YUM = ", with dnf as `yum`; yum 3.4.3 itself: recorded"
RECORDED = Path(__file__).parent / "os-release.yml"
HEAD = """\
# Systems

Made from `provision/host/ground/systems.py`; `python -m tests.unit.systems_table > docs/systems.md` writes
it again.

A host is known by `ID` and `VERSION_ID` in `/etc/os-release`. A system without a row is refused, except a
rebuild of RHEL that names its platform (`PLATFORM_ID="platform:el9"`). *Recorded* means that a published
`/etc/os-release` chooses this row, and no more. *Not tested* means that only the row says so. A *stand-in*
is a container of Debian packages that looks like the system to Docker's packages and to this program; no
row was tested on the system itself.

A system that is no longer maintained gets packages only where somebody accepts that: see
[a CentOS 7 host](runbooks/a-centos-7-host.md).

Where the source begins with *assumed*, the vendor names no repository of Docker's, and the row is our
judgement. A file name is one below `products/` in the repository endoflife-date/endoflife.date. The package
manager and its Python are common knowledge where the source does not name them.

*Its own engine* is what `docker_engine_channel: distro` installs; where the packages and the options of their
units were read is in `provision/host/ground/own_engines.py`. No such package was installed for a test: a
stand-in of the same name was.

"""
COLUMNS = ("system", "Docker from", "package manager", "its Python", "maintained until", "its own engine",
           "how tested", "source")  # fmt: skip


def recorded() -> list[dict[str, Any]]:
    """Return the recorded files: ``source``, ``row`` and ``text``."""
    return list(yaml.safe_load(RECORDED.read_text()))


def table() -> str:
    """Return the document."""
    rows = [_row(system) for system in systems.SYSTEMS]
    lines = ["| " + " | ".join(cells) + " |" for cells in [COLUMNS, *rows]]
    return HEAD + "\n".join([lines[0], "|---" * len(COLUMNS) + "|", *lines[1:]]) + "\n"


def _row(system: systems.System) -> tuple[str, ...]:
    return (
        system.name, _source_of_docker(system), system.manager, system.python, system.end,
        ", ".join(system.own.packages), _how_tested(system), system.source,
    )  # fmt: skip


def _source_of_docker(system: systems.System) -> str:
    why, needs = system.why, f"; may need {system.needs}" if system.needs else ""
    if why and system.own.packages:
        return f"its own engine alone: {why}"
    return f"refused: {why}" if why else f"`{system.repository}`{needs}"


def _how_tested(system: systems.System) -> str:
    for profile in PROFILES.values():
        if systems.find(facts.parse_os_release(profile.os_release)) == system:
            differs = YUM if profile.manager == "yum" else ""
            return f"stand-in on Debian {profile.suite}{differs}"
    return "recorded" if any(each["row"] == system.name for each in recorded()) else "not tested"


if __name__ == "__main__":
    print(table(), end="")
