"""Versions by their beginning, a containerd of its own, and what keeps others from upgrading the set."""

import random

import pytest

from provision.host import packages
from provision.host.ground.channels import DOCKER
from provision.host.ground.errors import HostError
from provision.host.ground.facts import Facts
from provision.host.packages import repository, versions
from provision.host.packages.solver import parse_listing
from tests.unit.test_host_packages import Installed, Rpm, Solver, only, wanted

# Recorded on a stand-in host, dnf 4.14.
LISTING = """\
Last metadata expiration check: 0:00:01 ago on Mon 30 Nov 2026 07:14:11 AM UTC.
Available Packages
containerd.io.x86_64                    1.7.24-1.el10                        lab
containerd.io.x86_64                    2.1.9-1.el10                         lab
docker-ce.x86_64                        3:28.5.2-1.el10                      lab
docker-ce-cli.x86_64                    1:26.1.5-1.el10                      lab
docker-ce-cli.x86_64                    1:28.5.2-1.el10                      lab
"""


FOUND = {
    "docker-ce": {"26.1.5", "28.5.2", "28.5.10", "28.6.0", "29.0.0"},
    "docker-ce-cli": {"26.1.5", "28.5.2", "28.5.10", "29.0.0"},
    "containerd.io": {"1.7.24", "2.1.9", "2.1.10"},
}


class Listed(Solver):
    """A dnf whose repositories have the versions FOUND."""

    def versions(self, names):
        self.told.append(("versions", list(names)))
        return {name: FOUND[name] for name in names}


def asked(desired, installed=None):
    """Return what dnf is asked to install."""
    solver = Listed()
    packages.plan(Rpm(), solver, installed or Installed(), wanted() | desired)
    return next((specs for verb, specs in solver.told if verb == "resolve install"), [])


def test_the_versions_of_each_package_are_read_from_the_list():
    assert parse_listing(LISTING) == {
        "containerd.io": {"1.7.24", "2.1.9"}, "docker-ce": {"28.5.2"}, "docker-ce-cli": {"26.1.5", "28.5.2"},
    }  # fmt: skip
    wrapped = "docker-buildx-plugin-with-a-long-name.x86_64\n      0.29.1-1.el10    lab\n"
    assert parse_listing(wrapped) == {"docker-buildx-plugin-with-a-long-name": {"0.29.1"}}


def test_versions_are_ordered_as_rpm_does():
    right = ["1.9", "1.10~rc.1", "1.10", "1.10.a", "1.10.1", "2"]
    mixed = random.Random(1).sample(right, len(right))
    assert sorted(mixed, key=versions.order) == right


@pytest.mark.parametrize(
    ("version", "engine"),
    [("28.5.2", "28.5.2"), ("28.5", "28.5.10"), ("28", "28.5.10"), ("26", "26.1.5")],
)
def test_a_bare_host_gets_the_newest_that_engine_and_client_both_have(version, engine):
    specs = asked({"version": version}, only())
    assert specs[:3] == [f"docker-ce-{engine}", f"docker-ce-cli-{engine}", "containerd.io"]


def test_any_version_inside_is_enough_and_an_upgrade_takes_the_newest():
    assert asked({"version": "28.5"}) == []
    assert asked({"version": "28.5", "upgrade": True})[0] == "docker-ce-28.5.10"
    assert asked({"version": "26"})[:2] == ["docker-ce-26.1.5", "docker-ce-cli-26.1.5"]


def test_an_upgrade_inside_never_goes_back():
    newer = dict.fromkeys(DOCKER.engine, "3:28.7.1-1.el10.x86_64")
    assert asked({"version": "28", "upgrade": True}, Installed(**newer))[0] == "docker-ce-28.7.1"


def test_a_version_that_is_nowhere_is_refused_with_those_that_are():
    with pytest.raises(HostError) as caught:
        asked({"version": "27"})
    assert caught.value.kind == "version-not-found"
    assert caught.value.evidence == "docker-ce 27; there are: 26.1.5, 28.5.2, 28.5.10, 29.0.0"


@pytest.mark.parametrize(("pin", "spec"), [("1.7", "1.7.24"), ("1.7.20", "1.7.20"), ("2.0.1", "2.0.1")])
def test_a_containerd_moves_alone_and_the_engine_is_named_so_that_it_stays(pin, spec):
    held = Installed(**{"containerd.io": "0:2.1.9-1.el10.x86_64"})
    assert asked({"containerd_version": pin}, held) == [
        "docker-ce-28.5.2", "docker-ce-cli-28.5.2", f"containerd.io-{spec}",
    ]  # fmt: skip
    assert asked({"containerd_version": "2.1"}, held) == []


def test_a_pinned_containerd_is_the_same_after_an_upgrade_of_the_engine():
    held = Installed(**{"containerd.io": "0:1.7.24-1.el10.x86_64"})
    assert asked({"containerd_version": "1.7", "upgrade": True}, held)[:3] == [
        "docker-ce", "docker-ce-cli", "containerd.io-1.7.24",
    ]  # fmt: skip


def test_a_held_set_is_one_line_in_our_file():
    facts = Facts({"ID": "centos", "VERSION_ID": "9"}, "x86_64", "CentOS Stream 9")
    desired = {"mirror": "https://a.example", "channel": "stable"}
    text, held = (repository._written(facts, desired, names) for names in ((), DOCKER.packages))
    assert held == text + "exclude=" + " ".join(DOCKER.packages) + "\n"
