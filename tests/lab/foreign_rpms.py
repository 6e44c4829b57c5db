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


# The one stream of a module, which is its default, so that dnf hides other packages named like its own.
MODULE = """\
---
document: modulemd
version: 2
data:
  name: container-tools
  stream: rhel8
  version: 1
  context: 12345678
  arch: x86_64
  summary: Stands for the module of EL 8
  description: Stands for the module of EL 8
  license: {module: [MIT]}
  artifacts: {rpms: [%s]}
---
document: modulemd-defaults
version: 1
data: {module: container-tools, stream: rhel8}
"""


def repository(folder: Path, *packages: Path, module: str = "") -> bytes:
    """Return a tar archive of a repository of these packages; with ``module`` as packages of a module."""
    place = folder / "theirs"
    place.mkdir(exist_ok=True)
    for package in packages:
        shutil.copy(package, place)
    run("createrepo_c", "--quiet", place)
    if module:
        (folder / "modules.yaml").write_text(MODULE % module)
        run("modifyrepo_c", "--mdtype=modules", folder / "modules.yaml", place / "repodata")
    run("tar", "-C", folder, "-cf", folder / "theirs.tar", "theirs")
    return (folder / "theirs.tar").read_bytes()
