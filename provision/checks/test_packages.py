"""What is installed, and where it came from."""

from pathlib import PurePosixPath
from typing import Any

import pytest
from testinfra.host import Host

from provision.checks.facts import FINGERPRINT, HOLD, NOT_HELD, PROGRAMS, Facts, same_key
from provision.checks.wording import wanted

PLUGINS = ("buildx", "compose")
DOCKERS = {"docker-ce", "docker-ce-cli", "containerd.io"}


def _owners(facts: Facts) -> dict[str, tuple[str, str]]:
    if facts["owners"].rc == 3:
        pytest.skip("the host has no rpm")
    return facts.owners


def _repositories(facts: Facts) -> dict[str, dict[str, str]]:
    _owners(facts)
    if facts.own_engine:
        pytest.skip(f"the engine is the distribution's own package {facts.own_engine}")
    assert facts.docker_repositories, wanted("an enabled repository of docker-ce", None)
    return facts.docker_repositories


def test_programs_belong_to_packages(facts: Facts) -> None:
    """dockerd, docker and containerd each belong to an installed package."""
    found = [program for program in PROGRAMS if program in _owners(facts)]
    assert found == list(PROGRAMS), wanted(PROGRAMS, found)


def test_packages_are_signed_by_a_trusted_key(facts: Facts) -> None:
    """Docker's packages are signed by their repository's key, a distribution's own by one of rpm's."""
    names = sorted({name for name, _ in _owners(facts).values()})
    if not names:
        pytest.skip("the engine belongs to no package")
    if set(names) & DOCKERS and not facts.docker_keys:
        pytest.skip("no repository of docker-ce names a key file of this host")
    docker_key = "the key in the repository's file"
    if facts.named_key:
        docker_key = f"the key {facts.named_key} ({FINGERPRINT})"
    for name in names:
        key = facts.signing_keys.get(name, "")
        # rpm's keyring may hold any vendor's key, which must not pass for Docker's.
        keys = facts.docker_keys if name in DOCKERS else facts.trusted_keys
        whose = docker_key if name in DOCKERS else "one of rpm's keys"
        trusted = any(same_key(key, other) for other in keys) if key else False
        assert trusted, f"want {name} signed by {whose}, is {key or 'not signed'}"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_client_plugin_answers(facts: Facts, engine: dict[str, Any], plugin: str) -> None:
    """The client's {plugin} plugin answers."""
    # Clients before 19.03 know no plugins.
    plugins = (engine.get("ClientInfo") or {}).get("Plugins") or []
    found = {p["Name"]: p.get("Version", "") for p in plugins if not p.get("Err")}
    if facts.own_engine and plugin not in found:
        pytest.skip(f"the distribution's engine ({facts.own_engine}) has no {plugin}")
    assert found.get(plugin), wanted(f"{plugin} among the client's plugins", sorted(found))


def test_repository_is_enabled(facts: Facts) -> None:
    """A package repository for the engine is enabled."""
    if facts.is_bundled:
        pytest.skip("the packages came from a bundle, and the repository is disabled")
    for name, values in _repositories(facts).items():
        assert values.get("baseurl"), f"want a baseurl in [{name}], is none"


def test_repository_checks_signatures(facts: Facts) -> None:
    """The package manager checks the signature of each package from that repository."""
    for name, values in _repositories(facts).items():
        found = values.get("gpgcheck", facts.main.get("gpgcheck", "0"))
        assert found.lower() in ("1", "true", "yes"), f"want gpgcheck=1 in [{name}], is {found}"


def test_repository_key_is_a_file_of_the_host(facts: Facts, host: Host) -> None:
    """The repository's key is a file on the host, so that no mirror can send another."""
    for name, values in _repositories(facts).items():
        for url in values.get("gpgkey", "").split() or [""]:
            assert url.startswith("file:///"), f"want gpgkey=file:///… in [{name}], is {url or 'none'}"
            path = str(PurePosixPath(url.removeprefix("file://")))
            assert host.file(path).is_file, f"want the key {path}, is no such file"


def test_set_is_held(facts: Facts) -> None:
    """No upgrade moves Docker's packages, if docker_engine_hold asks for that."""
    if facts.decided.get(HOLD) is not True:
        return
    found = facts["upgrade"]
    assert found.rc != NOT_HELD, wanted("exclude= in the repository's file, which holds the packages", None)
    assert not facts.upgradable, f"want {HOLD}, an upgrade would bring {', '.join(facts.upgradable)}"
    if not found.ok:
        pytest.skip(f"the package manager cannot tell: {found.last_line}")
