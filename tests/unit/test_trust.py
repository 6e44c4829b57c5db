"""Pins and the keys that hosts show: who is let on, who is refused, and how it is recorded."""

import base64
import hashlib
import multiprocessing
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import ChangedHostKey, InventoryError, NoAnswer, UnknownHostKey, UsageError
from provision.model import Host, HostKey
from provision.trust import read_pins, record, trust


def key(name="web1", seed="a", trust="console", kind="ssh-ed25519"):
    head, body = kind.encode(), hashlib.sha256(seed.encode()).digest()
    blob = b"".join(len(part).to_bytes(4) + part for part in (head, body))
    return HostKey(name, kind, base64.b64encode(blob).decode(), trust)


def host(name="web1", **values):
    return Host(name, "192.0.2.1", **values)


def unasked(asked):
    pytest.fail(f"asked {asked.name} over the network")


@pytest.fixture
def pins(tmp_path):
    return tmp_path / "inventory" / "known_hosts"


def test_a_pinned_host_costs_no_network(pins):
    record(pins, key(trust="tofu"))
    assert trust((host(),), pins, unasked) == {"web1": key(trust="tofu")}


def test_a_host_without_pin_and_fingerprint_is_refused_unasked(pins):
    refusal = trust((host(),), pins, unasked)["web1"]
    assert isinstance(refusal, UnknownHostKey)
    assert refusal.failure.hint == "fab hosts.trust web1"


def test_a_fingerprint_of_the_inventory_is_compared_and_pinned(pins):
    shown = key(trust="tofu")
    found = trust((host(host_key=shown.fingerprint),), pins, lambda _: [shown])
    assert found == {"web1": key(trust="console")}
    assert trust((host(),), pins, unasked) == found


def test_another_key_than_the_inventory_says_is_refused_with_both(pins):
    said, shown = key(seed="said").fingerprint, key(seed="shown")
    refusal = trust((host(host_key=said),), pins, lambda _: [shown])["web1"]
    assert isinstance(refusal, ChangedHostKey)
    assert f"inventory {said}, offered {shown.fingerprint}" in refusal.failure.evidence
    assert not pins.exists()


def test_a_pin_that_the_inventory_contradicts_is_refused_with_both(pins):
    pinned, said = key(seed="pinned"), key(seed="said").fingerprint
    record(pins, pinned)
    failure = trust((host(host_key=said),), pins, unasked)["web1"].failure
    assert failure.kind == "changed-host-key"
    assert failure.evidence == f"inventory {said}, pinned {pinned.fingerprint}"
    assert f"--replace {pinned.fingerprint}" in failure.hint


def test_one_host_that_cannot_be_asked_leaves_the_others(pins):
    def fetch(asked):
        if asked.name == "down":
            raise NoAnswer("no answer")
        return [key(asked.name)]

    hosts = tuple(host(name, host_key=key(name).fingerprint) for name in ("web1", "down", "web2"))
    found = trust(hosts, pins, fetch)
    assert isinstance(found["down"], NoAnswer)
    assert [found["web1"], found["web2"]] == [key("web1"), key("web2")]
    assert set(read_pins(pins)) == {"web1", "web2"}


def test_two_pins_swapped_refuse_both(pins):
    one, two = key("web1", "one"), key("web2", "two")
    record(pins, key("web1", "two"))
    record(pins, key("web2", "one"))
    hosts = (host("web1", host_key=one.fingerprint), host("web2", host_key=two.fingerprint))
    found = trust(hosts, pins, unasked)
    assert all(isinstance(each, ChangedHostKey) for each in found.values())


def test_a_second_type_of_key_may_be_the_one_that_the_inventory_names(pins):
    rsa = key(kind="ssh-rsa")
    pins.parent.mkdir()
    pins.write_text("".join(f"web1 {each.type} {each.key}\n" for each in (key(), rsa)))
    assert trust((host(host_key=rsa.fingerprint),), pins, unasked) == {"web1": rsa}


def test_of_several_pins_the_best_leads_and_the_others_stay_good(pins):
    ed, rsa = key(), key(kind="ssh-rsa")
    pins.parent.mkdir()
    pins.write_text("".join(f"web1 {each.type} {each.key}\n" for each in (rsa, ed)))
    found = trust((host(),), pins, unasked)["web1"]
    assert (found.type, [each.type for each in found.all]) == ("ssh-ed25519", ["ssh-ed25519", "ssh-rsa"])


def test_the_fingerprint_of_the_inventory_may_be_that_of_a_second_type(pins):
    ed, rsa = key(), key(kind="ssh-rsa")
    found = trust((host(host_key=rsa.fingerprint),), pins, lambda _: [ed, rsa])["web1"]
    assert found == key(kind="ssh-rsa")
    assert read_pins(pins) == {"web1": (found,)}


def test_pins_behind_a_symbolic_link_stay_there(pins, tmp_path):
    pins.parent.mkdir()
    pins.symlink_to(tmp_path / "pins")
    record(pins, key())
    assert pins.is_symlink()
    assert list(read_pins(pins)) == ["web1"]


def test_keys_of_several_types_are_pinned_together_and_replaced_together(pins):
    both = replace(key(), others=(key(kind="ssh-rsa"),))
    record(pins, both)
    assert len(read_pins(pins)["web1"]) == 2
    record(pins, key(seed="new"), replace=key(kind="ssh-rsa").fingerprint)
    assert read_pins(pins)["web1"] == (key(seed="new"),)


def test_a_further_type_of_a_pinned_host_needs_one_of_its_pins_beside_it(pins):
    record(pins, key())
    with pytest.raises(ChangedHostKey):
        record(pins, key(kind="ssh-rsa"))
    record(pins, replace(key(kind="ssh-rsa"), others=(key(),)))
    assert {pin.type for pin in read_pins(pins)["web1"]} == {"ssh-ed25519", "ssh-rsa"}


def test_the_line_is_name_type_key_and_trust_and_ssh_reads_it(pins):
    record(pins, key(trust="lab"))
    assert pins.read_text() == f"web1 ssh-ed25519 {key().key} trust=lab\n"
    found = subprocess.run(["ssh-keygen", "-l", "-F", "web1", "-f", pins], capture_output=True, text=True)
    assert key().fingerprint in found.stdout


def test_recording_keeps_every_other_line(pins):
    pins.parent.mkdir()
    others = f"# the office\n\ndb1 ssh-ed25519 {key().key}\n"
    pins.write_text(others)
    record(pins, key("web1"))
    assert pins.read_text().startswith(others)
    assert len(pins.read_text().splitlines()) == 4


def test_a_last_line_without_an_end_is_kept_whole(pins):
    pins.parent.mkdir()
    pins.write_text(f"db1 ssh-ed25519 {key().key}")
    record(pins, key("web1"))
    assert set(read_pins(pins)) == {"db1", "web1"}


def test_recording_the_same_key_again_changes_nothing(pins):
    record(pins, key(trust="tofu"))
    before = pins.read_text()
    record(pins, key(trust="lab"))
    assert pins.read_text() == before


def test_another_key_needs_the_old_fingerprint(pins):
    old, new = key(seed="old"), key(seed="new")
    record(pins, old)
    for wrong in (None, new.fingerprint):
        with pytest.raises(ChangedHostKey) as caught:
            record(pins, new, wrong)
        assert f"--replace {old.fingerprint}" in caught.value.failure.hint
    assert read_pins(pins)["web1"] == (old,)
    record(pins, new, replace=old.fingerprint)
    assert read_pins(pins)["web1"] == (new,)


def test_replacing_touches_no_other_host_with_the_same_key(pins):
    record(pins, key("web1", "old"))
    record(pins, key("web2", "old"))
    record(pins, key("web1", "new"), replace=key(seed="old").fingerprint)
    assert read_pins(pins)["web2"] == (key("web2", "old"),)


@pytest.mark.parametrize(
    "line",
    [
        "web1",
        "web1 ssh-ed25519",
        "web1 ssh-ed25519 not-base64",
        f"web1 ssh-rsa {key().key}",
        f"* ssh-ed25519 {key().key}",
        f"web1,web2 ssh-ed25519 {key().key}",
        f"[192.0.2.1]:2222 ssh-ed25519 {key().key}",
        f"|1|c2FsdA==|aGFzaA== ssh-ed25519 {key().key}",
        f"@cert-authority web1 ssh-ed25519 {key().key}",
        f"-oProxyCommand=x ssh-ed25519 {key().key}",
    ],
)
def test_a_line_that_is_no_pin_is_told_with_its_number(pins, line):
    pins.parent.mkdir()
    pins.write_text(f"# pins\n{line}\n")
    with pytest.raises(InventoryError, match=r"known_hosts:2: ") as caught:
        trust((host(),), pins, unasked)
    assert "name type key" in caught.value.failure.hint


def test_a_file_that_is_no_text_is_told(pins):
    pins.parent.mkdir()
    pins.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InventoryError, match="cannot be read"):
        read_pins(pins)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "inventory").write_text("a file where the directory should be")
    with pytest.raises((UsageError, InventoryError)):
        record(tmp_path / "inventory" / "known_hosts", key())


def test_no_half_written_file_is_left(pins):
    record(pins, key())
    assert [each.name for each in pins.parent.iterdir()] == ["known_hosts"]


def _record_ten(pins, letter):
    for number in range(10):
        record(pins, key(f"{letter}{number}", f"{letter}{number}"))


def test_two_writers_at_once_lose_no_pin(pins):
    spawn = multiprocessing.get_context("fork")
    writers = [spawn.Process(target=_record_ten, args=(pins, letter)) for letter in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert len(read_pins(pins)) == 20


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True), st.text())
def test_what_is_recorded_is_read_again(tmp_path_factory, name, seed):
    pins = tmp_path_factory.mktemp("pins") / "known_hosts"
    record(pins, key(name, seed, "tofu"))
    assert read_pins(pins) == {name: (key(name, seed, "tofu"),)}
