"""Bad inventories, names, values and limits: refused in words, bounded in time, and nothing runs."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from provision import desired
from provision.errors import InventoryError, NothingSelected, ProvisionError
from provision.inventory import Selection, host_values, read, sources
from provision.settings import Settings

ROLE = Path(__file__).parents[2] / "playbooks/roles/docker_engine/meta/argument_specs.yml"
HOSTILE = {
    "an option": "-oProxyCommand=touch pwned",
    "a command": "$(touch pwned)",
    "backticks": "`touch pwned`",
    "a semicolon": "web;touch pwned",
    "a newline": "web\n  ProxyCommand touch pwned",
    "a template": "{{ lookup('pipe', 'touch pwned') }}",
    "a terminal escape": "web\x1b]0;pwned\x07",
    "an emoji": "web\N{PILE OF POO}",
    "a digit that is none": "web²",
    "a path": "../web",
    "too long": "w" * 5000,
}
LOUD = """
from ansible.plugins.vars import BaseVarsPlugin

print("loading the cloud")


class VarsModule(BaseVarsPlugin):
    def get_vars(self, *_, **__):
        return {}
"""
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


def look(tmp_path: Path, text: str, name: str = "hosts.yml", limit: str = "all") -> Selection:
    source = tmp_path / name
    source.write_text(text)
    source.chmod(0o755 if name.endswith(".sh") else 0o644)
    settings = Settings((source,), tmp_path / "pins", tmp_path / "k", tmp_path / ".provision")
    return read(settings, limit=limit, environ=os.environ)


def refusal(tmp_path: Path, text: str, name: str = "hosts.yml", limit: str = "all") -> ProvisionError:
    """Return the error, which says what to do, is short, and has no control characters."""
    with pytest.raises(ProvisionError) as caught:
        look(tmp_path, text, name, limit)
    failure = caught.value.failure
    assert failure.hint
    assert len(failure.message) < 400 + len(str(tmp_path))
    assert failure.message.isprintable()
    return caught.value


def quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def provision(tmp_path: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, with nothing of the person's own around."""
    return subprocess.run(
        [Path(sys.executable).with_name("provision"), *args], cwd=tmp_path, text=True, capture_output=True,
        stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, timeout=60,
    )  # fmt: skip


@hostile
def test_a_hostile_host_name_is_refused(tmp_path: Path, text: str) -> None:
    error = refusal(tmp_path, quoted({"all": {"hosts": {text: {}}}}), "hosts.json")
    assert "the name" in str(error)
    assert not (tmp_path / "pwned").exists()


def test_a_hostile_group_name_is_refused(tmp_path: Path) -> None:
    groups = {"all": {"children": {"$(touch pwned)": {"hosts": {"web1": {}}}}}}
    assert "the name '$(touch pwned)' is refused" in str(refusal(tmp_path, quoted(groups)))


@hostile
@pytest.mark.parametrize(
    "key",
    ["ansible_host", "ansible_user", "ansible_port", "ansible_become", "jump_host", "host_key",
     "docker_engine_version", "docker_engine_mirror"],
)  # fmt: skip
def test_a_hostile_value_is_refused_with_host_and_key(key: str, text: str) -> None:
    with pytest.raises(InventoryError, match=f"web1: {key} ") as caught:
        host_values.host("web1", {key: text}, (), "public")
    assert caught.value.failure.hint
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "options", [{"a": ["{{ 7 * 7 }}"]}, {"{{ 7 * 7 }}": 1}, {"a": {"b": "x\x1by"}}, {"a": "\ud800"}]
)
def test_a_template_or_control_character_deep_in_a_value_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InventoryError, match="holds a template or control characters"):
        host_values.host("web1", {"docker_engine_daemon_options": options}, (), "public")


def test_a_value_without_an_end_of_nesting_is_refused() -> None:
    value: object = 1
    for _ in range(5000):
        value = [value]
    with pytest.raises(InventoryError, match="nested too deep"):
        host_values.host("web1", {"docker_engine_daemon_options": {"a": value}}, (), "public")


@pytest.mark.parametrize("text", ['"', "%", "$x", "'", "ünïcode", "\N{PILE OF POO}", "a;b", " "])
def test_signs_that_are_only_data_pass_unchanged(text: str) -> None:
    options = {"labels": [f"note={text}"]}
    host = host_values.host("web1", {"docker_engine_daemon_options": options}, (), "public")
    assert host.desired["docker_engine_daemon_options"] == options


def test_a_mistyped_variable_of_the_role_is_refused_with_the_right_one() -> None:
    with pytest.raises(InventoryError, match="'docker_engine_verison' is not known") as caught:
        host_values.host("web1", {"docker_engine_verison": "28.5.2"}, (), "public")
    assert caught.value.failure.hint == "did you mean docker_engine_version?"


@pytest.mark.parametrize(
    ("key", "value"),
    [("lock_timeout", "soon"), ("upgrade", "perhaps"), ("state", "gone"), ("daemon_options", 5)],
)
def test_a_value_of_a_wrong_type_is_refused_before_any_host(key: str, value: object) -> None:
    with pytest.raises(InventoryError) as caught:
        desired.checked("web1", {f"docker_engine_{key}": value})
    assert f"docker_engine_{key}" in caught.value.failure.message


def test_the_known_variables_are_those_of_the_role() -> None:
    options = set(yaml.safe_load(ROLE.read_text())["argument_specs"]["main"]["options"])
    words = ("run", "verb", "what", "access", "purge_data", "consent", "lock", "reboot")
    of_the_command = {"docker_engine_" + word for word in words}
    assert set(desired.KNOWN) == options - of_the_command


@pytest.mark.parametrize(
    "key", ["ansible_ssh_executable", "ansible_connection", "ansible_\x1b[31m", "ansible_" + "x" * 9999]
)
def test_a_variable_that_would_change_the_way_in_is_refused_in_one_line(tmp_path: Path, key: str) -> None:
    error = refusal(tmp_path, quoted({"all": {"hosts": {"web1": {key: "local"}}}}), "hosts.json")
    assert str(error).startswith("web1 sets ansible_")


@pytest.mark.parametrize(
    ("text", "name"),
    [("", "hosts.yml"), ("", "hosts.ini"), ("# only words\n", "hosts.ini"), ("---\n", "hosts.yml"),
     ("all:\n", "hosts.yml"), ('#!/bin/sh\necho "{}"\n', "hosts.sh")],
)  # fmt: skip
def test_an_empty_inventory_is_never_success(tmp_path: Path, text: str, name: str) -> None:
    error = refusal(tmp_path, text, name)
    assert "holds no host" in str(error) or error.failure.evidence == "Parsed empty YAML file"


@pytest.mark.parametrize(
    ("text", "words"),
    [("all:\n  hosts:\n    web1: {\n", r"YAML parsing failed.*hosts.yml:4:1"),
     ("all:\n  hosts:\n    web1: {}\n    web1: {}\n", r"duplicate mapping key 'web1'.*hosts.yml:4:5"),
     ("all:\n  hosts:\n    web1: 5\n", "expected dictionary"),
     ("all: {children: {a: {children: {b: {children: {a: {}}}}}}}\n", "recursive dependency loop")],
)  # fmt: skip
def test_a_broken_inventory_is_told_with_its_cause_and_place(tmp_path: Path, text: str, words: str) -> None:
    error = refusal(tmp_path, text)
    assert "cannot be read" in str(error)
    assert re.search(words, error.failure.evidence)
    assert error.failure.hint.startswith("look at it with: ansible-inventory --list -i ")


def test_an_inventory_of_10_mb_is_refused_at_once(tmp_path: Path) -> None:
    rows = "".join(f"    web{i}: {{ansible_host: 192.0.2.1}}\n" for i in range(250_000))
    started = time.monotonic()
    error = refusal(tmp_path, f"all:\n  hosts:\n{rows}")
    assert "is larger than 4 MB" in str(error)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("body", "words"),
    [("echo 'token expired' >&2; exit 1", "token expired"), ("exit 3", "exit code 3"),
     ("echo garbage", "could not be parsed as JSON"), ("true", "could not be parsed as JSON"),
     ("echo '[1, 2]'", "'list' instead of 'dict'"), (r"printf '\377\376'", "UTF-8"),
     ("""echo '{"web": {"hosts": "web1"}}'""", "'str' instead of 'list'")],
)  # fmt: skip
def test_a_dynamic_inventory_that_fails_or_prints_garbage_says_so(
    tmp_path: Path, body: str, words: str
) -> None:
    error = refusal(tmp_path, f"#!/bin/sh\n{body}\n", "hosts.sh")
    assert "cannot be read" in str(error)
    assert words in error.failure.evidence


def test_a_dynamic_inventory_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "READ_TIMEOUT_S", 4)
    pid = tmp_path / "pid"
    error = refusal(tmp_path, f"#!/bin/sh\nsleep 600 &\necho $! > {pid}\nwait\n", "hosts.sh")
    assert "did not end in 4 s" in str(error)
    end = time.monotonic() + 5  # it is killed, and nobody can wait for it: a busy machine takes a moment
    while is_running(int(pid.read_text())):
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_dynamic_inventory_without_an_end_does_not_eat_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MEMORY_CAP_BYTES", 512 << 20)
    assert "cannot be read" in str(refusal(tmp_path, "#!/bin/sh\nyes\n", "hosts.sh"))


def test_a_plugin_that_prints_among_the_listing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = tmp_path / "vars"
    plugins.mkdir()
    (plugins / "loud.py").write_text(LOUD)
    monkeypatch.setenv("ANSIBLE_VARS_PLUGINS", str(plugins))
    error = refusal(tmp_path, "all: {hosts: {web1: {}}}\n")
    assert "something other than an inventory" in str(error)
    assert error.failure.evidence == "loading the cloud"


@pytest.mark.parametrize("limit", ["", " "])
def test_an_empty_limit_is_an_error_and_never_all_hosts(tmp_path: Path, limit: str) -> None:
    with pytest.raises(NothingSelected, match="the limit is empty"):
        look(tmp_path, "all: {hosts: {web1: {}}}\n", limit=limit)


@pytest.mark.parametrize("limit", ["web1,wbe2", "web1:wbe2", "all:!wbe2", "web*:&wbe2", "wbe2"])
def test_an_unknown_name_in_a_limit_is_an_error_even_among_known_ones(tmp_path: Path, limit: str) -> None:
    error = refusal(tmp_path, "all: {children: {web: {hosts: {web1: {}, web2: {}}}}}\n", limit=limit)
    assert isinstance(error, NothingSelected)
    assert str(error).endswith("no host and no group is called wbe2")
    assert error.failure.evidence == "hosts: web1, web2; groups: web"


@pytest.mark.parametrize("limit", ["x*", "~(", "web[7]", "all:!all", "web1:&db"])
def test_a_pattern_that_matches_no_host_is_an_error(tmp_path: Path, limit: str) -> None:
    text = "all: {children: {web: {hosts: {web1: {}}}, db: {hosts: {db1: {}}}}}\n"
    assert "matches no host" in str(refusal(tmp_path, text, limit=limit))


@pytest.mark.parametrize(
    ("text", "limit", "words"),
    [("all: {hosts: {web1: {}}}", "", "the limit is empty"),
     ("all: {hosts: {web1: {}}}", "web1,web2", "no host and no group is called web2"),
     ('all: {hosts: {"w\\eb": {}}}', "all", r"the name 'w\x1bb' is refused"),
     ("all: {hosts: {web1: {ansible_password: hunter2}}}", "all", "password in plain text"),
     ("all: [", "all", "cannot be read")],
)  # fmt: skip
def test_a_person_sees_the_error_the_next_step_and_exit_code_1(
    tmp_path: Path, text: str, limit: str, words: str
) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yml").write_text(text)
    done = provision(tmp_path, "plan", "--limit", limit)
    assert done.returncode == 1
    assert words in " ".join(done.stderr.split())
    assert "Next" in done.stderr
    assert not [word for word in ("Traceback", "hunter2", "\x1b") if word in done.stderr]
    assert done.stdout == ""
    assert not (tmp_path / ".provision").exists()


def test_a_password_in_a_line_that_cannot_be_read_is_masked():
    said = "[WARNING]: Failed to parse inventory with 'ini' plugin: bad: web1 ansible_password='S3cret x"
    assert sources.cause(said) == "bad: web1 ansible_password=***"
