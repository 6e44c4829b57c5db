"""Download Debian packages of any suite without touching the machine's own apt."""

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from provision.errors import LabError
from provision.lab import cache
from provision.lab.command import run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR_VARIABLE = "PROVISION_DEBIAN_MIRROR"


def fetch(suite: str, packages: tuple[str, ...]) -> Path:
    """Return a directory of the cache with only the ``.deb`` files of these packages.

    Dependencies are not included. Raises LabError when there is no mirror or no such package.
    """
    target = cache.root() / f"debs-{suite}-{cache.key(*sorted(packages))}"
    if not target.exists():
        with cache.building(target) as half, TemporaryDirectory() as apt:
            options = _options(Path(apt), suite)
            run("apt-get", *options, "-q", "update")
            run("apt-get", *options, "-q", "download", *packages, cwd=half)
    return target


def unpack(debs: Path, into: Path) -> None:
    """Unpack every ``.deb`` in ``debs`` into ``into``."""
    into.mkdir(parents=True, exist_ok=True)
    for deb in sorted(debs.glob("*.deb")):
        run("dpkg-deb", "-x", deb, into)


def upstream_version(debs: Path, package: str) -> str:
    """Return the upstream part of a package's version: ``26.1.5`` of ``26.1.5+dfsg1-9``."""
    deb = next(debs.glob(f"{package}_*.deb"))
    version = re.match(r"(?:\d+%3a)?([0-9.]+)", deb.name.split("_")[1])
    if version is None:
        raise LabError(f"no version in the file name {deb.name}")
    return version[1]


def mirror() -> str:
    """Return the mirror that PROVISION_DEBIAN_MIRROR names, or the one that this machine's apt uses.

    Raises LabError when there is none, as on Ubuntu.
    """
    named = os.environ.get(MIRROR_VARIABLE)
    found = [named] if named else debian_uris(_apt_sources())
    if not found or not KEYRING.exists():
        raise LabError(
            "no Debian mirror in this machine's apt sources, or no Debian archive keys",
            f"set {MIRROR_VARIABLE} to a mirror's address and install debian-archive-keyring",
        )
    return found[0].rstrip("/")


def debian_uris(sources: str) -> list[str]:
    """Return the addresses that end in ``/debian`` in apt sources of either format, without comments."""
    lines = [line for line in sources.splitlines() if not line.lstrip().startswith("#")]
    return re.findall(r"https?://\S+/debian/?(?=\s|$)", "\n".join(lines))


def _apt_sources() -> str:
    etc = Path("/etc/apt")
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    return "\n".join(file.read_text() for file in files if file.is_file())


def _options(apt: Path, suite: str) -> list[str]:
    for name in ("lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
    settings = {
        "Dir::State": apt,
        "Dir::State::status": apt / "status",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    return [f"-o{name}={value}" for name, value in settings.items()]
