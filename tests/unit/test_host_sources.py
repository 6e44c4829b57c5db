"""Where a host's packages come from: its mirrors, its proxy, its authorities, and files of others."""

import os
import time
from contextlib import ExitStack

import pytest

from provision.host.ground import secret
from provision.host.ground.errors import HostError
from provision.host.ground.facts import Facts
from provision.host.ground.machine import Machine
from provision.host.packages import repofile, repository, signing_key, sources
from provision.host.packages.dnf import Dnf
from tests.unit import served

FACTS = Facts({"ID": "almalinux", "VERSION_ID": "10.0"}, "x86_64", "AlmaLinux 10.0 (x86_64)")
PLACE = "/linux/rhel/10/x86_64/stable"
REPOMD = b'<?xml version="1.0"?>\n<repomd xmlns="x"></repomd>\n'
LOGIN = "ops:swordfish%24"


def wanted(*mirrors, **other):
    return {"channel": "stable", "mirror": list(mirrors), "gpg_fingerprint": "AB" * 20} | other


@pytest.fixture
def machine(tmp_path):
    return Machine(str(tmp_path))


def put(machine, path, text):
    place = machine.path(path)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "w") as stream:
        stream.write(text)


def mirror(asked, delay_s=0.0, body=REPOMD, status=200):
    def answer(path, _):
        asked.append(path)
        time.sleep(delay_s)
        return (status, body) if path.endswith("/repodata/repomd.xml") else (404, b"")

    return served.serving(answer)


@pytest.fixture
def mirrors():
    """Four mirrors: slow, fast, a login page, and one that answers nothing; and what they were asked."""
    asked = []
    with ExitStack() as stack:
        hosts = [
            stack.enter_context(each)
            for each in (mirror(asked, 0.4), mirror(asked), mirror(asked, body=b"<html>Please log in</html>"))
        ]
        yield [f"http://{host}" for host in (*hosts, "127.0.0.1:9")], asked


def test_the_first_mirror_that_answers_is_taken_and_all_are_reported(machine, mirrors):
    (slow, fast, portal, dead), asked = mirrors
    found, said = sources.settled(machine, FACTS, wanted(slow, portal, dead, fast), True)
    assert found["mirror"] == fast
    assert set(asked) == {PLACE + "/repodata/repomd.xml"}
    assert [words.rpartition(": ")[0] for words in said[:2]] == [fast, slow]
    assert said[0].endswith(" s, used")
    assert f"{portal}: its repomd.xml is none" in said
    assert any(words.startswith(dead + ": ") and "refused" in words for words in said)


def test_the_mirror_of_a_host_stays_while_it_answers(machine, mirrors):
    (slow, fast, portal, _), asked = mirrors
    put(machine, sources.REPO_FILE, repository.repo_text(FACTS, wanted(slow)))
    assert sources.settled(machine, FACTS, wanted(fast, slow), False) == (wanted() | {"mirror": slow}, [])
    assert asked == []
    assert sources.settled(machine, FACTS, wanted(fast, slow), True)[0]["mirror"] == slow
    put(machine, sources.REPO_FILE, repository.repo_text(FACTS, wanted(portal)))
    assert sources.settled(machine, FACTS, wanted(slow, fast, portal), True)[0]["mirror"] == fast


def test_a_mirror_that_left_the_list_is_replaced_at_once(machine, mirrors):
    (slow, fast, *_), _ = mirrors
    put(machine, sources.REPO_FILE, repository.repo_text(FACTS, wanted("https://old.example")))
    assert sources.settled(machine, FACTS, wanted(slow, fast), False)[0]["mirror"] == fast


@pytest.mark.parametrize(("behind_s", "first"), [(0.09, "http://a.example"), (0.11, "http://b.example")])
def test_of_mirrors_that_are_equally_fast_the_first_in_the_list_is_taken(
    machine, monkeypatch, behind_s, first
):
    both = ["http://a.example", "http://b.example"]
    answers = [sources.Answer(both[1], 0.2, ""), sources.Answer(both[0], 0.2 + behind_s, "")]
    monkeypatch.setattr(sources, "_answers", lambda *_: answers)
    found, said = sources.settled(machine, FACTS, wanted(*both), True)
    assert found["mirror"] == first
    assert [words.partition(": ")[0] for words in said] == both[::-1]


def test_one_mirror_is_taken_as_it_is(machine):
    assert sources.settled(machine, FACTS, wanted("http://127.0.0.1:9"), True)[1] == []


def test_mirrors_of_which_none_answers_are_named_with_each_reason(machine, mirrors):
    (_, _, portal, dead), _ = mirrors
    with pytest.raises(HostError) as caught:
        sources.settled(machine, FACTS, wanted(portal, dead), True)
    assert caught.value.kind == "repository-unreachable"
    assert portal + ": its repomd.xml is none" in caught.value.evidence
    assert dead + ": " in caught.value.evidence


@pytest.mark.parametrize("mirrors", [[], ["https://a.example", "https://b.example/$basearch"]])
def test_a_list_with_anything_but_plain_addresses_is_refused(machine, mirrors):
    with pytest.raises(HostError) as caught:
        sources.settled(machine, FACTS, wanted(*mirrors), True)
    assert caught.value.kind == "mirror-refused"


# --- a proxy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["inventory", "dnf.conf"])
def test_mirrors_and_the_key_are_asked_by_the_proxy_with_its_login(machine, place):
    asked, seen = [], []
    with mirror(asked) as host, served.proxying("ops:swordfish$", seen) as proxy:
        desired = wanted(f"http://{host}", "http://127.0.0.1:9")
        if place == "inventory":
            desired["proxy"] = secret.SecretText(f"http://{LOGIN}@{proxy}")
        else:
            words = f"proxy = http://{proxy}\nproxy_username = ops\nproxy_password = swordfish$\n"
            put(machine, "/etc/dnf/dnf.conf", "[main]\ngpgcheck=1\n" + words)
        found, _ = sources.settled(machine, FACTS, desired, True)
        assert found["mirror"] == f"http://{host}"
        assert f"http://{host}{PLACE}/repodata/repomd.xml" in seen
        with pytest.raises(HostError, match="signing key cannot be fetched") as caught:
            signing_key._download(machine, found)
        assert seen[-1] == f"http://{host}/linux/centos/gpg"
        assert "swordfish" not in str(caught.value.describe())


def test_a_login_that_the_proxy_refuses_is_an_error_without_it(machine):
    with served.proxying("another:login", []) as proxy:
        desired = wanted("http://a.example", proxy=secret.SecretText(f"http://{LOGIN}@{proxy}"))
        with pytest.raises(HostError) as caught:
            signing_key._download(machine, desired | {"mirror": "http://a.example"})
    assert "407" in caught.value.evidence
    assert "swordfish" not in str(caught.value.describe())


@pytest.mark.parametrize(
    "address", ["proxy:3128", "https://p:1", "http://u:p$releasever@p:1", "http://p:1\nx=1"]
)
def test_a_proxy_that_does_not_fit_is_refused_without_its_text(address):
    with pytest.raises(HostError) as caught:
        repository.repo_text(FACTS, wanted("https://a.example", proxy=secret.SecretText(address)))
    assert caught.value.kind == "proxy-refused"
    assert address not in str(vars(caught.value))


def repo_change(machine, desired):
    text = repository.repo_text(FACTS, desired)
    change = repository._RepoFile(machine, text.encode(), dress=repository._dress(machine, desired))
    change.apply()
    return change


def mode_of(machine):
    return oct(os.stat(machine.path(sources.REPO_FILE)).st_mode & 0o777)


def test_a_proxys_login_is_for_root_alone_and_in_no_diff(machine):
    put(machine, sources.REPO_FILE, "")
    one, two = (
        wanted("https://a.example", proxy=secret.SecretText(f"http://ops:{word}@p:1"))
        for word in ("swordfish", "halibut")
    )
    first = repo_change(machine, one)
    assert "proxy=http://ops:swordfish@p:1\n" in machine.text(sources.REPO_FILE)
    assert mode_of(machine) == "0o600"
    assert "+proxy=(secret)\n" in first.diff
    second = repo_change(machine, two)
    assert "+proxy=(secret changed)\n" in second.diff
    gone = repo_change(machine, wanted("https://a.example"))
    assert mode_of(machine) == "0o644"
    back = repository.plan_file_back(machine, first.content, first.dress, [])
    every = first.diff + second.diff + gone.diff + back[0].diff
    assert "swordfish" not in every
    assert "halibut" not in every
    assert "proxy=http://p:1" in repo_change(machine, wanted("https://a.example", proxy="http://p:1")).diff


# --- files of others --------------------------------------------------------------------------------------

OURS = repository.repo_text(FACTS, wanted("https://a.example"))
THEIRS = f"""\
# Ansible managed
[docker-ce-stable]
gpgkey = file:///etc/pki/rpm-gpg/RPM-GPG-KEY-docker
baseurl: https://a.example{PLACE}/
enabled = True
gpgcheck = yes
name = Docker

[docker-ce-test]
baseurl = https://a.example/test
enabled = 0
"""


def test_a_file_of_others_that_does_the_same_stays(machine):
    put(machine, sources.REPO_FILE, THEIRS)
    assert repository._kept(machine, FACTS, wanted("https://a.example"), ()) == THEIRS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gpgcheck = yes", "gpgcheck = 0"),
        ("gpgcheck = yes\n", ""),
        ("enabled = True", "enabled = 0"),
        ("enabled = 0", "enabled = 1"),
        ("file:///etc/pki/rpm-gpg/RPM-GPG-KEY-docker", "https://a.example/linux/centos/gpg"),
        ("stable/\n", "stable/\n  https://b.example\n"),
        ("name = Docker\n", "sslverify = false\n"),
        ("name = Docker\n", "mirrorlist = https://b.example\n"),
        ("name = Docker\n", "proxy = http://p:1\n"),
        ("name = Docker\n", "excludepkgs = docker-ce\n"),
        ("[docker-ce-stable]", "[theirs]"),
    ],
)
def test_a_file_that_decides_anything_else_is_replaced(machine, old, new):
    assert old in THEIRS
    put(machine, sources.REPO_FILE, THEIRS.replace(old, new))
    assert repository._kept(machine, FACTS, wanted("https://a.example"), ()) == OURS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        (OURS, f"https://a.example{PLACE}"),
        (OURS.replace("enabled=1", "enabled=0"), f"https://a.example{PLACE} (disabled)"),
        ("<html>", "not a .repo file"),
        ("[docker-ce-stable]\nbaseurl=http://u:p@h/x\n", "http://h/x"),
    ],
)
def test_what_was_in_the_file_is_told(text, words):
    assert repofile.described(text) == words


def test_dockers_repositories_in_other_files_are_told_and_taken_out():
    other = "[mine]\nbaseurl=https://x.example/docker\n"
    text = f"{other}[docker-ce-stable]\nbaseurl=https://u:p@m.example/docker-ce/linux\n[x]\nenabled=0\n"
    assert repofile.without_dockers(text) == other + "[x]\nenabled=0\n"
    assert repofile.dockers(text) == "[docker-ce-stable] https://m.example/docker-ce/linux"
    off = "[d]\nbaseurl=https://download.docker.com/linux/centos/9\nenabled=0\n"
    assert repofile.dockers(off).endswith("linux/centos/9 (disabled)")
    assert repofile.without_dockers(other) == other


def test_our_dnf_reads_our_file_and_authorities_and_no_other_of_dockers(machine):
    place = "/etc/yum.repos.d/"
    put(machine, place + "base.repo", "[base]\nbaseurl=https://base.example\n")
    put(
        machine,
        place + "a.repo",
        "[docker-ce-stable]\nbaseurl=https://dead.example\ngpgcheck=0\n[x]\nname=x\n",
    )
    os.makedirs(machine.path("/var/tmp"))
    solver = Dnf(machine, sources.REPO_FILE, "")
    desired = wanted("https://a.example", ca="authorities\n")
    repository.settle(machine, FACTS, desired, solver, True)
    folder = os.path.join(solver.place(), "reposdir")
    read = {name: open(os.path.join(folder, name)).read() for name in os.listdir(folder)}  # noqa: SIM115
    assert read.pop("docker-ce.repo") == repository.repo_text(FACTS, desired).replace(
        sources.CA_FILE, folder + "/docker-ca.pem"
    )
    assert read == {
        "base.repo": "[base]\nbaseurl=https://base.example\n",
        "a.repo": "[x]\nname=x\n",
        "docker-ca.pem": "authorities\n",
    }
    assert solver.repos.passed_over == [place + "a.repo: [docker-ce-stable] https://dead.example"]
    repository.settle(machine, FACTS, desired | {"ca": ""}, solver, True)
    assert "docker-ca.pem" not in os.listdir(os.path.join(solver.place(), "reposdir"))
    solver.close()
    assert os.listdir(machine.path("/var/tmp")) == []
