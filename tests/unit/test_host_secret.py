"""Secrets of the desired state on the host: in their one file, and in no plan, no error, no journal."""

import json
import os
import pickle
from pathlib import Path

import pytest

from provision.host.engine import daemon, registries
from provision.host.ground import secret
from provision.host.ground.errors import HostError
from provision.host.ground.files import backup_name
from provision.host.ground.machine import Machine, Ran
from provision.host.runs.journal import Journal

UNIT = "{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd -H fd:// ; }"
PROXY = "http://user:hunter2%40@proxy.example:3128"
REQUEST = {"who": "ann@desk", "what": "provision"}


@pytest.fixture
def machine(tmp_path):
    for folder in ("etc/docker", "var/lib/provision", "run", "root"):
        (tmp_path / folder).mkdir(parents=True)
    return Machine(str(tmp_path))


def sent(text, name="proxy"):
    return {"secret": name, "value": text}


def plan(machine, **options):
    return daemon.plan(machine, {"daemon_options": secret.typed(options)}, UNIT)


def converge(machine, **options):
    (change,) = plan(machine, **options)
    change.apply()
    return change


def mode(machine, path):
    return os.stat(machine.path(path)).st_mode & 0o777


def told(change):
    return json.dumps(change.lines()) + change.diff + json.dumps(change.records())


def test_a_secret_shows_nothing_and_is_neither_json_nor_pickle():
    held = secret.typed({"a": [sent("hunter2hunter2")]})["a"][0]
    assert "hunter2" not in repr(held) + str(held) + f"{held}"
    for dump in (json.dumps, pickle.dumps):
        with pytest.raises(TypeError):
            dump(held)
    assert held.reveal() == "hunter2hunter2"


def test_an_error_of_any_program_is_told_without_it():
    secret.typed(sent("correct horse"))
    error = HostError("k", "refused: correct horse", evidence="dockerd: 'correct horse' is no address")
    assert "correct horse" not in json.dumps(error.describe())


def test_a_proxy_login_is_written_for_root_alone_and_shown_by_a_word(machine):
    (machine_file := Path(machine.path(daemon.FILE))).write_text('{"debug": true}')
    machine_file.chmod(0o644)
    change = converge(machine, proxies={"http-proxy": sent(PROXY), "no-proxy": "localhost"})
    assert json.loads(machine.text(daemon.FILE))["proxies"]["http-proxy"] == PROXY
    assert mode(machine, daemon.FILE) == 0o600
    assert '"proxies": "(secret)"' in change.diff
    assert "hunter2" not in told(change)
    assert plan(machine, proxies={"http-proxy": sent(PROXY), "no-proxy": "localhost"}) == []


def test_another_value_is_told_as_changed(machine):
    converge(machine, proxies={"http-proxy": sent(PROXY)})
    change = converge(machine, proxies={"http-proxy": sent("http://user:swordfish@proxy:1")})
    assert (change.before, change.after) == ("proxies (secret)", "(secret changed)")
    assert "hunter2" not in told(change)
    assert "swordfish" not in told(change)


def test_taking_it_out_shows_nothing_of_it(machine):
    converge(machine, proxies={"http-proxy": sent("swordfish")})
    change = converge(machine)
    assert "proxies" not in json.loads(machine.text(daemon.FILE))
    assert "swordfish" not in told(change)


def test_a_file_that_others_may_read_is_closed_though_its_text_is_right(machine):
    converge(machine, proxies={"http-proxy": sent(PROXY)})
    os.chmod(machine.path(daemon.FILE), 0o644)
    converge(machine, proxies={"http-proxy": sent(PROXY)})
    assert mode(machine, daemon.FILE) == 0o600


@pytest.mark.parametrize("now", [{}, {"proxies": {"http-proxy": sent("marlin")}}])
def test_going_back_shows_nothing_of_it(machine, now):
    before = converge(machine, proxies={"http-proxy": sent("swordfish")})
    assert before.backups() == []
    old, ours = machine.read(daemon.FILE), machine.read(daemon.OURS)
    converge(machine, **now)
    (back,) = daemon.plan_back(machine, old, None, [], ours)
    assert "swordfish" not in told(back)
    assert "marlin" not in told(back)


def test_the_journal_holds_it_only_as_the_old_file_for_root_alone(machine):
    converge(machine, proxies={"http-proxy": sent("swordfish")})
    (change,) = plan(machine, proxies={"http-proxy": sent("marlin")})
    Journal(machine, "r").open(REQUEST, [change])
    folder = Path(machine.path("/var/lib/provision/r"))
    holders = [path.name for path in folder.iterdir() if b"swordfish" in path.read_bytes()]
    assert holders == [backup_name(daemon.FILE)]
    assert not [path for path in folder.iterdir() if b"marlin" in path.read_bytes()]
    assert (folder.stat().st_mode & 0o777, (folder / holders[0]).stat().st_mode & 0o777) == (0o700, 0o600)


def test_what_the_engine_says_of_it_is_told_without_it(machine):
    program = Path(machine.path("/usr/bin/dockerd"))
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    machine.run = lambda argv, timeout_s=60: Ran(1, "", f"invalid proxy: parse {PROXY}: no\n")
    with pytest.raises(HostError) as caught:
        plan(machine, proxies={"http-proxy": sent(PROXY)})
    assert "hunter2" not in json.dumps(caught.value.describe())


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('pass"word', 'pass\\"word'),
        ("back\\slash", "back\\\\slash"),
        ("two  blanks", "two  blanks"),
        ("caf\u00e9", "caf\\u00e9"),
    ],
)
def test_a_secret_is_found_however_it_is_quoted_or_wrapped(machine, text, form):
    program = Path(machine.path("/usr/bin/dockerd"))
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    machine.run = lambda argv, timeout_s=60: Ran(1, "", f'parse "{form}"' + "x" * 293)
    with pytest.raises(HostError) as caught:
        plan(machine, proxies={"http-proxy": sent(text)})
    assert form[-4:] not in json.dumps(caught.value.describe(), ensure_ascii=False)


LOGINS = {"r.example:5000": {"username": "ci", "password": sent("sword:fish")}}


def logins(machine, wanted):
    return registries.plan(machine, {"registry_logins": secret.typed(wanted)})


def config(machine):
    return json.loads(machine.text(registries.FILE))


def test_a_registry_login_is_merged_for_root_alone_and_shown_by_its_name(machine):
    Path(machine.path("/root/.docker")).mkdir()
    Path(machine.path(registries.FILE)).write_text('{"auths": {"other": {"auth": "eA=="}}, "psFormat": "x"}')
    (change,) = logins(machine, LOGINS)
    change.apply()
    assert config(machine)["auths"] == {
        "other": {"auth": "eA=="},
        "r.example:5000": {"auth": "Y2k6c3dvcmQ6ZmlzaA=="},
    }
    assert config(machine)["psFormat"] == "x"
    assert mode(machine, registries.FILE) == 0o600
    assert change.after == "r.example:5000 (secret changed)"
    assert not [word for word in ("sword", "Y2k6", "eA==") if word in told(change)]
    assert logins(machine, LOGINS) == []


def test_a_login_that_is_no_longer_wanted_goes_and_others_stay(machine):
    Path(machine.path("/root/.docker")).mkdir()
    Path(machine.path(registries.FILE)).write_text('{"auths": {"other": {"auth": "eA=="}}}')
    for change in logins(machine, LOGINS):
        change.apply()
    (change,) = logins(machine, {})
    change.apply()
    assert config(machine) == {"auths": {"other": {"auth": "eA=="}}}
    assert change.after == "r.example:5000 removed"
    assert logins(machine, {}) == []


@pytest.mark.parametrize("leave", [registries.plan_absent, lambda machine: logins(machine, {})])
def test_a_file_that_was_all_ours_goes_with_its_folder(machine, leave):
    assert logins(machine, {}) == []
    (change,) = logins(machine, LOGINS)
    change.apply()
    (change,) = leave(machine)
    change.apply()
    assert not Path(machine.path("/root/.docker")).exists()
    assert leave(machine) == []


def test_going_back_shows_no_line_of_the_registries_file(machine):
    (change,) = logins(machine, LOGINS)
    change.apply()
    (back,) = registries.plan_back(machine, b'{"auths": {"old": {"auth": "b2xk"}}}', None, [])
    assert not [word for word in ("Y2k6", "b2xk") if word in told(back)]
    change.undo()
    assert machine.read(registries.FILE) is None
