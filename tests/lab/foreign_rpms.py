"""Packages of others, made for a test: what stands in the way of Docker's, or what a kernel brings."""

import shutil
from pathlib import Path

from provision.lab.command import run

SPEC = """\
Name: {name}
Version: {version}
Release: {release}
Summary: Stands for a package of others
License: MIT
BuildArch: {arch}
AutoReqProv: no
{tags}

%description
Stands for a package of others.

%files

{scripts}
"""


def build(
    folder: Path, name: str, version: str, tags: str = "", scripts: str = "", *, release: str = "1",
    arch: str = "noarch",
) -> Path:  # fmt: skip
    """Build an empty package in ``folder`` and return its file."""
    spec = folder / f"{name}.spec"
    spec.write_text(
        SPEC.format(name=name, version=version, release=release, tags=tags, scripts=scripts, arch=arch)
    )
    run("rpmbuild", "-bb", "--quiet", f"--define=_topdir {folder / 'build'}", spec)
    return next(folder.glob(f"build/RPMS/{arch}/{name}-{version}-{release}*.rpm"))


def repository(folder: Path, *packages: Path) -> bytes:
    """Return a tar archive of a repository of these packages."""
    place = folder / "theirs"
    place.mkdir(exist_ok=True)
    for package in packages:
        shutil.copy(package, place)
    run("createrepo_c", "--quiet", place)
    run("tar", "-C", folder, "-cf", folder / "theirs.tar", "theirs")
    return (folder / "theirs.tar").read_bytes()
