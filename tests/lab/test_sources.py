"""Where packages come from, by real dnf: several mirrors, a proxy with a login, a company's authority."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provision import lab as labs
from tests.lab import mirrors
from tests.lab.conftest import STATE
from tests.lab.mirrors import Mirror, Visit
from tests.lab.proxies import Proxy
from tests.lab.test_changes import Host, names

# The password of the proxy has what a .repo file or an address could take for something else.
PASSWORD = "sword$basearch@fish"
CODED = PASSWORD.replace("$", "%24").replace("@", "%40")
# A name that only the proxy knows.
INSIDE = "packages.corp.example"
NOWHERE = "http://198.18.0.250:9"
KEPT = "/etc/yum.repos.d/docker-ce.repo"
AUTHORITIES = "/etc/pki/provision/docker-ca.pem"
# Another engineer's repository of Docker's packages, which answers nothing, under the name of ours.
THEIRS = f"""\
[docker-ce-stable]
name=theirs
baseurl={NOWHERE}/docker-ce/linux
gpgcheck=0
"""


@dataclass
class Place:
    """The servers around the host; ``asked`` is what the registry mirror was asked."""

    fast: str
    slow: str
    tls: str
    registry: str
    authority: str
    proxy: Proxy
    asked: list[str] = field(default_factory=list)

    @property
    def login(self) -> dict[str, str]:
        """The proxy as a value of the desired state."""
        return {"secret": "proxy", "value": f"http://ops:{CODED}@{self.proxy.place}"}


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A bare host."""
    subnet = labs.free_subnet()
    try:
        yield Host(labs.up(f"s{subnet}", 1, "el10", state_dir=STATE, subnet=subnet, progress=print))
    finally:
        labs.down(f"s{subnet}", STATE)


@pytest.fixture(scope="module")
def place(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Mirrors of the lab's repository, over HTTP and TLS, a registry, and a proxy."""
    lab, folder = host.lab, tmp_path_factory.mktemp("servers")
    www = lab.gpg_key.parents[1] / "www"
    made = mirrors.certificate(folder, lab.gateway)
    text = made.read_text()
    asked: list[str] = []

    def registry(visit: Visit) -> bool:
        asked.append(visit.path)
        visit.send_error(401 if visit.path == "/v2/" else 404)
        return True

    with ExitStack() as stack:

        def serve(fault: mirrors.Fault, certificate: Path | None = None) -> str:
            return stack.enter_context(Mirror(lab.gateway, www, fault, certificate)).url

        fast, slow = serve(mirrors.nothing), serve(mirrors.late)
        tls, images = serve(mirrors.nothing, made), serve(registry, made)
        known = {INSIDE: fast.partition("://")[2]}
        proxy = stack.enter_context(Proxy(lab.gateway, f"ops:{PASSWORD}", known))
        authority = text[text.index("-----BEGIN CERTIFICATE") :]
        yield Place(fast, slow, tls, images, authority, proxy, asked)


def by_key_of_the_mirror(**desired: Any) -> dict[str, Any]:
    """Return desired values whose key is that of the mirror."""
    return {"gpg_key": "", "gpg_key_url": ""} | desired


def refused(host: Host, **asked: Any) -> dict[str, Any]:
    error: dict[str, Any] = host.ask("answer", request=host.request(**asked))["error"]
    return error


def test_the_mirror_that_answers_first_is_taken_and_stays(host: Host, place: Place) -> None:
    host.sh("cat > /etc/yum.repos.d/a-theirs.repo", THEIRS.encode())
    several = by_key_of_the_mirror(mirror=[NOWHERE, place.slow, place.fast])
    planned = host.run(mode="plan", desired=several)
    done = host.run(desired=several)
    assert done["changes"] == planned["changes"]
    assert [words.partition(": ")[0] for words in done["mirrors"]] == [place.fast, place.slow, NOWHERE]
    assert done["mirrors"][0].endswith("s, used")
    # What is theirs was seen, told, and neither used nor touched.
    assert done["passed_over"] == [
        f"/etc/yum.repos.d/a-theirs.repo: [docker-ce-stable] {NOWHERE}/docker-ce/linux"
    ]
    assert host.sh("cat /etc/yum.repos.d/a-theirs.repo") == THEIRS
    host.sh("rm /etc/yum.repos.d/a-theirs.repo")
    again = host.run(desired=several)
    assert (again["changes"], again["mirrors"]) == ([], [])
    moved = host.run(desired=by_key_of_the_mirror(mirror=[NOWHERE, place.slow]))
    assert names(moved) == ["repository docker-ce (centos/10)"]
    assert place.slow in host.sh(f"cat {KEPT}")
    # It is slower, and stays although packages are fetched.
    host.sh("rpm -e docker-compose-plugin")
    kept = host.run(desired=several)
    assert names(kept) == ["package docker-compose-plugin"]
    assert kept["mirrors"][1].startswith(place.slow)
    assert kept["mirrors"][1].endswith("s, used")


def test_packages_and_key_come_by_the_proxy_and_its_login_stays_secret(host: Host, place: Place) -> None:
    host.run()
    host.sh("rpm -e docker-compose-plugin; rm /etc/pki/rpm-gpg/RPM-GPG-KEY-docker; dnf -q clean all")
    start = host.snapshot()
    inside = by_key_of_the_mirror(mirror=[f"http://{INSIDE}"])
    assert refused(host, desired=inside)["kind"] == "repository-unreachable"
    wrong = {"secret": "proxy", "value": f"http://ops:another@{place.proxy.place}"}
    assert "407" in refused(host, desired=inside | {"proxy": wrong})["evidence"]
    assert host.snapshot() == start
    done = host.run(desired=inside | {"proxy": place.login})
    assert names(done) == ["repository docker-ce (centos/10)", "package docker-compose-plugin"]
    passed = [url.rpartition("/")[2] for url in place.proxy.passed]
    assert {"gpg", "repomd.xml"} <= set(passed)
    assert any(name.startswith("docker-compose-plugin") for name in passed)
    assert host.sh(f"stat -c %a {KEPT}") == "600\n"
    assert not [word for word in (PASSWORD, CODED) if word in json.dumps(done)]
    # dnf of the host reads it, too.
    assert "docker-ce" in host.sh(
        "dnf -q --disablerepo='*' --enablerepo=docker-ce-stable list docker-ce 2>&1"
    )
    assert host.run(desired=inside | {"proxy": place.login})["changes"] == []
    undone = host.run(verb="undo", desired=inside | {"proxy": place.login})
    assert not [word for word in (PASSWORD, CODED) if word in json.dumps(undone)]
    assert host.snapshot() == start


def test_a_companys_authority_counts_for_repository_and_registries(host: Host, place: Place) -> None:
    host.run()
    start = host.snapshot()
    host.sh("rpm -e docker-compose-plugin")
    tls = by_key_of_the_mirror(mirror=[place.tls], upgrade=True)
    assert refused(host, desired=tls)["kind"] == "repository-tls"
    both = tls | {"ca": place.authority, "proxy": place.login, "upgrade": False}
    both["daemon_options"] = {"registry-mirrors": [place.registry]}
    done = host.run(desired=both)
    assert {"registry certificates", "package docker-compose-plugin"} <= set(names(done))
    assert place.tls.partition("://")[2] in place.proxy.passed
    assert "+sslcacert=" + AUTHORITIES in "".join(line["diff"] for line in done["changes"])
    # Docker asks the mirror first: without its authority it would not get as far as a path.
    host.sh("docker pull provision.example/none:1; docker pull none:1; true")
    assert any(path.startswith("/v2/library/none/") for path in place.asked)
    assert host.run(desired=both)["changes"] == []
    host.run(verb="undo", desired=both)
    host.sh("dnf -q -y install docker-compose-plugin 2>&1")
    assert host.snapshot() == start


def test_a_dead_registry_mirror_is_refused_and_the_settings_stay(host: Host, place: Place) -> None:
    host.run()
    start = host.snapshot()
    mirrored = {"daemon_options": {"registry-mirrors": [place.fast, NOWHERE]}}
    error = refused(host, desired=mirrored)
    assert error["kind"] == "registry-mirror-dead"
    assert f"{place.fast}: HTTP status 404" in error["evidence"]
    assert NOWHERE + ": " in error["evidence"]
    assert host.snapshot() == start


def test_an_uninstall_leaves_nothing_of_proxy_and_authorities(host: Host, place: Place) -> None:
    host.run(
        desired={"mirror": place.fast, "ca": place.authority, "proxy": place.login}
        | {"registry_logins": {"r.example:5000": {"username": "ci", "password": "x"}}}
    )
    assert "provision.crt" in host.sh("ls /etc/docker/certs.d/r.example:5000")
    host.run(desired={"state": "absent"})
    left = f"ls -d {KEPT} /etc/pki/provision /etc/docker /root/.docker/config.json 2>/dev/null; true"
    assert host.sh(left) == ""
