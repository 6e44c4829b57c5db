"""The action plugin: what it sends, how it reads the answer; and the loader, run as on a host."""

import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from provision.converge.outcome import _containers
from provision.host.loader import PACKAGE, Loader
from provision.model import Containers
from provision.ssh import answer, elevate, hostcode
from provision.ssh.remote import OUTPUT_CAP_BYTES

PROJECT = Path(__file__).resolve().parents[2]
PLAYBOOKS = PROJECT / "playbooks"
PAYLOAD_CAP_BYTES = 128 << 10


@pytest.fixture(scope="module")
def plugin():
    spec = importlib.util.spec_from_file_location("plugin", PLAYBOOKS / "action_plugins" / "docker_engine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REQUEST = {
    "run": "r",
    "mode": "plan",
    "diff": False,
    "who": "é",
    "lock_timeout_s": 0,
    "now": 0,
    "desired": {},
}


def send(cwd):
    """Run what the plugin would run on a host, here, with this Python as the first that is found."""
    started = hostcode.plain(REQUEST)
    command = started.command.replace(elevate._FIND, f"p={sys.executable};")
    return subprocess.run(command, shell=True, input=started.stdin, capture_output=True, cwd=cwd, check=False)


def test_the_host_code_runs_from_memory_and_answers_in_json(tmp_path):
    ran = send(tmp_path)
    found = answer.read(ran.stdout.decode(), "")
    ends = {"heard", "system", "changed", "changes", "undone", "earlier", "error"}
    more = {"installed", "consent", "containers", "waited", "mirrors", "passed_over", "locked", "reboot"}
    assert set(found) == ends | more
    assert ran.stderr == b""


def test_a_json_py_in_the_logins_directory_is_not_taken_for_pythons_own(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    assert b"hijacked" not in send(tmp_path).stderr


def test_the_payload_is_small():
    assert len(hostcode.plain(REQUEST).stdin) < PAYLOAD_CAP_BYTES


def test_a_module_is_compiled_when_it_is_first_used(monkeypatch):
    sources = {"__init__.py": "", "used.py": "from . import faulty\nNAME = 1\n", "faulty.py": "no Python\n"}
    monkeypatch.setattr(sys, "meta_path", [Loader(sources), *sys.meta_path])
    try:
        used = importlib.import_module(f"{PACKAGE}.used")
        assert used.NAME == 1
        with pytest.raises(SyntaxError, match="invalid syntax"):
            used.faulty.NAME  # noqa: B018 (the use is the point)
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
            del sys.modules[name]


def test_what_became_of_containers_reaches_the_report_whole():
    said = {"untouched": 1, "restarted": ["a"], "lost": ["b"], "silent": ["c (port 80)"]}
    empty = answer.read("", "") | {"containers": said, "error": None}
    found = answer.read(json.dumps(empty), "")["containers"]
    assert _containers(found) == Containers(1, ("a",), ("b",), ("c (port 80)",))


def test_a_host_without_python_says_so():
    started = elevate.wrap(hostcode.loader(), hostcode.payload(REQUEST))
    command = started.command.replace("sh -c", "/bin/sh -c", 1).replace("/usr/libexec/platform-python", "")
    command = "PATH=/nowhere; " + command
    ran = subprocess.run(command, shell=True, input=started.stdin, capture_output=True, check=False)
    found = answer.read(f"{answer.RC_MARK}{ran.returncode}\n", "")
    assert found["error"]["kind"] == "no-python"


def result(**other):
    empty = {"system": "s", "changes": [], "undone": [], "earlier": [], "error": None}
    empty |= {"installed": False, "consent": None, "containers": None, "waited": []}
    empty |= {"mirrors": [], "passed_over": [], "locked": None, "reboot": None}
    return empty | {"changed": True} | other


def test_noise_before_and_after_the_answer_is_ignored():
    line = json.dumps(result(), sort_keys=True)
    found = answer.read(f"Welcome! {{}}\n{line}\n{answer.RC_MARK}0\nbye\n", "")
    assert found == result() | {"heard": True}


@pytest.mark.parametrize("stdout", ["", "x" * 100, '{"changed": tru'])
def test_no_answer_is_an_error_with_the_last_line_of_stderr(stdout):
    error = answer.read(stdout, "one\nTraceback\nlast words\n\n")["error"]
    assert error["kind"] == "no-answer-from-host-code"
    assert error["evidence"] == "last words"


def test_an_error_becomes_a_failed_task_with_message_and_hint():
    hint = "`fab hosts.shell {host}`, `df`; then: `again --yes`; `again {host} -y`"
    error = {"kind": "k", "message": "m", "hint": hint, "evidence": "", "meaning": "", "state": "nothing"}
    task = answer.task_result(result(error=error))
    said = "fab hosts.shell NAME, `df`; then: fab provision --yes; fab provision --limit NAME -y"
    assert task["failed"] is True
    assert task["msg"] == f"m | {said} | nothing"


def test_ansible_alone_says_that_the_host_has_to_reboot_and_what_to_type():
    waits = {"into": "6.12.0-100.el10.x86_64", "boot": "b", "stops": []}
    task = answer.task_result(result(reboot=waits))
    assert task["failed"] is True
    for words in ("into kernel 6.12.0-100.el10", "ansible NAME -i INVENTORY -b -m ansible.builtin.reboot"):
        assert words in task["msg"]


def test_each_change_has_a_diff_that_ansible_shows():
    lines = [
        {"name": "package x", "before": "1", "after": "2", "disruptive": False, "diff": "", "sign": "+"},
        {
            "name": "file y",
            "before": "",
            "after": "1 key",
            "disruptive": False,
            "diff": "--- y\n",
            "sign": "+",
        },
    ]
    task = answer.task_result(result(changes=lines))
    assert [each["prepared"] for each in task["diff"]] == ["package x: 1 → 2\n", "--- y\n"]


def test_the_role_hands_on_what_the_plugin_takes_and_describes_it(plugin):
    yaml = pytest.importorskip("yaml")
    role = PLAYBOOKS / "roles" / "docker_engine"
    read = {name: yaml.safe_load((role / name / "main.yml").read_text()) for name in ("defaults", "tasks")}
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]
    passed = read["tasks"][0]["docker_engine"]
    assert set(passed) == plugin.ActionModule._VALID_ARGS
    assert {f"docker_engine_{name}" for name in passed} == set(options) == set(read["defaults"])
    assert {name: option["default"] for name, option in options.items()} == read["defaults"]


def test_a_value_of_another_type_is_an_error_that_names_it(plugin):
    action = plugin.ActionModule.__new__(plugin.ActionModule)
    action._task = SimpleNamespace(args={"lock_timeout": "soon"}, check_mode=True, diff=False)
    with pytest.raises(answer.NoResult) as raised:
        action._request()
    error = raised.value.error
    assert error["kind"] == "bad-variable"
    assert "lock_timeout" in error["evidence"]


def test_words_become_the_types_that_the_manual_names(plugin):
    action = plugin.ActionModule.__new__(plugin.ActionModule)
    action._task = SimpleNamespace(args={"lock_timeout": "7", "upgrade": "yes"})
    action._task.check_mode = action._task.diff = False
    request = action._request()
    wanted = request["lock_timeout_s"], request["desired"]["upgrade"], request["desired"]["state"]
    assert wanted == (7, True, "present")


def test_the_host_code_keeps_to_old_pythons():
    vermin = pytest.importorskip("vermin")
    code = PROJECT / "provision" / "host"
    command = [
        sys.executable,
        "-c",
        f"import {vermin.__name__}; vermin.main()",
        "-t=2.7",
        "-t=3.6-",
        "--no-tips",
    ]
    ran = subprocess.run([*command, str(code)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    # Python 2 reads no other letters without a declaration in each file.
    assert [path.name for path in code.rglob("*.py") if not path.read_bytes().isascii()] == []


def test_noise_without_a_line_end_before_the_result_is_no_matter():
    line = json.dumps(result(), sort_keys=True)
    assert answer.read(f'hello {{"changed": no{line}\n{answer.RC_MARK}0\n', "")["error"] is None


def test_more_output_than_the_cap_is_named():
    found = answer.read("y\n" * (OUTPUT_CAP_BYTES // 2), "")
    assert found["error"]["kind"] == "endless-output"
    assert len(json.dumps(found)) < 2000


def asked(plugin, **args):
    action = plugin.ActionModule.__new__(plugin.ActionModule)
    action._task = SimpleNamespace(args=args, check_mode=False, diff=False)
    return action._request()


@pytest.mark.parametrize(
    ("args", "what"),
    [
        ({}, "provision"),
        ({"state": "absent"}, "uninstall"),
        ({"verb": "undo"}, "undo"),
        ({"verb": "undo", "what": "my own word"}, "my own word"),
    ],
)
def test_the_lock_says_what_is_done(plugin, args, what):
    assert asked(plugin, **args)["what"] == what


def test_data_are_purged_only_together_with_the_engine(plugin):
    assert asked(plugin, purge_data="yes")["purge_data"] is False
    assert asked(plugin, purge_data="yes", state="absent")["purge_data"] is True


def test_no_word_of_the_command_is_among_what_a_host_shall_be(plugin):
    request = asked(plugin, verb="undo", run="r")
    assert request["verb"] == "undo"
    assert not {"verb", "what", "purge_data", "run", "lock_timeout"} & set(request["desired"])


@pytest.mark.parametrize("place", ["playbooks", "provision/_playbooks"])
def test_the_plugin_imports_the_package_beside_it_and_no_other(tmp_path, place):
    installed, other = tmp_path / "installed", tmp_path / "other" / "provision"
    shutil.copytree(PROJECT / "provision", installed / "provision")
    shutil.copytree(PLAYBOOKS, installed / place)
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("")
    code = "import sys, docker_engine as d; print(d.hostcode.__file__, len(d.hostcode.archive()), *sys.path)"
    path = f"{installed / place / 'action_plugins'}:{other.parent}"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    where, size, *places = ran.stdout.split()
    assert where == str(installed / "provision/ssh/hostcode.py")
    assert int(size) > 10_000
    assert str(installed) not in places
