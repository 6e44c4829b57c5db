"""What a stand-in host can be dressed as.

None of these is the system that it is dressed as: each is made of Debian packages, and says so in the
VARIANT of its os-release.
"""

from dataclasses import dataclass

from provision.errors import LabError

OLD_SUITE = "bullseye"


@dataclass(frozen=True, slots=True)
class Profile:
    """A dress: ``suite`` is the Debian release underneath, ``el`` the major version that dnf believes in.

    ``python`` is the place of dnf's own Python 3 below the root, and ``manager`` the name that dnf has.
    """

    name: str
    suite: str
    el: str
    os_release: str
    release_line: str
    python: str = "usr/bin/python3"
    manager: str = "dnf"

    @property
    def is_old(self) -> bool:
        """Whether the C library is too old for the newer engines."""
        return self.suite == OLD_SUITE


def _centos(name: str, suite: str, el: str, codename: str, **other: str) -> Profile:
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
    return Profile(name, suite, el, os_release, f"CentOS Stream release {el}{codename}\n", **other)


CENTOS_7_OS_RELEASE = """\
NAME="CentOS Linux"
VERSION="7 (Core)"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="7"
PRETTY_NAME="CentOS Linux 7 (Core)"
VARIANT="provision stand-in"
VARIANT_ID=stand-in
"""

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
    # Only dnf's own Python, and not on the search path.
    "el8": _centos("el8", OLD_SUITE, "8", "", python="usr/libexec/platform-python"),
    # Python 2.7 on the search path, and a package manager called yum.
    "el7": Profile(
        "el7",
        OLD_SUITE,
        "7",
        CENTOS_7_OS_RELEASE,
        "CentOS Linux release 7.9.2009 (Core)\n",
        python="usr/libexec/lab/python3",
        manager="yum",
    ),
    "alien": Profile("alien", "trixie", "10", ALIEN_OS_RELEASE, ""),
}


def profile(name: str) -> Profile:
    """Return the profile of this name; raises LabError that lists the names there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise LabError(
            f"no lab profile is called {name!r}", f"`fab lab.up --profile {' | '.join(PROFILES)}`"
        ) from None
