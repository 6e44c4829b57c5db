"""The systems that a stand-in host can be dressed as.

None of these is that system: each is made of Debian packages, and says so in VARIANT of its os-release.
"""

from dataclasses import dataclass

from provision.errors import LabError


@dataclass(frozen=True, slots=True)
class Profile:
    """One disguise: ``suite`` is the Debian release underneath, ``el`` the EL major version that dnf sees."""

    name: str
    suite: str
    el: str
    os_release: str
    release_line: str


def _centos(name: str, suite: str, el: str, codename: str) -> Profile:
    os_release = f"""\
NAME="CentOS Stream"
VERSION="{el}{codename}"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="{el}"
PLATFORM_ID="platform:el{el}"
PRETTY_NAME="CentOS Stream {el}{codename}"
VARIANT="provision stand-in"
VARIANT_ID=stand-in
"""
    return Profile(name, suite, el, os_release, f"CentOS Stream release {el}{codename}\n")


ALIEN_OS_RELEASE = """\
PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION="13 (trixie)"
VERSION_CODENAME=trixie
ID=debian
VARIANT="provision stand-in"
VARIANT_ID=stand-in
"""

PROFILES = {
    "el10": _centos("el10", "trixie", "10", " (Coughlan)"),
    "el9": _centos("el9", "bookworm", "9", ""),
    "alien": Profile("alien", "trixie", "10", ALIEN_OS_RELEASE, ""),
}


def profile(name: str) -> Profile:
    """Return the profile of this name; raises LabError with the known names."""
    try:
        return PROFILES[name]
    except KeyError:
        raise LabError(
            f"no lab profile is called {name!r}", f"`fab lab.up --profile {' | '.join(PROFILES)}`"
        ) from None
