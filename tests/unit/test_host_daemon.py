"""daemon.json: what is ours, what stays, what goes, and what is refused."""

import json
from pathlib import Path

import pytest

from provision.host import owned
from provision.host.engine import daemon
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine, Ran

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


def test_one_changed_key_is_told_with_both_values(machine):
    put(machine, daemon.FILE, daemon.DEFAULTS | {"log-driver": "json-file"})
    (change,) = converge(machine, **{"log-driver": "local"})
    assert (change.before, change.after) == ("log-driver json-file", "local")


def test_more_keys_are_told_by_what_becomes_of_them(machine):
    converge(machine, debug=True)
    put(machine, daemon.FILE, held(machine) | {"icc": False, "bip": "10.9.0.1/24"})
    (change,) = converge(machine, bip="10.8.0.1/24", icc=None, init=True)
    assert (change.before, change.after) == ("", "adds init, changes bip, removes debug, icc")


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


@pytest.mark.parametrize(
    ("broken", "place"),
    [('{ "a": ', "line 1"), ("[]", "line 1, column 1"), ("{} text", "line 1, column 4"),
     ('{\n  "data-root": "/hunter2"\n  "icc": 1}', "line 3, column 3"),
     (b'{\n"a": "\xff"}', "line 2, column 7")],
)  # fmt: skip
def test_a_broken_file_is_refused_with_its_place_and_without_its_text(machine, broken, place):
    content = broken if isinstance(broken, bytes) else broken.encode()
    Path(machine.path(daemon.FILE)).write_bytes(content)
    with pytest.raises(HostError, match="not valid JSON") as caught:
        converge(machine)
    assert caught.value.kind == "daemon-config-refused"
    assert place in caught.value.message
    assert caught.value.evidence.startswith(place)
    assert "hunter2" not in json.dumps(caught.value.describe())
    assert machine.read(daemon.FILE) == content


@pytest.mark.parametrize("text", [b" \n", b"null", b"\xef\xbb\xbf{}", "\ufeff{}".encode("utf-16-le")])
def test_what_dockerd_reads_as_an_empty_file_is_one(machine, text):
    Path(machine.path(daemon.FILE)).write_bytes(text)
    converge(machine)
    assert held(machine) == daemon.DEFAULTS


def test_a_key_that_stands_twice_is_refused_before_one_is_lost(machine):
    text = '{"labels": ["a=1"], "labels": ["b=2"]}'
    put(machine, daemon.FILE, text)
    with pytest.raises(HostError, match="holds a key twice: labels"):
        converge(machine)
    assert machine.text(daemon.FILE) == text


def test_uninstall_leaves_a_broken_file(machine):
    found = before(machine)
    converge(machine)
    put(machine, daemon.FILE, "{")
    assert daemon.plan_absent(machine, found) == []


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


def test_the_copy_that_the_engine_judges_is_for_root_alone(machine):
    fake_dockerd(machine, None)
    modes = []

    def judge(argv, timeout_s=60):
        modes.append(Path(argv[argv.index("--config-file") + 1]).stat().st_mode & 0o777)
        return Ran(0, "configuration OK", "")

    machine.run = judge
    daemon.validate(machine, {})
    assert modes == [0o600]


def test_an_engine_too_old_to_judge_is_not_in_the_way(machine):
    fake_dockerd(machine, Ran(125, "", "unknown flag: --validate"))
    converge(machine)
    assert held(machine) == daemon.DEFAULTS


def test_absent_takes_out_our_keys_and_gives_back_what_they_replaced(machine):
    put(machine, daemon.FILE, {"log-driver": "syslog", "insecure-registries": ["r:5"]})
    found = before(machine)
    converge(machine, **{"log-driver": "journald"})
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


def test_absent_removes_a_file_that_was_all_ours_and_its_folder(machine):
    Path(machine.path("/etc/docker")).rmdir()
    found = before(machine)
    converge(machine)
    (change,) = daemon.plan_absent(machine, found)
    change.apply()
    assert machine.read(daemon.OURS) is None
    assert not Path(machine.path("/etc/docker")).exists()


def test_a_login_in_an_address_and_a_secrets_value_are_masked_everywhere():
    whole = {
        "proxies": {"http-proxy": "http://user:hunter2@proxy:3128", "no-proxy": "localhost"},
        "log-opts": {"splunk-token": "hunter2", "max-size": "10m"},
    }
    shown = daemon.masked(whole)
    assert "hunter2" not in repr(shown)
    assert shown["proxies"]["no-proxy"] == "localhost"
    assert shown["log-opts"]["max-size"] == "10m"
    assert whole["log-opts"]["splunk-token"] == "hunter2"
