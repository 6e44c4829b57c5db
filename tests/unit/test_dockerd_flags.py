"""The command line of dockerd, and what a changed key asks of the engine."""

import shlex
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.host.engine import daemon, dockerd_flags, reloadable
from provision.host.ground.machine import Machine

PLAIN = st.text(string.ascii_letters + string.digits + " '\"=/:._-", max_size=12)


def flags(line):
    return {key: flag.value for key, flag in dockerd_flags.CommandLine(None, line).flags.items()}


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("--log-driver=journald", {"log-driver": "journald"}),
        ("--log-driver journald --live-restore", {"log-driver": "journald", "live-restore": True}),
        ("--live-restore=false --icc=0", {"live-restore": False, "icc": False}),
        ("-H fd:// --host=unix:///x -Htcp://y", {"hosts": ["fd://", "unix:///x", "tcp://y"]}),
        ("-Dl warn", {"debug": True, "log-level": "warn"}),
        ("-g /data", {"data-root": "/data"}),
        ("--log-opt max-size=1m --log-opt tag=a=b", {"log-opts": {"max-size": "1m", "tag": "a=b"}}),
        ("--label a=1 --insecure-registry r:5", {"labels": ["a=1"], "insecure-registries": ["r:5"]}),
        ("--add-runtime x=/x", {}),
        ("-- --log-driver=x", {}),
    ],
)
def test_flags_are_named_as_daemon_json_names_them(line, keys):
    assert flags("/usr/bin/dockerd " + line) == keys


def test_a_shell_in_between_hides_nothing():
    assert flags('{ path=/bin/sh ; argv[]=/bin/sh -c "exec dockerd -H fd:// --icc=false" ; }') == {
        "hosts": ["fd://"], "icc": False,
    }  # fmt: skip


def test_variables_become_words_alone_and_stay_one_in_braces(tmp_path):
    (tmp_path / "flags").write_text('# no\nA="--log-driver=syslog \\\n--icc=false"\nC=file\n')
    line = (
        "{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd $A --label=l=${L} --label=c=${C} $$x $NO ; x=y }\n"
        'Environment=L=a "C=from the unit"\nEnvironmentFiles=/flags (ignore_errors=yes)'
    )
    found = dockerd_flags.CommandLine(Machine(str(tmp_path)), line)
    assert [word.text for word in found.words] == [
        "--log-driver=syslog", "--icc=false", "--label=l=a", "--label=c=file", "$x",
    ]  # fmt: skip
    assert found.get("icc").origin == "A of /flags"
    assert found.get("labels").value == ["l=a", "c=file"]


@given(st.lists(PLAIN))
def test_quoted_words_come_apart_as_they_were_put_together(words):
    assert dockerd_flags.split(" ".join(shlex.quote(word) for word in words)) == words


@given(st.text(), st.text())
def test_whatever_systemd_says_can_be_read(first, rest):
    found = dockerd_flags.CommandLine(Machine("/nonexistent"), first + "\nEnvironment=" + rest)
    assert found.validating("/f")[:3] == ["--validate", "--config-file", "/f"]


@given(st.dictionaries(st.from_regex(r"[a-z]+", fullmatch=True), st.from_regex(r"\w+", fullmatch=True)))
def test_a_variable_is_replaced_by_its_value(values):
    named = {name: (value, "Environment=") for name, value in values.items()}
    for name, value in values.items():
        (word,) = dockerd_flags.expand("--x=${" + name + "}", named)
        assert word.text == "--x=" + value


def test_the_engine_judges_with_the_flags_of_its_unit():
    found = dockerd_flags.CommandLine(None, "/usr/bin/dockerd -H fd:// --config-file /a --log-driver=syslog")
    assert found.validating("/new") == [
        "--validate", "--config-file", "/new", "-H", "fd://", "--log-driver=syslog",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "whole", "effect", "keeps"),
    [
        ({}, {}, "none", True),
        ({}, {"live-restore": True}, "reload", True),
        ({"live-restore": True}, {}, "restart", True),
        ({"debug": True}, {"debug": None}, "restart", True),
        ({"max-concurrent-downloads": 1}, {}, "reload", True),
        ({"labels": ["a=1"]}, {"labels": ["a=2"], "log-driver": "local"}, "restart", True),
        ({}, {"bip": "10.0.0.1/24"}, "restart", False),
        ({"data-root": "/a"}, {"data-root": "/b"}, "restart", False),
        ({}, {"features": {"containerd-snapshotter": True}}, "restart", False),
        ({}, {"features": {"buildkit": True}}, "restart", True),
        (None, {}, "restart", False),
    ],
)
def test_what_a_change_asks_of_the_engine(found, whole, effect, keeps):
    assert (daemon.effect(found, whole), daemon.keeps(found, whole)) == (effect, keeps)


def test_no_key_is_both_reloaded_and_a_reason_to_lose_containers():
    assert not reloadable.RELOADABLE & reloadable.BREAKS_LIVE_RESTORE
    assert reloadable.RESET <= reloadable.RELOADABLE


def test_a_program_that_starts_dockerd_is_no_flag_itself() -> None:
    line = "{ path=/sbin/slow ; argv[]=/sbin/slow -H fd:// --debug ; ignore_errors=no }"
    found = dockerd_flags.CommandLine(None, line)
    assert [word.text for word in found.words] == ["-H", "fd://", "--debug"]
