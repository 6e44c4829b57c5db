"""What goes in as data comes out as data: on the way to a shell, an ssh config and a file name."""

import shlex
import socket
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provision.credentials.entries import Kind, Owner, flaw, set_command
from provision.errors import InventoryError, UsageError
from provision.inventory import host_values
from provision.model import Credential, Host, Secret, Session
from provision.report import advice
from provision.report.files import log_name
from provision.ssh import config as sshconfig
from provision.ssh import elevate, remote
from tests.unit import hostile

STEPS = settings(max_examples=40)
FEW = settings(max_examples=15)  # each example starts several processes

# A shell that shows its arguments, and a sudo that wants a password first.
FAKES = {
    "sh": "#!/bin/sh\nprintf '%s\\0' \"$@\"\n",
    "sudo": "#!/bin/sh\nread -r password\nshift 4\nexec \"$@\"\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    place = tmp_path_factory.mktemp("fakes")
    for name, text in FAKES.items():
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    return place


def session(user="root"):
    return Session(Host("web1", "192.0.2.1", user=user), Path("/nowhere"))


def sent(command, stdin=b"", user="root", password=None):
    """Return the command and the stdin that ``remote.run`` passes to ssh."""
    caught = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote, "over_master", lambda _, text, *, stdin, **__: caught.append((text, stdin)))
        patch.setattr(remote, "sudo_password", lambda _: password)
        remote.run(session(user), command, stdin=stdin)
    return caught[0]


def shell(command, stdin=b"", path="/usr/bin:/bin"):
    """Do what sshd does: hand the command to the login shell."""
    return subprocess.run(
        ["/bin/sh", "-c", command], input=stdin, capture_output=True, env={"PATH": path}, check=True
    ).stdout


@STEPS
@given(hostile.os_text)
def test_a_command_for_root_reaches_the_inner_shell_as_it_was(fakes, text):
    command, _ = sent(text)
    assert shell(command, path=f"{fakes}:/usr/bin:/bin") == b"-c\0" + text.encode() + b"\0"


@FEW
@given(hostile.os_text, st.binary(max_size=40), hostile.os_text)
@example("é😀", b"\xff\x00\n", "'; id #")
def test_a_command_for_sudo_and_its_stdin_reach_the_shell_unchanged(fakes, text, data, password):
    secret = Secret(password.replace("\n", "") or "x")
    command, stdin = sent(f"printf %s {shlex.quote(text)}; cat", data, "ops", secret)
    # the login shell is the real one: only what sudo starts is found among the fakes
    out = shell(f"PATH={fakes}/only:$PATH; export PATH; {command}", stdin, _with_sudo(fakes))
    assert out == text.encode() + data


def _with_sudo(fakes):
    only = fakes / "only"
    only.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        (only / "sudo").symlink_to(fakes / "sudo")
    return "/usr/bin:/bin"


@FEW
@given(st.binary(max_size=60), hostile.text)
def test_a_program_finds_its_payload_whatever_password_came_before(payload, password):
    secret = Secret(password)
    ask = "import sys; getattr(sys.stdout, 'buffer', sys.stdout).write(stdin.read())"
    elevated = elevate.wrap(ask, payload, password=None if flaw(secret) else secret)
    assert shell(elevated.command, elevated.stdin) == payload


# --- the inventory's values, and the ssh configs made of them -----------------------------------------------

ADDRESSES = st.one_of(
    st.ip_addresses().map(str),
    hostile.text,
    hostile.name,
    st.tuples(st.ip_addresses(v=6).map(str), hostile.text).map("%".join),
    st.sampled_from(["fe80::1%eth0", "::ffff:192.0.2.1", "web1.example.org."]),
)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "ansible_host": ADDRESSES | hostile.json_value,
        "ansible_port": st.integers(-1, 70000) | hostile.json_value,
        "ansible_user": st.sampled_from(["root", "ops", "_x-1"]) | hostile.text | hostile.json_value,
        "ansible_become": hostile.json_value,
        "ansible_ssh_private_key_file": hostile.text.map("/keys/".__add__) | hostile.json_value,
        "jump_host": hostile.name | hostile.json_value,
        "host_key": hostile.json_value,
        "docker_engine_x": hostile.json_value,
    },
)
CREDENTIALS = (Credential(), Credential(password=Secret("x")), Credential(key_file=Path("/keys/id")))


@settings(max_examples=200)
@given(hostile.name, VALUES)
@example("web1", {"ansible_host": "fe80::1%x\n  ProxyCommand touch /tmp/harm"})
@example("web1", {"ansible_ssh_private_key_file": "~nobody-has-this-name/key"})
def test_any_value_gives_a_host_or_a_refusal(name, values):
    with suppress(InventoryError):
        host_values.host(name, values, (), "public")


HOSTS = st.builds(
    lambda name, address, user, port, key, jump: (name, {
        "ansible_host": address, "ansible_user": user, "ansible_port": port,
        "ansible_ssh_private_key_file": key, "jump_host": jump,
    }),
    hostile.name, ADDRESSES, st.from_regex("[a-z_][a-z0-9_-]{0,8}", fullmatch=True) | hostile.text,
    st.integers(1, 65535), st.none() | hostile.text.map("/keys/".__add__), st.none() | hostile.name,
)  # fmt: skip
OWN = ("host", "hostname", "port", "user", "hostkeyalias", "controlpath", "proxycommand", "identityfile")


def asked(config, name):
    """Return what ssh itself reads from ``config`` for ``name``: the host's own values, and the rest."""
    done = subprocess.run(["ssh", "-G", "-F", config, name], capture_output=True, text=True, check=True)
    options = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    return options, {key: value for key, value in options.items() if key not in OWN}


def written(address):
    """Return ``address`` in the form that ssh and the C library use."""
    try:
        found = socket.getaddrinfo(address, 22, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][4]
    except socket.gaierror:
        return address.lower()
    return socket.getnameinfo(found, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]


@STEPS
@given(HOSTS, st.sampled_from(CREDENTIALS))
@example(("web1", {"ansible_host": "fe80::1%eth0"}), CREDENTIALS[1])
@example(("Web1", {"ansible_ssh_private_key_file": "/keys/a b%h$c"}), CREDENTIALS[2])
def test_ssh_reads_back_the_host_that_went_in_and_nothing_more(tmp_path_factory, named, credential):
    name, values = named
    try:
        host = host_values.host(name, values, (), "public")
    except InventoryError:
        return
    place = tmp_path_factory.mktemp("run")
    own = replace(credential, key_file=credential.key_file and (host.key_file or credential.key_file))
    plain = (Host(name, "192.0.2.1"), credential)
    for make in (sshconfig.masters, sshconfig.clients):
        (place / make.__name__).write_text(make(place, [(7, host, own)]))
        (place / "plain").write_text(make(place, [(7, *plain)]))
        got, more = asked(place / make.__name__, name)
        assert more == asked(place / "plain", name)[1]
        assert (got["user"], got["controlpath"]) == (host.user, f"{place}/7")
        assert got["hostname"].lower() == written(host.address).lower()
        if make is sshconfig.masters:
            proxy = f"ssh -F {place}/clients -W [%h]:%p {host.jump}" if host.jump else None
            assert (got["port"], got["hostkeyalias"]) == (str(host.port), name.lower())
            assert got.get("proxycommand") == proxy


@FEW
@given(hostile.text.map("/keys/".__add__))
@example('/keys/a "b" \'\\c\\" %h %% $d ~ #e')
def test_ssh_opens_the_key_file_that_was_named_or_it_is_refused(tmp_path_factory, path):
    try:
        host = host_values.host("web1", {"ansible_ssh_private_key_file": path}, (), "public")
    except InventoryError:
        return
    config = tmp_path_factory.mktemp("run") / "masters"
    config.write_text(sshconfig.masters(config.parent, [(0, host, Credential(key_file=host.key_file))]))
    argv = ["ssh", "-v", "-F", config, "-o", "ProxyCommand=false", "web1"]
    done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    # ssh writes a path with its own escapes, of which only these two forms can be in a path that passes
    said = f"debug1: identity file {vis(str(host.key_file))} type -1".encode()
    assert said in done.stderr


def vis(path):
    return "".join(
        "".join(f"\\{byte:03o}" for byte in letter.encode()) if not letter.isascii() else letter
        for letter in path.replace("\\", "\\\\")
    )


# --- file names, and the names people type ------------------------------------------------------------------


@given(hostile.text)
def test_a_log_never_leaves_its_directory(name):
    found = Path("/runs/hosts") / log_name(name)
    assert found.parent == Path("/runs/hosts")
    assert found.name not in ("", ".", "..")
    assert found.name.isascii()


@given(hostile.name, hostile.name)
def test_two_hosts_never_share_a_log(one, other):
    assert (log_name(one) == log_name(other)) == (one == other)


@given(hostile.text)
@example("host/web1")
@example("group/all")
def test_an_owner_of_a_secret_is_refused_or_reads_back_the_same(text):
    with suppress(UsageError):
        owner = Owner.parse(text)
        assert Owner.parse(str(owner)) == owner
        typed = shlex.split(set_command(owner, Kind.SUDO).strip("`"))
        assert (Owner.parse(typed[2]), typed[3:]) == (owner, ["--kind", "sudo"])


@given(st.lists(hostile.os_text.filter(bool), max_size=3))
def test_the_next_command_holds_the_words_that_were_typed(words):
    options = [word for value in words for word in ("--inventory", value)]
    typed = shlex.join(["fab", "provision", *options])
    assert shlex.split(advice.again(typed)) == ["fab", "provision", *options, "--limit", "@last.failed"]
