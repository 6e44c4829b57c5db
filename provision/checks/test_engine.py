"""The engine as it describes itself, compared with the host."""

import re
from typing import Any

import pytest

from provision.checks.facts import Facts
from provision.checks.wording import judge_off, wanted

# overlay2 is the classic store's driver, overlayfs that of the containerd store (Docker 29's default).
DRIVERS = ("overlay2", "overlayfs")
# The first engine whose /info has no-new-privileges: https://github.com/moby/moby/pull/45320.
SAYS_NO_NEW_PRIVILEGES = 24
# The first one with a default for it: https://github.com/moby/moby/pull/32944.
HAS_NO_NEW_PRIVILEGES = (17, 6)


def test_engine_answers(facts: Facts) -> None:
    """The engine answers `docker info`."""
    assert facts.info, wanted("an answer", facts.silence)


def test_client_and_engine_agree(facts: Facts, engine: dict[str, Any]) -> None:
    """The client and the engine are of one version."""
    found = facts.client_version
    assert found == engine["ServerVersion"], wanted(f"client {engine['ServerVersion']}", found)


def test_running_engine_is_the_installed_one(facts: Facts, engine: dict[str, Any]) -> None:
    """The engine that runs is the one that is installed."""
    if "dockerd" not in facts.owners:
        pytest.skip("dockerd belongs to no package")
    installed, running = facts.owners["dockerd"][1], engine["ServerVersion"]
    assert re.match(re.escape(installed) + r"(?!\d)", running), wanted(installed, running)


def test_storage_driver(engine: dict[str, Any]) -> None:
    """Images and containers are stored by the overlay driver."""
    assert engine["Driver"] in DRIVERS, wanted(" or ".join(DRIVERS), engine["Driver"])


def test_backing_file_system(engine: dict[str, Any]) -> None:
    """The file system below the images knows file types (d_type), which overlay needs."""
    status = {row[0]: row[1] for row in engine["DriverStatus"] or [] if len(row) == 2}
    if "Supports d_type" not in status:
        pytest.skip(f"the driver {engine['Driver']} does not say")
    assert status["Supports d_type"] == "true", wanted("d_type true", status["Supports d_type"])


def _cgroup_version(facts: Facts) -> str:
    return "2" if facts["cgroup"].text.strip() == "cgroup2fs" else "1"


def test_cgroup_version(facts: Facts, engine: dict[str, Any]) -> None:
    """The engine uses the cgroup version that the host runs."""
    if "CgroupVersion" not in engine:
        pytest.skip(f"engine {engine['ServerVersion']} does not tell (it does since 20.10)")
    want = _cgroup_version(facts)
    assert engine["CgroupVersion"] == want, wanted(f"cgroup v{want}", f"v{engine['CgroupVersion']}")


def test_cgroup_driver(facts: Facts, engine: dict[str, Any]) -> None:
    """Control groups have one manager: systemd, wherever the host runs cgroup v2."""
    fitting = ("systemd",) if _cgroup_version(facts) == "2" else ("systemd", "cgroupfs")
    assert engine["CgroupDriver"] in fitting, wanted(" or ".join(fitting), engine["CgroupDriver"])


def test_limits_are_possible(engine: dict[str, Any]) -> None:
    """Containers can be limited in memory, processor time and number of processes."""
    # Engines before 19.03 do not say PidsLimit.
    missing = [name for name in ("MemoryLimit", "CpuCfsQuota", "PidsLimit") if not engine.get(name, True)]
    assert not missing, f"want each limit possible, is missing: {' '.join(missing)}"


def test_seccomp_is_on(facts: Facts, engine: dict[str, Any]) -> None:
    """The engine's built-in seccomp profile is on."""
    profile = facts.security.get("seccomp", {}).get("profile", "off")
    if facts.own_engine and profile.startswith("/"):
        pytest.skip(f"the distribution's engine ({facts.own_engine}) has a profile of its own: {profile}")
    assert profile in ("builtin", "default"), wanted("builtin", profile)


def test_selinux_is_on(facts: Facts, engine: dict[str, Any]) -> None:
    """Where SELinux is enforcing, the engine uses it."""
    if facts["selinux"].text.strip() != "1":
        pytest.skip("SELinux is not enforcing on this host")
    if "selinux" in facts.security:
        return
    judge_off(facts, "selinux-enabled", "SELinux does not keep containers apart from the host")


def test_no_new_privileges(facts: Facts, engine: dict[str, Any]) -> None:
    """Processes in containers cannot gain privileges (no-new-privileges)."""
    if "no-new-privileges" in facts.security:
        return
    who, on = facts.decision("no-new-privileges")
    version = str(engine["ServerVersion"])
    if tuple(map(int, re.findall("[0-9]+", version)[:2])) < HAS_NO_NEW_PRIVILEGES:
        pytest.skip(f"engine {version} has no such default (it came with 17.06)")
    if on and int(version.partition(".")[0]) < SAYS_NO_NEW_PRIVILEGES:
        pytest.skip(f"{who} says no-new-privileges on; engine {version} does not tell whether it is")
    judge_off(facts, "no-new-privileges", "programs in containers can gain privileges")


def test_forwarding_is_on(facts: Facts, engine: dict[str, Any]) -> None:
    """The kernel forwards packets between containers and the network."""
    found = facts["forwarding"].text.strip()
    assert found == "1", wanted("net.ipv4.ip_forward 1", found)
