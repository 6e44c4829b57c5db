"""daemon.json: whose a key is. Our defaults yield; what the inventory names does not."""

import json
import os

import pytest

from provision.host.engine import daemon, daemon_keys
from provision.host.ground.errors import HostError
from tests.unit.test_host_daemon import UNIT, before, converge, held, machine, put

__all__ = ("machine",)
FLUENTD = {"log-driver": "fluentd", "log-opts": {"fluentd-address": "10.0.0.1:24224"}}
REST = {"live-restore": True, "no-new-privileges": True}
LOCAL = {"log-driver": "local", "log-opts": daemon.DEFAULTS["log-opts"]}


def started(flags, *lines):
    shown = f"{{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd {flags} ; ignore_errors=no ; }}"
    return "\n".join([shown, *lines])


def planned(machine, unit, **options):
    changes = daemon.plan(machine, {"daemon_options": options}, unit)
    for change in changes:
        change.apply()
    return changes


@pytest.mark.parametrize(
    ("theirs", "whole"),
    [
        (FLUENTD, FLUENTD | REST),
        ({"live-restore": False}, LOCAL | {"live-restore": False, "no-new-privileges": True}),
        (
            {"no-new-privileges": False, "icc": False},
            LOCAL | {"live-restore": True, "no-new-privileges": False, "icc": False},
        ),
        # log-opts are not ours to write for a driver of theirs, and options of theirs keep their driver
        ({"log-driver": "json-file"}, {"log-driver": "json-file"} | REST),
        ({"log-opts": {"tag": "x"}}, {"log-opts": {"tag": "x"}} | REST),
    ],
)  # fmt: skip
def test_our_defaults_yield_to_what_somebody_else_wrote(machine, theirs, whole):
    put(machine, daemon.FILE, theirs)
    converge(machine)
    assert held(machine) == whole
    assert converge(machine) == []


def test_selinux_that_was_switched_off_stays_off():
    wanted = daemon.wanted_keys({}, enforcing=True, found={"selinux-enabled": False})
    assert "selinux-enabled" not in wanted


def test_the_inventory_overrules_and_log_opts_go_with_their_driver(machine):
    put(machine, daemon.FILE, FLUENTD | {"live-restore": False})
    converge(machine, **{"log-driver": "local", "live-restore": True})
    assert held(machine) == daemon.DEFAULTS
    assert converge(machine, **{"log-driver": "local", "live-restore": True}) == []


def uninstalled(machine, found):
    for change in daemon.plan_absent(machine, found):
        change.apply()
    return machine.read(daemon.FILE)


@pytest.mark.parametrize("runs", [1, 2])
def test_an_uninstall_gives_back_what_the_inventory_took_out(machine, runs):
    text = json.dumps(FLUENTD | {"bip": "10.0.0.1/24"})
    put(machine, daemon.FILE, text)
    found = before(machine)
    for number in range(runs):
        converge(machine, **{"log-driver": "journald", "bip": None, "debug": bool(number)})
    assert held(machine).keys() == {"log-driver", "live-restore", "no-new-privileges", "debug"}
    assert uninstalled(machine, found) == text.encode()


def test_an_uninstall_gives_back_a_key_where_nothing_of_ours_is_left(machine):
    put(machine, daemon.FILE, {"bip": "10.0.0.1/24"})
    found = before(machine)
    nothing = dict.fromkeys([*daemon.DEFAULTS, "bip"])
    converge(machine, **nothing)
    assert held(machine) == {}
    uninstalled(machine, found)
    assert held(machine) == {"bip": "10.0.0.1/24"}
    assert machine.read(daemon.OURS) is None


def test_an_uninstall_restores_no_key_set_since_nor_other_drivers_options(machine):
    put(machine, daemon.FILE, FLUENTD | {"bip": "10.0.0.1/24"})
    found = before(machine)
    converge(machine, **{"log-driver": "journald", "bip": None})
    put(machine, daemon.FILE, held(machine) | {"bip": "10.9.0.1/24", "log-driver": "syslog"})
    uninstalled(machine, found)
    assert held(machine) == {"bip": "10.9.0.1/24", "log-driver": "syslog"}


def test_a_file_that_the_operator_has_removed_is_not_made_again(machine):
    put(machine, daemon.FILE, {"bip": "10.0.0.1/24"})
    found = before(machine)
    converge(machine, bip=None)
    os.unlink(machine.path(daemon.FILE))
    assert uninstalled(machine, found) is None


def test_a_key_of_ours_that_goes_is_not_somebodys(machine):
    converge(machine, debug=True)
    converge(machine, debug=None)
    assert json.loads(machine.text(daemon.OURS)).get("taken", []) == []


@pytest.mark.parametrize("wish", [None, {"max-size": "1m"}])
def test_log_opts_that_the_inventory_overrules_leave_the_driver_to_us(machine, wish):
    put(machine, daemon.FILE, {"log-opts": {"tag": "x"}})
    converge(machine, **{"log-opts": wish})
    assert held(machine)["log-driver"] == "local"
    assert converge(machine, **{"log-opts": wish}) == []


def test_what_a_null_took_out_is_not_put_back(machine):
    put(machine, daemon.FILE, {"live-restore": True})
    for _ in range(3):
        converge(machine, **{"live-restore": None})
        assert "live-restore" not in held(machine)


def test_a_key_of_ours_that_somebody_changed_is_theirs(machine):
    converge(machine, debug=True)
    put(machine, daemon.FILE, held(machine) | {"live-restore": False, "debug": False, "log-opts": {}})
    now = held(machine)
    assert converge(machine, debug=None) != []
    assert held(machine) == {key: value for key, value in now.items() if key != "debug"}
    assert converge(machine) == []


def test_rotation_that_we_wrote_stays_with_a_driver_that_knows_it(machine):
    converge(machine)
    put(machine, daemon.FILE, held(machine) | {"log-driver": "json-file"})
    assert converge(machine) == []
    put(machine, daemon.FILE, held(machine) | {"log-driver": "journald"})
    converge(machine)
    assert "log-opts" not in held(machine)


@pytest.mark.parametrize("record", [["log-driver", "debug"], {"keys": ["log-driver", "debug"], "secret": []}])
def test_a_record_of_names_alone_is_still_read(machine, record):
    put(machine, daemon.OURS, record)
    put(machine, daemon.FILE, {"log-driver": "json-file", "debug": True, "icc": False})
    converge(machine)
    assert held(machine) == daemon.DEFAULTS | {"icc": False}


def test_there_is_no_digest_of_a_secret():
    kept = json.loads(daemon_keys.record({"a": "hunter2", "b": 1}, ["a"]))
    assert (kept["keys"], kept["secret"], list(kept["digests"])) == (["a", "b"], ["a"], ["b"])


def test_a_key_given_as_a_flag_is_left_out_of_our_defaults(machine):
    put(machine, "/etc/flags", "OPTIONS=--log-driver=journald --live-restore\n")
    unit = started("-H fd:// $OPTIONS", "EnvironmentFiles=/etc/flags (ignore_errors=yes)")
    planned(machine, unit)
    assert held(machine) == {"no-new-privileges": True}
    assert planned(machine, unit) == []


def test_a_key_of_ours_that_became_a_flag_goes(machine):
    converge(machine)
    planned(machine, started("--live-restore"))
    assert "live-restore" not in held(machine)


def test_a_flag_and_another_wish_of_the_inventory_are_refused(machine):
    put(machine, "/etc/flags", "OPTIONS=--live-restore=false --log-opt splunk-token=hunter2\n")
    unit = started("$OPTIONS", "EnvironmentFile=/etc/flags (ignore_errors=no)")
    with pytest.raises(HostError, match="sets --live-restore") as caught:
        planned(machine, unit, **{"live-restore": True})
    assert caught.value.evidence == "--live-restore, from OPTIONS of /etc/flags"
    assert "hunter2" not in json.dumps(caught.value.describe())
    planned(machine, unit, **{"live-restore": False})
    assert "live-restore" not in held(machine)


def test_another_configuration_file_is_refused(machine):
    with pytest.raises(HostError, match="another configuration file"):
        planned(machine, started("--config-file /etc/other.json"))
    assert planned(machine, started("--config-file=/etc/docker/daemon.json"))


@pytest.mark.parametrize("state", ["active", "pending", "locked", "error", "inactive", ""])
def test_a_node_of_a_swarm_has_no_live_restore_of_ours(machine, monkeypatch, state):
    converge(machine)
    monkeypatch.setattr(
        "provision.host.engine.api.info", lambda machine: {"Swarm": {"LocalNodeState": state}}
    )
    converge(machine)
    assert ("live-restore" in held(machine)) is (state in ("inactive", ""))


@pytest.mark.parametrize("place", ["file", "flag", "default"])
def test_a_silent_engine_is_in_a_swarm_when_its_data_say_so(machine, tmp_path, place):
    root = "var/lib/docker" if place == "default" else "data/docker"
    (tmp_path / root / "swarm").mkdir(parents=True)
    (tmp_path / root / "swarm/docker-state.json").write_text("{}")
    put(machine, daemon.FILE, {"data-root": "/data/docker"} if place == "file" else {})
    planned(machine, started("--data-root /data/docker") if place == "flag" else UNIT)
    assert "live-restore" not in held(machine)
