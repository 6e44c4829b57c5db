"""The repository file of a host, and which key is believed."""

import shutil
import subprocess
import time

import pytest

from provision.host.ground.errors import HostError
from provision.host.ground.facts import Facts, parse_os_release, system_name
from provision.host.ground.machine import Machine, Ran
from provision.host.packages import openpgp, repository, signing_key

ALMA_10 = 'NAME="AlmaLinux"\nID="almalinux"\nVERSION_ID="10.0"\n'


def test_a_stand_in_is_called_one():
    release = {"NAME": "CentOS Stream", "VERSION_ID": "10", "VARIANT_ID": "stand-in"}
    assert system_name(release, "x86_64") == "CentOS Stream 10 stand-in (x86_64)"


def wanted(**other):
    return {
        "channel": "stable",
        "mirror": "https://mirror.example/docker-ce/",
        "gpg_fingerprint": "AB" * 20,
    } | other


def facts(text=ALMA_10):
    release = parse_os_release(text)
    return Facts(release, "x86_64", system_name(release, "x86_64"))


def test_the_repo_file_names_one_numeric_address_and_a_local_key():
    text = repository.repo_text(facts(), wanted())
    assert "baseurl=https://mirror.example/docker-ce/linux/rhel/10/x86_64/stable\n" in text
    assert "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-docker\n" in text
    assert "\ngpgcheck=1\n" in text
    assert "$" not in text


@pytest.fixture(scope="module")
def gpg(tmp_path_factory):
    """Return a function that runs gpg in a home of its own, with two keys in it."""
    if not shutil.which("gpg"):
        pytest.skip("gpg is not installed")
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)

    def run(*words):
        command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", "", *words]
        return subprocess.run(command, capture_output=True, check=True).stdout

    for name, kind in (("one@example.test", "rsa2048"), ("two@example.test", "ed25519")):
        run("--quick-gen-key", name, kind, "sign", "never")
    yield run
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def fingerprint_of(gpg, name):
    listing = gpg("--with-colons", "--list-keys", name).decode()
    return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr"))


@pytest.mark.parametrize("armor", [("--armor",), ()])
@pytest.mark.parametrize("name", ["one@example.test", "two@example.test"])
def test_the_fingerprint_is_the_one_that_gpg_shows(gpg, name, armor):
    exported = gpg(*armor, "--export", name)
    assert openpgp.fingerprints(exported) == [fingerprint_of(gpg, name)]


@pytest.mark.parametrize("armor", [("--armor",), ()])
def test_a_file_with_a_second_key_is_refused_even_if_one_matches(gpg, armor):
    both = gpg(*armor, "--export")
    with pytest.raises(HostError, match="holds 2 keys") as caught:
        signing_key.checked_key(both, fingerprint_of(gpg, "one@example.test"))
    assert caught.value.kind == "wrong-key"


def test_armor_that_readers_could_take_apart_in_two_ways_is_refused(gpg):
    one, two = (gpg("--armor", "--export", name) for name in ("one@example.test", "two@example.test"))
    inner = b"\n".join(one.splitlines()[:-1]) + b"\n" + two
    for both in (one + two, two + one, inner, b"words\n" + one, one.replace(b"\n\n", b"\n\n\n-----\n", 1)):
        with pytest.raises(HostError) as caught:
            signing_key.checked_key(both, fingerprint_of(gpg, "one@example.test"))
        assert caught.value.kind == "wrong-key"


@pytest.mark.parametrize("armor", [("--armor",), ()])
def test_rpm_is_given_armor_of_our_own_that_gpg_reads_as_the_same_key(gpg, tmp_path, armor):
    fingerprint = fingerprint_of(gpg, "one@example.test")
    ours = signing_key.checked_key(gpg(*armor, "--export", "one@example.test"), fingerprint)
    (tmp_path / "ours.asc").write_bytes(ours)
    shown = gpg("--show-keys", "--with-colons", str(tmp_path / "ours.asc")).decode()
    assert next(line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr")) == fingerprint
    assert openpgp.armored(ours) == ours


def test_another_key_is_refused_with_both_fingerprints(gpg):
    one, two = (fingerprint_of(gpg, name) for name in ("one@example.test", "two@example.test"))
    with pytest.raises(HostError) as caught:
        signing_key.checked_key(gpg("--export", "two@example.test"), one)
    assert caught.value.evidence == f"want {one} is {two}"


def test_a_fingerprint_with_spaces_and_small_letters_is_the_same(gpg):
    plain = fingerprint_of(gpg, "one@example.test")
    spaced = " ".join(plain[at : at + 4] for at in range(0, 40, 4)).lower()
    signing_key.checked_key(gpg("--export", "one@example.test"), spaced)


@pytest.fixture(scope="module")
def short_lived(gpg):
    """A key of January 2023 that was good for 30 days, and after that for a year; both exports."""
    then = ("--faked-system-time", "20230101T000000")
    gpg(*then, "--quick-gen-key", "short@example.test", "rsa2048", "sign", "30d")
    first = gpg("--armor", "--export", "short@example.test")
    fingerprint = fingerprint_of(gpg, "short@example.test")
    gpg("--faked-system-time", "20230110T000000", "--quick-set-expire", fingerprint, "2024-01-01")
    second = gpg("--export", "short@example.test")
    gpg("--yes", "--delete-secret-and-public-key", fingerprint)
    return fingerprint, first, second


def test_the_end_of_a_key_is_read_and_a_newer_signature_moves_it(gpg, short_lived):
    _, first, second = short_lived
    ends = [time.strftime("%Y-%m-%d", time.gmtime(openpgp.expiry(key))) for key in (first, second)]
    assert ends == ["2023-01-31", "2024-01-01"]
    assert openpgp.expiry(gpg("--export", "one@example.test")) is None


def test_an_expired_key_is_refused_with_its_last_day_before_its_import(short_lived, tmp_path):
    fingerprint, key, _ = short_lived
    desired = wanted(gpg_key=key.decode(), gpg_fingerprint=fingerprint)
    with pytest.raises(HostError) as caught:
        repository.plan(Machine(str(tmp_path)), facts(), desired, [])
    assert caught.value.kind == "expired-key"
    assert caught.value.evidence == fingerprint + " ended on 2023-01-31"


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"\x99\x01", b"\x99\x00\x02\x04\x00\xff\x01"])
def test_what_is_no_key_file_is_refused(data):
    with pytest.raises(HostError) as caught:
        signing_key.checked_key(data, "AB" * 20)
    assert caught.value.kind == "wrong-key"


def key_text(gpg):
    return gpg("--armor", "--export", "one@example.test").decode("latin-1")


def desired_with_key(gpg):
    return wanted(gpg_key=key_text(gpg), gpg_fingerprint=fingerprint_of(gpg, "one@example.test"))


def test_a_bare_host_gets_key_import_and_file_as_one_line(gpg, tmp_path):
    (change,) = repository.plan(Machine(str(tmp_path)), facts(), desired_with_key(gpg), [])
    (line,) = change.lines()
    short = fingerprint_of(gpg, "one@example.test")
    assert line["name"] == "repository docker-ce (rhel/10)"
    assert line["before"] == ""
    assert line["after"] == f"key {short[:4]}…{short[-4:]}"
    assert [part.name for part in change.parts][1] == "rpm key"


def put_right(gpg, tmp_path):
    desired = desired_with_key(gpg)
    for path, text in (
        (signing_key.KEY_FILE, key_text(gpg)),
        (repository.REPO_FILE, repository.repo_text(facts(), desired)),
    ):
        place = tmp_path / path.lstrip("/")
        place.parent.mkdir(parents=True)
        place.write_text(text)
    return desired, [desired["gpg_fingerprint"].lower()[-8:]]


def test_a_host_that_is_right_gets_nothing(gpg, tmp_path):
    desired, trusted = put_right(gpg, tmp_path)
    assert repository.plan(Machine(str(tmp_path)), facts(), desired, trusted) == []


def test_a_check_of_the_lists_that_somebody_switched_on_stays(gpg, tmp_path):
    desired, trusted = put_right(gpg, tmp_path)
    place = tmp_path / repository.REPO_FILE.lstrip("/")
    place.write_text(place.read_text().replace("repo_gpgcheck=0", "repo_gpgcheck=1"))
    assert repository.plan(Machine(str(tmp_path)), facts(), desired, trusted) == []
    moved = desired | {"mirror": "https://other.example"}
    assert "+repo_gpgcheck=0" in repository.plan(Machine(str(tmp_path)), facts(), moved, trusted)[0].diff


def test_a_set_is_held_and_let_go_by_one_line_of_our_file(gpg, tmp_path):
    desired, trusted = put_right(gpg, tmp_path)
    machine = Machine(str(tmp_path))
    (hold,) = repository.plan(machine, facts(), desired, trusted, ["docker-ce", "containerd.io"])
    assert (hold.lines()[0]["before"], hold.lines()[0]["after"]) == ("not held", "held")
    assert "+exclude=docker-ce containerd.io\n" in hold.diff
    (tmp_path / repository.REPO_FILE.lstrip("/")).write_bytes(hold.parts[0].content)
    assert repository.plan(machine, facts(), desired, trusted, ["docker-ce", "containerd.io"]) == []
    (unhold,) = repository.plan(machine, facts(), desired, trusted)
    assert (unhold.lines()[0]["before"], unhold.lines()[0]["after"]) == ("held", "not held")


def test_a_key_that_rpm_does_not_let_go_is_no_success(tmp_path):
    machine = Machine(str(tmp_path))
    refused = "error: can't create transaction lock on /var/lib/rpm/.rpm.lock"

    def run(argv):
        if "-e" in argv:
            return Ran(1, "", refused)
        return Ran(0, "a1aef1b5 gpg-pubkey-a1aef1b5-6b0501bb\n", "")

    machine.run = run
    with pytest.raises(HostError) as caught:
        signing_key.ImportKey(machine, "00" * 16 + "A1AEF1B5", []).undo()
    assert (caught.value.kind, caught.value.evidence) == ("package-lock-held", refused)


def test_a_good_key_on_the_host_is_not_fetched_again(gpg, tmp_path, monkeypatch):
    desired, trusted = put_right(gpg, tmp_path)
    del desired["gpg_key"]
    monkeypatch.setattr(signing_key, "_download", lambda url: pytest.fail("asked the network"))
    assert (
        repository.plan(Machine(str(tmp_path)), facts(), desired | {"gpg_key_url": "http://x"}, trusted) == []
    )


def test_another_mirror_is_a_change_with_both_addresses(gpg, tmp_path):
    desired, trusted = put_right(gpg, tmp_path)
    moved = desired | {"mirror": "https://other.example"}
    (change,) = repository.plan(Machine(str(tmp_path)), facts(), moved, trusted)
    assert "mirror.example" in change.before
    assert "other.example" in change.after
    assert "-baseurl=https://mirror.example" in change.diff


def test_absent_leaves_a_repo_file_that_is_not_ours(tmp_path):
    place = tmp_path / repository.REPO_FILE.lstrip("/")
    place.parent.mkdir(parents=True)
    place.write_text("[docker-ce-stable]\nbaseurl=https://theirs.example\n")
    assert repository.plan_absent(Machine(str(tmp_path)), wanted(), [], None) == []
