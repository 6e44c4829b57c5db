"""A bundle on the host: members come when they are asked for, and are the only repository then."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import pytest

from provision.checks import facts as facts_of_a_check
from provision.host.ground.errors import HostError
from provision.host.ground.facts import Facts, parse_os_release, system_name
from provision.host.ground.machine import Machine, Ran
from provision.host.packages import bundle, openpgp, repository, signing_key
from provision.host.packages.bundle import BundleSource
from provision.host.packages.dnf import Dnf
from provision.host.packages.solver import Row

CONTENTS = {
    "key": b"k",
    "repodata/repomd.xml": b"<repomd/>",
    "packages/docker-ce-28.5.2-1.el10.x86_64.rpm": b"e" * 100_000,
    "packages/container-selinux-2.240-1.el10.noarch.rpm": b"s",
    "packages/glibc-2.39-1.el10.x86_64.rpm": b"g",
}
MEMBERS = [[name, len(data), hashlib.sha256(data).hexdigest()] for name, data in CONTENTS.items()]
TOLD = {"system": "CentOS Stream 10 (x86_64)", "platform": "centos 10 x86_64", "signers": ["ab" * 8],
        "members": MEMBERS}  # fmt: skip
ROWS = [
    Row("install", "docker-ce", "x86_64", "3:28.5.2-1.el10"),
    Row("remove", "glibc", "x86_64", "2.39-1.el10"),
    Row("upgrade", "container-selinux", "noarch", "4:2.240-1.el10"),
]


class Fed(Machine):
    """A host whose controller sends what is asked for, out of ``contents``."""

    def __init__(self, root, contents=CONTENTS):
        super().__init__(str(root))
        self.contents = contents
        self.said = []
        self.asked = []
        self._sent = tempfile.TemporaryFile(dir=str(root))  # noqa: SIM115 - open as long as the host is
        self.source = self._sent.fileno()

    def tell(self, words):
        if not isinstance(words, dict):
            self.said.append(words)
            return
        json.dumps(words)
        self.asked += words["send"]
        at = os.fstat(self.source).st_size
        os.pwrite(self.source, b"".join(self.contents[name] for name in words["send"]), at)

    def run(self, argv, timeout_s=60, outlives=False):
        return Ran(0, "", "")


@pytest.fixture
def root(tmp_path):
    for folder in ("var/tmp", "etc/yum.repos.d"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def facts(os_release, arch="x86_64"):
    release = parse_os_release(os_release)
    return Facts(release, arch, system_name(release, arch))


CENTOS_10 = 'NAME="CentOS Stream"\nID="centos"\nVERSION_ID="10"\n'


@pytest.mark.parametrize(
    ("os_release", "arch"),
    [
        (CENTOS_10, "aarch64"),
        (CENTOS_10.replace("10", "9"), "x86_64"),
        (CENTOS_10.replace("centos", "rocky"), "x86_64"),
    ],
)
def test_a_host_of_another_system_or_processor_is_refused_in_words(root, os_release, arch):
    found = BundleSource(Machine(str(root)), TOLD)
    found.refuse_elsewhere(facts(CENTOS_10))
    with pytest.raises(HostError, match=r"the bundle is for CentOS Stream 10 \(x86_64\)") as caught:
        found.refuse_elsewhere(facts(os_release, arch))
    assert (caught.value.kind, caught.value.refused) == ("other-bundle", True)


def solver(machine):
    return Dnf(machine, repository.REPO_FILE, "text", 30, BundleSource(machine, TOLD))


def test_the_bundle_is_the_only_repository_and_a_plan_takes_its_lists(root):
    (root / "etc/yum.repos.d/base.repo").write_text("[base]\nbaseurl=https://unreachable.example\n")
    machine = Fed(root)
    found = solver(machine)
    found.resolve("install", ["docker-ce"])
    (repo_file,) = Path(found.place(), "reposdir").iterdir()
    text = repo_file.read_text()
    assert f"baseurl=file://{found.place()}\n" in text
    assert {"gpgcheck=1", f"gpgkey=file://{signing_key.KEY_FILE}"} <= set(text.splitlines())
    assert machine.asked == ["repodata/repomd.xml"]
    found.close()
    assert list((root / "var/tmp").iterdir()) == []


def test_only_the_packages_of_the_plan_travel_and_each_of_them_once(root):
    machine = Fed(root)
    found = solver(machine)
    found.place()
    found.supply(ROWS)
    found.supply(ROWS)
    packages = [name for name in CONTENTS if name.startswith("packages/")]
    wanted, rest = sorted(packages[:2]), packages[2:]
    assert machine.asked == ["repodata/repomd.xml", *wanted]
    for name in wanted:
        assert Path(found.place(), name).read_bytes() == CONTENTS[name]
    found.perform("install", ["docker-ce"])
    assert machine.asked == ["repodata/repomd.xml", *wanted, *rest]


def test_a_transaction_that_nothing_resolved_before_takes_all_packages(root):
    machine = Fed(root)
    found = solver(machine)
    found.perform("reinstall", ["docker-ce"])
    packages = sorted(name for name in CONTENTS if name.startswith("packages/"))
    assert machine.asked == ["repodata/repomd.xml", *packages]
    assert len(list(Path(found.place(), "packages").iterdir())) == 3


def test_a_removal_takes_nothing(root):
    machine = Fed(root)
    solver(machine).perform("remove", ["docker-ce"])
    assert machine.asked == ["repodata/repomd.xml"]


def test_a_byte_that_changed_on_the_way_is_found(root):
    name = "packages/docker-ce-28.5.2-1.el10.x86_64.rpm"
    machine = Fed(root, CONTENTS | {name: b"x" + CONTENTS[name][1:]})
    found = solver(machine)
    found.place()
    with pytest.raises(HostError) as caught:
        found.supply(ROWS)
    assert caught.value.kind == "bundle-damaged"
    assert name in caught.value.evidence


def test_a_connection_that_ends_is_an_error_and_no_package(root):
    with pytest.raises(HostError) as caught:
        BundleSource(Fed(root, dict.fromkeys(CONTENTS, b"half")), TOLD).open(str(root), [])
    assert (caught.value.kind, caught.value.state) == ("bundle-cut", "nothing was changed")


def test_a_key_of_the_host_counts_if_it_has_signed_a_package(root, monkeypatch):
    folder = root / "etc/pki"
    folder.mkdir(parents=True)
    for name in ("signer", "other", "strange"):
        (folder / name).write_text(name)
    repos = [root / "etc/yum.repos.d" / f"{name}.repo" for name in ("base", "more")]
    repos[0].write_text("[a]\ngpgkey=file:///etc/pki/signer\n file:///etc/pki/other, file:///etc/pki/none\n")
    repos[1].write_text("[b]\ngpgkey=https://example.test/key file:///etc/pki/strange\n")

    def fingerprints(data, kinds):
        if data == b"strange":
            raise ValueError("not a key file")
        return [("ab" if data == b"signer" else "cd") * 20]

    monkeypatch.setattr(openpgp, "fingerprints", fingerprints)
    text = BundleSource(Fed(root), TOLD).open(
        str(root), ["/etc/yum.repos.d/base.repo", "/etc/yum.repos.d/more.repo"]
    )
    (line,) = [line for line in text.splitlines() if line.startswith("gpgkey=")]
    assert line == f"gpgkey=file://{signing_key.KEY_FILE} file:///etc/pki/signer file:///etc/pki/strange"


def wanted(**other):
    return {"channel": "stable", "mirror": "https://mirror.example", "gpg_fingerprint": "AB" * 20} | other


@pytest.mark.parametrize(
    ("there", "bundled", "kept"),
    [
        (None, True, False),
        (False, False, True),
        (False, True, True),
        (True, True, True),
        (True, False, False),
    ],
)
def test_with_a_bundle_the_repository_is_written_disabled_or_stays(root, there, bundled, kept):
    """``there`` is whether a bundle wrote the file that is there."""
    file = root / repository.REPO_FILE.lstrip("/")
    if there is not None:
        file.write_text(repository.repo_text(facts(CENTOS_10), wanted(bundled=there)))
    text = repository._kept(Machine(str(root)), facts(CENTOS_10), wanted(bundled=bundled), ())
    assert (there is not None and text == file.read_text()) is kept
    if not kept:
        assert ("\nenabled=0\n" in text) is bundled
        assert (repository.BUNDLED in text) is bundled


def test_the_checks_know_the_mark_of_a_disabled_repository():
    assert facts_of_a_check.BUNDLED == repository.BUNDLED


def test_the_platform_has_no_minor_version():
    assert bundle.platform(facts('ID="rocky"\nVERSION_ID="9.6"\n')) == "rocky 9 x86_64"
