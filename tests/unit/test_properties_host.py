"""What goes in as data comes out as data, on the host: os-release, .repo, dnf, rpm, daemon.json, OpenPGP."""

import base64
import configparser
import copy
import hashlib
import json
import textwrap
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provision.host import packages
from provision.host.engine import daemon, service
from provision.host.ground import facts, jsonfile
from provision.host.ground.channels import DOCKER
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine, Ran
from provision.host.packages import dnf_errors, openpgp, repository, signing_key, solver
from provision.host.runs import history, lock
from tests.unit import hostile

STEPS = settings(max_examples=60)
LINE = hostile.os_text.map(lambda text: text.replace("\n", "").replace("\r", ""))


class Said(Machine):
    """A host on which every command prints the same."""

    def __init__(self, out):
        Machine.__init__(self, "/nonexistent")
        self.out = out

    def run(self, argv, timeout_s=0, outlives=False):
        return Ran(0, self.out, "")


def kind_of(step):
    """Return the kind of the error that ``step`` raises, and what it returns."""
    try:
        return "", step()
    except HostError as error:
        return error.kind, None


# --- os-release ---------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["NAME", "ID", "ID_LIKE", "VERSION_ID", "PLATFORM_ID", "PRETTY_NAME"])


def quoted(value):
    """Write a value as os-release(5) says."""
    for sign in '\\"$`':
        value = value.replace(sign, "\\" + sign)
    return f'"{value}"'


@given(st.dictionaries(NAMES, LINE))
def test_each_value_of_an_os_release_is_read_as_it_was_written(values):
    text = "".join(f"{name}={quoted(value)}\n# a comment\n" for name, value in values.items())
    assert facts.parse_os_release(text) == values


@given(st.dictionaries(NAMES, st.from_regex(r"[A-Za-z0-9._:-]*", fullmatch=True)), st.sampled_from(["", "'"]))
def test_so_is_one_without_quotes_or_with_single_ones(values, quote):
    text = "".join(f"{name}={quote}{value}{quote}\n" for name, value in values.items())
    assert facts.parse_os_release(text) == values


@given(hostile.text)
def test_any_os_release_leads_to_a_repository_or_to_a_refusal(text):
    found = facts.Facts(facts.parse_os_release(text), "x86_64", "s")
    with suppress(HostError):
        repository.repo_text(found, {"channel": "stable", "mirror": "https://download.docker.com"})


# --- the .repo file -----------------------------------------------------------------------------------------

CENTOS = facts.Facts({"ID": "centos", "VERSION_ID": "10"}, "x86_64", "CentOS Stream 10 (x86_64)")


@settings(max_examples=200)
@given(hostile.text.map("https://mirror.example".__add__) | hostile.text, st.just("stable") | hostile.text)
@example("https://mirror.example/x\ngpgcheck=0", "stable")
@example("https://mirror.example/%20$releasever", "stable")
@example("https://mirror.example", "stable]\n[other")
def test_a_mirror_and_a_channel_change_only_the_address_or_are_refused(mirror, channel):
    try:
        text = repository.repo_text(CENTOS, {"channel": channel, "mirror": mirror})
    except HostError:
        return
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    assert parser.sections() == ["docker-ce-" + channel]
    assert dict(parser.items("docker-ce-" + channel)) == {
        "name": f"Docker CE {channel} (centos/10)",
        "baseurl": f"{mirror.rstrip('/')}/linux/centos/10/x86_64/{channel}",
        "enabled": "1", "gpgcheck": "1", "repo_gpgcheck": "0", "sslverify": "1",
        "gpgkey": "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-docker",
    }  # fmt: skip
    assert "$" not in text


# --- dnf and rpm --------------------------------------------------------------------------------------------

WORD = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,40}", fullmatch=True)
ROWS = st.builds(
    solver.Row,
    st.sampled_from(["install", "upgrade", "downgrade", "remove"]),
    WORD,
    st.sampled_from(["x86_64", "noarch", "aarch64"]),
    st.tuples(st.integers(0, 9), WORD).map(lambda pair: f"{pair[0]}:{pair[1]}"),
)
TITLES = {"install": "Installing", "upgrade": "Upgrading", "downgrade": "Downgrading", "remove": "Removing"}


def table(rows, width):
    """Lay rows out as dnf 4 does: a name too long for its column stands on a line of its own."""
    lines = ["Dependencies resolved.", "=" * 80, " Package   Arch   Version   Repository   Size", "=" * 80]
    for row in rows:
        name = f" {row.name}"
        if len(name) >= width:
            lines += [f"{TITLES[row.action]}:", name, f"{'':{width}} {row.arch} {row.evr} docker 1.0 M"]
        else:
            lines += [f"{TITLES[row.action]}:", f"{name:{width}} {row.arch} {row.evr} docker 1.0 M"]
    return "\n".join([*lines, "", "Transaction Summary", "=" * 80, f"Install  {len(rows)} Packages", ""])


@given(st.lists(ROWS, max_size=5), st.integers(8, 50), LINE)
def test_each_row_of_dnfs_table_is_read_whatever_stands_around_it(rows, width, noise):
    text = f"#{noise}\n{table(rows, width)}\n {noise}\n"
    assert solver.parse_transaction(text) == rows


@given(hostile.text)
def test_whatever_dnf_says_is_rows_and_one_typed_error(text):
    for row in solver.parse_transaction(text):
        assert all(row)
    error = dnf_errors.classify(text)
    assert error.kind
    assert error.message
    assert len(error.evidence) <= 300
    assert "\n" not in error.evidence


@given(hostile.text)
@example("docker-ce ")
@example("gpg-pubkey ")
def test_whatever_rpm_and_systemd_say_can_be_read(text):
    found = packages.Installed(Said(text))
    assert set(found.packages) <= set(DOCKER.packages)
    assert isinstance(service.Unit(Said(text)).words(), str)
    assert len(service.last_words(Said(text))) <= 300


VERSIONS = st.dictionaries(st.sampled_from(DOCKER.packages), WORD)


@given(VERSIONS, LINE)
def test_each_installed_package_is_read_whatever_stands_around_it(versions, noise):
    rows = [f"{name} 3:{version.replace('-', '.')}-1.el10.x86_64" for name, version in versions.items()]
    found = packages.Installed(Said("\n".join([f"package {noise} is not installed", *rows])))
    assert {name: found.version(name) for name in versions} == {
        name: version.replace("-", ".") for name, version in versions.items()
    }


# --- daemon.json --------------------------------------------------------------------------------------------

OBJECTS = st.dictionaries(hostile.text, hostile.json_value, max_size=4)
KEYS = st.sampled_from(["log-driver", "log-opts", "live-restore", "hosts", "debug"]) | hostile.text
OPTIONS = st.dictionaries(KEYS, hostile.json_value, max_size=4)
UNIT = "{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd --containerd=/run/containerd/c.sock ; }"


@given(OBJECTS)
def test_a_file_is_read_back_as_it_was_written(whole):
    assert jsonfile.parse(jsonfile.dump(whole).decode()) == whole


@given(OPTIONS, OPTIONS)
def test_an_overlay_wins_removes_with_null_and_leaves_its_inputs_alone(below, above):
    inputs = copy.deepcopy((below, above))
    merged = daemon.overlay(below, above)
    assert (below, above) == inputs
    assert {key: merged.get(key) for key in set(below) - set(above)} == {
        key: below[key] for key in set(below) - set(above)
    }
    for key, value in above.items():
        assert (key in merged) is (value is not None)
        if not isinstance(value, dict) and value is not None:
            assert merged[key] == value
    assert daemon.overlay(merged, above) == merged


@pytest.fixture(scope="module")
def quick():
    """Do not wait for the disk; whether data survive a power cut is not the question here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield


def machine_with(place, text):
    for folder in ("etc/docker", "var/lib/provision"):
        (place / folder).mkdir(parents=True)
    (place / "etc/docker/daemon.json").write_text(text, errors="surrogatepass")
    return Machine(str(place))


@pytest.mark.usefixtures("quick")
@settings(max_examples=60)
@given(OBJECTS.map(json.dumps) | OPTIONS.map(json.dumps) | hostile.text, OPTIONS)
@example('{"hosts": null}', {"hosts": 5})
@example('{"hosts": "tcp://0.0.0.0:2375"}', {})
@example("", {"hosts": ["0.0.0.0:2375"]})
@example('{"log-opts": null}', {"log-opts": None})
@example('{"log-opts": {"tag": "x"}}', {"log-driver": "syslog"})
def test_options_are_merged_into_the_file_and_an_undo_restores_it(tmp_path_factory, text, options):
    machine = machine_with(tmp_path_factory.mktemp("host"), text)
    before = machine.read(daemon.FILE)
    refused, changes = kind_of(lambda: daemon.plan(machine, {"daemon_options": options}, UNIT))
    if refused:
        assert refused == "daemon-config-refused"
        return
    for change in changes:
        change.apply()
    found = jsonfile.parse(before.decode("utf-8", "replace"))
    check_whole(json.loads(machine.text(daemon.FILE)), found, options)
    assert daemon.plan(machine, {"daemon_options": options}, UNIT) == []
    for change in changes:
        change.undo()
    assert machine.read(daemon.FILE) == before


def check_whole(whole, found, options):
    # log-opts go with their driver
    named = {key: value for key, value in daemon.overlay({}, options).items() if key != "log-opts"}
    assert {key: whole[key] for key in named} == named
    assert not [key for key, value in options.items() if value is None and key in whole]
    others = set(found or {}) - set(options) - {"log-opts"}
    assert {key: whole[key] for key in others} == {key: found[key] for key in others}
    assert all(str(socket).startswith(("unix://", "fd://")) for socket in whole.get("hosts") or ())


# --- the journal and the lock -------------------------------------------------------------------------------


@STEPS
@given(st.lists(hostile.text, min_size=1, max_size=3, unique=True), st.integers(0, 300))
def test_a_journal_cut_off_anywhere_is_read_to_there(tmp_path_factory, names, cut):
    place = tmp_path_factory.mktemp("host")
    folder = place / "var/lib/provision/r"
    folder.mkdir(parents=True)
    planned = [{"name": name, "lines": [], "records": []} for name in names]
    done = ({"event": "done", "number": number} for number in range(len(names)))
    events = [{"event": "plan", "changes": planned}, *done]
    text = "".join(json.dumps(event) + "\n" for event in events)
    read = text[: max(len(text) - cut, 0)]
    (folder / "journal").write_text(read)
    found = history.unended(Machine(str(place)))
    # before the plan is whole nothing was begun
    assert len(found) == (len(read) >= len(json.dumps(events[0])))
    assert all(past.left() == names[len(names) - len(past.left()) :] for past in found)


@given(hostile.text | hostile.json_value.map(json.dumps))
def test_whatever_the_lock_file_says_the_refusal_is_that_it_is_held(text):
    assert lock._refusal(text).kind == "lock-held"


# --- OpenPGP ------------------------------------------------------------------------------------------------


def old_header(tag, size):
    width = 0 if size < 256 else 1 if size < 65536 else 2
    return bytes([0x80 | tag << 2 | width]) + size.to_bytes(1 << width)


def new_header(tag, size):
    if size < 192:
        return bytes([0xC0 | tag, size])
    if size < 8384:
        return bytes([0xC0 | tag, (size - 192 >> 8) + 192, size - 192 & 0xFF])
    return bytes([0xC0 | tag, 255]) + size.to_bytes(4)


PACKETS = st.tuples(st.sampled_from([openpgp.PUBLIC_KEY, 2, 13, 14]), st.binary(max_size=400), st.booleans())


def armored(data, header, end):
    body = "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64))
    first, last = (f"-----{word} PGP PUBLIC KEY BLOCK-----" for word in ("BEGIN", "END"))
    return end.join("\n".join([first, *header, "", body, "=AAAA", last, ""]).split("\n")).encode()


@given(st.lists(PACKETS, min_size=1, max_size=4), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_every_key_of_a_file_is_counted_however_it_is_packed(packets, armor, end):
    data, wanted = b"", []
    for tag, rest, old in packets:
        body = b"\x04" + rest
        data += (old_header if old else new_header)(tag, len(body)) + body
        if tag == openpgp.PUBLIC_KEY:
            wanted.append(hashlib.sha1(b"\x99" + len(body).to_bytes(2) + body).hexdigest().upper())
    assert openpgp.fingerprints(armored(data, ["Version: x"], end) if armor else data) == wanted


@settings(max_examples=300)
@given(st.binary(max_size=60) | hostile.text.map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"\x98\x00")
@example(b"\xc6\xc0")
@example(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nA\n-----END PGP PUBLIC KEY BLOCK-----")
def test_any_key_file_is_taken_or_refused_as_a_wrong_key(data):
    assert kind_of(lambda: signing_key.checked_key(data, "AB" * 20)) == ("wrong-key", None)
