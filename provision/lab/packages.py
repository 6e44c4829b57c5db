"""The signed RPM repository of the lab, laid out as Docker's own and made of Debian packages.

Each engine of ENGINES is in it. Programs that need the C library of the host (runc, docker-init) come
from the host's own suite, the others run on any. The oldest engine has no plugins, and brings the library
of the device mapper along, which its dockerd needs and a stand-in host does not have.

The C library of an old profile is too old for all but its own suite's engine. Another engine brings that
of its suite along, in a folder of its own.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from provision.errors import LabError
from provision.lab import cache, keys, processes
from provision.lab.command import run
from provision.lab.fetch import fetch, unpack, upstream_version
from provision.lab.profiles import Profile

FILES = Path(__file__).with_name("files")
# A lab serves its packages from a link of this name.
SERVED = "www"
OLD_DEBS = ("docker.io", "containerd", "libdevmapper1.02.1")
ENGINE_DEBS = ("docker.io", "docker-cli", "containerd", "docker-compose", "docker-buildx")
ENGINES = {"bookworm": OLD_DEBS, "trixie": ENGINE_DEBS, "forky": ENGINE_DEBS}
HOST_DEBS = ("runc", "tini")
OLD_PROFILE_ENGINES = {"bullseye": OLD_DEBS, "trixie": ENGINE_DEBS}
LIBRARY_DEBS = ("libc6", "libsystemd0", "libcap2")
PLACES = {
    "usr/sbin/dockerd": "usr/bin/dockerd",
    "usr/sbin/docker-proxy": "usr/bin/docker-proxy",
    "usr/bin/docker": "usr/bin/docker",
    "usr/bin/containerd": "usr/bin/containerd",
    "usr/bin/containerd-shim-runc-v2": "usr/bin/containerd-shim-runc-v2",
    "usr/bin/ctr": "usr/bin/ctr",
    "usr/sbin/runc": "usr/bin/runc",
    "usr/bin/tini-static": "usr/libexec/docker/docker-init",
}
PLUGIN_PLACES = {
    "usr/libexec/docker/cli-plugins/docker-buildx": "usr/libexec/docker/cli-plugins/docker-buildx",
    "usr/libexec/docker/cli-plugins/docker-compose": "usr/libexec/docker/cli-plugins/docker-compose",
}
LIBRARY = "usr/libexec/docker/lib"
LOADER = "ld-linux-x86-64.so.2"
LIBRARY_PLACES = {
    f"usr/lib/x86_64-linux-gnu/{name}": f"{LIBRARY}/{name}"
    for name in (LOADER, "libc.so.6", "libm.so.6", "libsystemd.so.0", "libcap.so.2")
}
DEVICE_MAPPER = {
    "lib/x86_64-linux-gnu/libdevmapper.so.1.02.1": "usr/lib/x86_64-linux-gnu/libdevmapper.so.1.02.1",
}
OWN_FILES = {
    "docker.service": "usr/lib/systemd/system/docker.service",
    "docker.socket": "usr/lib/systemd/system/docker.socket",
    "containerd.service": "usr/lib/systemd/system/containerd.service",
    "containerd.toml": "etc/containerd/config.toml",
}
RHEL_LINKS = {"8": "8", "9": "9", "10": "10"}


@dataclass(frozen=True, slots=True)
class Repository:
    """A built repository: ``www`` is what a web server shows, ``fingerprint`` whose key signed it.

    ``wrong_key`` is another key's file; ``two_keys`` holds the right key and that one.
    """

    www: Path
    gnupg: Path
    fingerprint: str
    gpg_key: Path
    wrong_key: Path
    two_keys: Path


def repository(profile: Profile, progress: Callable[[str], None]) -> Repository:
    """Return the repository with the packages for this profile, built now if the cache has none (25 s)."""
    base = cache.root() / f"repo-{_recipe()}"
    if not base.exists():
        cache.drop_older(base, in_use=_served())
        with cache.building(base) as half:
            _make_base(half)
    stable = base / "www/linux/centos" / profile.el
    if not stable.exists():
        progress(f"building the signed package repository for {profile.name}, once")
        with cache.building(stable) as half:
            _build_stable(_at(base), profile, half)
    return _at(base)


def arch() -> str:
    """Return this machine's architecture in RPM's words."""
    return os.uname().machine


def _recipe() -> str:
    sources = [Path(__file__), *sorted(FILES.glob("*"))]
    return cache.key(*(source.read_bytes() for source in sources))


def _served() -> str:
    words = (word for _, line in processes.command_lines() for word in line)
    return "\n".join(os.path.realpath(word) for word in words if Path(word).name == SERVED)


def _at(base: Path) -> Repository:
    made = base / "keys"
    return Repository(
        www=base / "www",
        gnupg=base / "gnupg",
        fingerprint=(made / "fingerprint").read_text(),
        gpg_key=made / "lab.gpg",
        wrong_key=made / "wrong.gpg",
        two_keys=made / "two.gpg",
    )


def _make_base(base: Path) -> None:
    centos, rhel = base / "www/linux/centos", base / "www/linux/rhel"
    for directory in (centos, rhel, base / "keys"):
        directory.mkdir(parents=True)
    try:
        right = keys.make(base / "gnupg", "Lab packages (throw-away)")
        wrong = keys.make(base / "gnupg", "Somebody else (throw-away)")
        keys.export(base / "gnupg", base / "keys/lab.gpg", right)
        keys.export(base / "gnupg", base / "keys/wrong.gpg", wrong)
        keys.export(base / "gnupg", base / "keys/two.gpg", right, wrong)
    finally:
        keys.stop_agent(base / "gnupg")
    (base / "keys/fingerprint").write_text(right)
    for directory in (centos, rhel):
        shutil.copy(base / "keys/lab.gpg", directory / "gpg")
    for release, target in RHEL_LINKS.items():
        (rhel / release).symlink_to(f"../centos/{target}")


def _build_stable(repo: Repository, profile: Profile, half: Path) -> None:
    stable = half / arch() / "stable"
    (stable / "Packages").mkdir(parents=True)
    with TemporaryDirectory(dir=half) as build:
        for suite, debs in (OLD_PROFILE_ENGINES if profile.is_old else ENGINES).items():
            _build_engine(suite, debs, profile, Path(build, suite))
        built = sorted(Path(build).glob("*/RPMS/*/*.rpm"))
        _sign(repo, built)
        for package in built:
            package.rename(stable / "Packages" / package.name)
    run("createrepo_c", "--quiet", stable)


def _sign(repo: Repository, built: list[Path]) -> None:
    try:
        keys.sign(repo.gnupg, repo.fingerprint, built)
    finally:
        keys.stop_agent(repo.gnupg)


def _build_engine(suite: str, debs: tuple[str, ...], profile: Profile, build: Path) -> None:
    engine, host = fetch(suite, debs), fetch(profile.suite, HOST_DEBS)
    unpacked, stage = build / "unpacked", build / "stage"
    unpack(engine, unpacked)
    unpack(host, unpacked)
    has_plugins = debs is ENGINE_DEBS
    _lay_out(PLACES | (PLUGIN_PLACES if has_plugins else DEVICE_MAPPER), unpacked, stage)
    macros = {"_topdir": build, "stage": stage, "el": profile.el, **_versions(engine, has_plugins)}
    if profile.is_old and suite != profile.suite:
        _bring_library(suite, build / "library", stage)
        macros["library"] = LIBRARY
    run("rpmbuild", "-bb", "--quiet", *(f"--define={name} {value}" for name, value in macros.items()),
        FILES / "docker.spec")  # fmt: skip


def _bring_library(suite: str, unpacked: Path, stage: Path) -> None:
    """Put the suite's C library into the stage, and let each program there use it; not those of the host."""
    unpack(fetch(suite, LIBRARY_DEBS), unpacked)
    for source, place in LIBRARY_PLACES.items():
        _move((unpacked / source).resolve(), stage / place)
    # An rpath counts for the libraries' own libraries too, a runpath does not.
    options = ("--set-interpreter", f"/{LIBRARY}/{LOADER}", "--force-rpath", "--set-rpath", f"/{LIBRARY}")
    for program in (*(stage / "usr/bin").glob("*"), *(stage / "usr/libexec/docker/cli-plugins").glob("*")):
        if program.name != "runc" and b"/lib64/ld-linux" in program.read_bytes()[:4096]:
            run("patchelf", *options, program)


def _versions(debs: Path, has_plugins: bool) -> dict[str, str]:
    """Return what the recipe is told: versions, and that an engine without plugins has the device mapper."""
    named = {"engine": "docker.io", "containerd": "containerd"}
    if has_plugins:
        named |= {"compose": "docker-compose", "buildx": "docker-buildx"}
    versions = {word: upstream_version(debs, package) for word, package in named.items()}
    return versions if has_plugins else versions | {"devicemapper": "1"}


def _lay_out(places: dict[str, str], unpacked: Path, stage: Path) -> None:
    for source, place in places.items():
        _move(unpacked / source, stage / place)
    for name, place in OWN_FILES.items():
        (stage / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FILES / name, stage / place)


def _move(source: Path, place: Path) -> None:
    if not source.exists():
        raise LabError(
            f"Debian's packages no longer hold {source.name} where the lab looks for it",
            "the list is PLACES in provision/lab/packages.py",
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    source.rename(place)
