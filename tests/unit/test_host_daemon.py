"""daemon.json: what is ours, what stays, what goes, and what is refused."""

import json
from pathlib import Path

import pytest

from provision.host import daemon, owned
from provision.host.errors import HostError
from provision.host.machine import Machine, Ran

UNIT = "{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/c.sock ; }"


@pytest.fixture
def machine(tmp_path):
    for folder in ("etc/docker", "var/lib/provision", "run"):
        (tmp_path / folder).mkdir(parents=True)
    return Machine(str(tmp_path))


class NoUnit:
    state = (False, False, [])


def before(machine):
    return owned._observed(machine, NoUnit, False)


def put(machine, path, value):
    text = value if isinstance(value, str) else json.dumps(value)
    with open(machine.path(path), "w") as stream:
        stream.write(text)


def held(machine):
    return json.loads(machine.text(daemon.FILE))


def converge(machine, **options):
    changes = daemon.plan(machine, {"daemon_options": options}, UNIT)
    for change in changes:
        change.apply()
    return changes


def test_a_bare_host_gets_the_safe_defaults(machine):
    (change,) = converge(machine)
    assert held(machine) == daemon.DEFAULTS
    assert (change.name, change.before, change.after) == ("file /etc/docker/daemon.json", "", "4 keys")


def test_a_second_run_has_nothing_to_do(machine):
    converge(machine, debug=True)
    assert converge(machine, debug=True) == []


def test_the_order_and_layout_of_a_right_file_do_not_matter(machine):
    put(machine, daemon.FILE, json.dumps(dict(reversed(daemon.DEFAULTS.items())), indent=7))
    assert converge(machine) == []


def test_keys_of_others_stay_and_ours_replace(machine):
    put(machine, daemon.FILE, {"insecure-registries": ["r:5"], "log-driver": "json-file"})
    converge(machine)
    assert held(machine) == daemon.DEFAULTS | {"insecure-registries": ["r:5"]}


def test_one_changed_key_is_told_with_both_values(machine):
    put(machine, daemon.FILE, daemon.DEFAULTS | {"log-driver": "json-file"})
    (change,) = converge(machine)
    assert (change.before, change.after) == ("log-driver json-file", "local")


def test_an_option_that_is_no_longer_wanted_is_taken_out(machine):
    converge(machine, debug=True)
    converge(machine)
    assert "debug" not in held(machine)


def test_a_null_takes_out_a_key_of_ours_and_of_others(machine):
    put(machine, daemon.FILE, {"icc": False})
    converge(machine, **{"icc": None, "live-restore": None})
    assert set(held(machine)) == set(daemon.DEFAULTS) - {"live-restore"}


def test_options_are_merged_into_the_defaults():
    assert daemon.wanted_keys({"log-opts": {"max-size": "50m"}})["log-opts"] == {
        "max-file": "3",
        "max-size": "50m",
    }


def test_rotation_options_go_with_drivers_that_know_them():
    assert "log-opts" not in daemon.wanted_keys({"log-driver": "journald"})
    assert "log-opts" in daemon.wanted_keys({"log-driver": "json-file"})


def test_selinux_is_named_only_where_it_enforces():
    assert daemon.wanted_keys({}, enforcing=True)["selinux-enabled"] is True
    assert "selinux-enabled" not in daemon.wanted_keys({})


def test_live_restore_is_off_on_a_swarm_node():
    assert "live-restore" not in daemon.wanted_keys({}, swarm=True)


@pytest.mark.parametrize("broken", ['{ "a": ', "[]", "null text"])
def test_a_broken_file_is_replaced_and_kept_as_a_backup(machine, broken):
    put(machine, daemon.FILE, broken)
    (change,) = converge(machine)
    assert change.before == "not valid JSON"
    assert (daemon.FILE, broken.encode()) in change.backups()
    assert held(machine) == daemon.DEFAULTS


@pytest.mark.parametrize("undo_twice", [False, True])
def test_undo_brings_the_old_file_back_byte_by_byte(machine, undo_twice):
    put(machine, daemon.FILE, '{"icc":false}')
    (change,) = converge(machine)
    change.undo()
    if undo_twice:
        change.undo()
    assert machine.text(daemon.FILE) == '{"icc":false}'
    assert machine.read(daemon.OURS) is None


@pytest.mark.parametrize(
    ("whole", "unit"),
    [
        ({"hosts": ["tcp://0.0.0.0:2375"]}, UNIT),
        ({}, "/usr/bin/dockerd -H tcp://0.0.0.0:2375"),
        ({"hosts": ["unix:///var/run/docker.sock"]}, UNIT),
        ({"hosts": ["unix:///var/run/docker.sock"]}, None),
    ],
)
def test_sockets_that_are_unsafe_or_would_stop_the_engine_are_refused(whole, unit):
    with pytest.raises(HostError) as caught:
        daemon.refuse_unsafe(whole, unit)
    assert caught.value.kind == "daemon-config-refused"
    assert caught.value.hint


def test_hosts_in_the_file_alone_is_allowed():
    daemon.refuse_unsafe(
        {"hosts": ["unix:///var/run/docker.sock"]}, "/usr/bin/dockerd --containerd=/run/c.sock"
    )


def fake_dockerd(machine, text):
    program = Path(machine.path("/usr/bin/dockerd"))
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    machine.run = lambda argv, timeout_s=60: text


def test_what_the_engine_refuses_is_not_written(machine):
    fake_dockerd(
        machine, Ran(1, "", "unable to configure the Docker daemon: invalid logging level: shouty\n")
    )
    with pytest.raises(HostError, match="refuses") as caught:
        converge(machine, **{"log-level": "shouty"})
    assert "invalid logging level: shouty" in caught.value.evidence
    assert machine.read(daemon.FILE) is None


def test_an_engine_too_old_to_judge_is_not_in_the_way(machine):
    fake_dockerd(machine, Ran(125, "", "unknown flag: --validate"))
    converge(machine)
    assert held(machine) == daemon.DEFAULTS


def test_absent_takes_out_our_keys_and_gives_back_what_they_replaced(machine):
    put(machine, daemon.FILE, {"log-driver": "syslog", "insecure-registries": ["r:5"]})
    found = before(machine)
    converge(machine)
    put(machine, daemon.FILE, held(machine) | {"debug": True})
    (change,) = daemon.plan_absent(machine, found)
    change.apply()
    assert held(machine) == {"insecure-registries": ["r:5"], "log-driver": "syslog", "debug": True}
    assert daemon.plan_absent(machine, found) == []


def test_absent_gives_back_the_operators_own_text(machine):
    text = '{ "debug":true,   "log-driver": "syslog" }'
    put(machine, daemon.FILE, text)
    found = before(machine)
    converge(machine)
    (change,) = daemon.plan_absent(machine, found)
    change.apply()
    assert machine.text(daemon.FILE) == text


def test_absent_removes_a_file_that_was_all_ours_and_the_folder_that_came_with_it(machine):
    Path(machine.path("/etc/docker")).rmdir()
    found = before(machine)
    converge(machine)
    (change,) = daemon.plan_absent(machine, found)
    change.apply()
    assert machine.read(daemon.OURS) is None
    assert not Path(machine.path("/etc/docker")).exists()


def test_a_login_in_an_address_and_the_value_of_a_secret_are_masked_wherever_they_are_shown():
    whole = {
        "proxies": {"http-proxy": "http://user:hunter2@proxy:3128", "no-proxy": "localhost"},
        "log-opts": {"splunk-token": "hunter2", "max-size": "10m"},
    }
    shown = daemon.masked(whole)
    assert "hunter2" not in repr(shown)
    assert shown["proxies"]["no-proxy"] == "localhost"
    assert shown["log-opts"]["max-size"] == "10m"
    assert whole["log-opts"]["splunk-token"] == "hunter2"
