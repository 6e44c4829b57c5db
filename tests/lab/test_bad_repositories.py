"""Package mirrors and keys with something wrong: each has its own words; the host stays as it was."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from provision.host.packages import openpgp
from provision.lab import Lab, keys
from tests.lab import mirrors
from tests.lab.conftest import Project, project_in
from tests.lab.mirrors import Mirror
from tests.lab.test_road import in_host

OURS = "docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin"
STABLE = "linux/centos/10/x86_64/stable"
# What of a run could be left on a host.
LEFT = (
    f"rpm -q {OURS} gpg-pubkey | grep -v 'not installed'; ls -d /etc/yum.repos.d/docker* /etc/docker"
    " /etc/pki/rpm-gpg/*docker* /var/tmp/provision-* 2>/dev/null; true"
)

PLANNED = {
    "missing": ("repository-not-found", "Status code: 404"),
    "portal": ("repository-broken", "repomd"),
    "stale": ("repository-broken", "checksum"),
    "tls": ("repository-tls", "Curl error (60)"),
    "slow": ("repository-slow", "Operation too slow"),
    "key404": ("repository-unreachable", "404"),
    "keytls": ("repository-tls", "CERTIFICATE_VERIFY_FAILED"),
    "keyslow": ("repository-unreachable", "not finished after"),
    "keypage": ("wrong-key", "not a key file"),
    "expired": ("expired-key", "ended on 2023-01-31"),
}
CASE_OF = {"el4": "foreign", "el5": "damaged", "el7": "unsigned"}
APPLIED = {
    "el4": ("package-signature", "not correct for this package"),
    "el5": ("package-damaged", "checksum doesn't match"),
    "el7": ("package-signature", "docker-buildx-plugin"),
}


@pytest.fixture(scope="module")
def served(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """The variables of each bad case, while its mirror is up."""
    place = tmp_path_factory.mktemp("mirrors")
    www = lab.gpg_key.parents[1] / "www"
    certificate = mirrors.certificate(place, lab.gateway)
    faults = {
        "missing": (www, mirrors.missing),
        "portal": (www, mirrors.portal),
        "stale": (www, mirrors.stale),
        "slow": (www, mirrors.dripping),
        "damaged": (www, mirrors.damaged),
        "unsigned": (resigned(www, place / "unsigned", None), mirrors.nothing),
        "foreign": (resigned(www, place / "foreign", lab.gpg_key.with_name("wrong.gpg")), mirrors.nothing),
    }
    with ExitStack() as stack:
        urls = {
            name: stack.enter_context(Mirror(lab.gateway, where, fault)).url
            for name, (where, fault) in faults.items()
        }
        urls["tls"] = stack.enter_context(Mirror(lab.gateway, www, mirrors.nothing, certificate)).url
        cases: dict[str, dict[str, Any]] = {name: {"docker_engine_mirror": url} for name, url in urls.items()}
        for name, url in (
            ("key404", "missing"),
            ("keytls", "tls"),
            ("keyslow", "slow"),
            ("keypage", "portal"),
        ):
            cases[name] = {"docker_engine_gpg_key": f"{urls[url]}/linux/centos/repomd.xml"}
        yield cases | {"expired": expired_key(place)}


def resigned(www: Path, place: Path, key: Path | None) -> Path:
    """Copy the repository but for one package, which is signed by ``key``, or by nobody."""
    packages = place / STABLE / "Packages"
    packages.mkdir(parents=True)
    for package in (www / STABLE / "Packages").glob("*.rpm"):
        (packages / package.name).symlink_to(package.resolve())
    changed = sorted(packages.glob("docker-buildx-plugin-*.rpm"))
    for package in changed:
        data = package.read_bytes()
        package.unlink()
        package.write_bytes(data)
        subprocess.run(["rpmsign", "--delsign", package], check=True, capture_output=True)
    if key:
        (fingerprint,) = openpgp.fingerprints(key.read_bytes())
        home = key.parents[1] / "gnupg"
        keys.sign(home, fingerprint, changed)
        keys.stop_agent(home)
    subprocess.run(["createrepo_c", "--quiet", place / STABLE], check=True)
    return place


def expired_key(place: Path) -> dict[str, Any]:
    """Make a key that was good in January 2023."""
    home = place / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--faked-system-time", "20230101T000000"]
    make = ["--passphrase", "", "--quick-gen-key", "Of yesterday", "ed25519", "sign", "30d"]
    subprocess.run([*gpg, *make], check=True, capture_output=True)
    file = place / "expired.gpg"
    file.write_bytes(subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout)
    keys.stop_agent(home)
    (fingerprint,) = openpgp.fingerprints(file.read_bytes())
    return {"docker_engine_gpg_key": str(file), "docker_engine_gpg_fingerprint": fingerprint}


@pytest.fixture(scope="module")
def planned(
    lab: Lab,
    served: dict[str, dict[str, Any]],
    keyring_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Project:
    """One plan over one host in all its bad cases, each under a name of its own; el8 has no fault.

    It waits most of the time, and meanwhile other hosts are provisioned.
    """
    host, path = lab.host("el9"), tmp_path_factory.mktemp("planned")
    # the repository is asked, whatever is installed
    project = project_in(path, lab, keyring_file, docker_engine_upgrade=True)
    assert host.password
    project.store("all", host.password.reveal())
    for name in PLANNED:
        project.add(name, host)
        project.hosts[name] |= served[name]
    project.add("el8", lab.host("el8"))
    begun = project.begin("plan")
    request.getfixturevalue("applied")
    done = begun.end()
    (path / "out").write_text(done.out)
    assert done.rc == 2 + 8, done.out
    return project


@pytest.mark.parametrize("name", PLANNED)
def test_a_plan_names_what_is_wrong_with_a_repository_or_its_key(planned: Project, name: str) -> None:
    check_words(planned, name, *PLANNED[name])


def test_the_host_beside_the_bad_ones_is_planned(lab: Lab, planned: Project) -> None:
    assert planned.host_report("el8")["error"] is None
    assert in_host(lab, "el9", LEFT) == ""


@pytest.fixture(scope="module")
def applied(
    lab: Lab, served: dict[str, dict[str, Any]], keyring_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """One provision over hosts whose mirror serves bad packages, and el6 without a fault."""
    path = tmp_path_factory.mktemp("applied")
    project = project_in(path, lab, keyring_file, docker_engine_version="26.1.5")
    for name, case in CASE_OF.items():
        project.add(name, lab.host(name))
        project.hosts[name] |= served[case]
        (path / name).write_text(in_host(lab, name, LEFT))
    project.add("el6", lab.host("el6"))
    done = project.fab("provision")
    (path / "out").write_text(done.out)
    done.expect(2)
    return project


@pytest.mark.parametrize("name", APPLIED)
def test_a_package_that_is_not_what_was_promised_is_never_installed(
    lab: Lab, applied: Project, name: str
) -> None:
    check_words(applied, name, *APPLIED[name])
    assert in_host(lab, name, LEFT) == (applied.path / name).read_text()
    assert "undone: the host is as it was" in " ".join((applied.path / "out").read_text().split())


def test_the_host_beside_the_bad_ones_is_provisioned(applied: Project) -> None:
    assert applied.host_report("el6")["status"] in ("ok", "changed")


def test_with_a_good_mirror_the_next_run_converges(lab: Lab, applied: Project) -> None:
    del applied.hosts["el5"]["docker_engine_mirror"]
    applied.write()
    done = applied.fab("provision", "--limit", "el5")
    done.expect(0)


def check_words(project: Project, name: str, kind: str, evidence: str) -> None:
    """Check that the report names the kind, and that a person sees its evidence and a next step."""
    error = project.host_report(name)["error"]
    assert error["kind"] == kind
    assert error["hint"]
    words = " ".join((project.path / "out").read_text().split())
    assert evidence in words
