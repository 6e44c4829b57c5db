"""Small packages that stand for what other people have: podman with its runc, and two that take their time.

podman is a stand-in: its only container is a process called conmon, as podman's own monitor is. Debian's
podman cannot live in the view of dnf, and what counts here is what dnf and a look at processes see.
"""

from pathlib import Path

from provision.lab.command import run
from tests.lab.lived_in.scenes import BUSY_S

PODMAN = """\
#!/bin/bash
case "$1" in
ps) pgrep -x conmon > /dev/null && echo 4f0c9d1f7a5e ;;
run) exec -a conmon /usr/bin/conmon 99999999 ;;
esac
"""
SPEC = """\
Name: {name}
Version: {version}
Release: 1
Epoch: 1
Summary: A stand-in of the lab
License: MIT
AutoReqProv: no
{requires}
%description
A stand-in of the lab.
%pre
{pre}
%install
mkdir -p %{{buildroot}}/usr/bin
{install}
%files
{files}
"""
INSTALL_PODMAN = """\
cat > %{buildroot}/usr/bin/podman <<'END'
PODMAN_TEXT
END
chmod 755 %{buildroot}/usr/bin/podman
cp /bin/sleep %{buildroot}/usr/bin/conmon"""
BUSY = "touch /run/busy; sleep {0}; rm /run/busy"


def build(place: Path) -> list[Path]:
    """Build them below ``place``, and return the files."""
    specs = [
        SPEC.format(
            name="runc", version="1.1.12", requires="Provides: oci-runtime", pre="", install="", files=""
        ),
        SPEC.format(
            name="podman", version="4.9.4", requires="Requires: oci-runtime", pre="",
            install=INSTALL_PODMAN.replace("PODMAN_TEXT", PODMAN), files="/usr/bin/podman\n/usr/bin/conmon",
        ),
        *(
            SPEC.format(
                name=f"busy{name}", version="1", requires="", pre=BUSY.format(seconds), install="", files=""
            )
            for name, seconds in BUSY_S.items()
        ),
    ]  # fmt: skip
    for number, text in enumerate(specs):
        spec = place / f"{number}.spec"
        spec.write_text(text)
        run("rpmbuild", "-bb", "--quiet", f"--define=_topdir {place}", "--define=debug_package %{nil}",
            "--define=__os_install_post %{nil}", "--define=_build_id_links none", spec)  # fmt: skip
    return sorted(place.glob("RPMS/*/*.rpm"))
