"""What a connected host collects: the lists of the repository, and what it says before it sends packages."""

import gzip
import hashlib
import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from provision.host.ground.errors import HostError
from provision.host.ground.facts import Facts, parse_os_release, system_name
from provision.host.ground.machine import Machine, Ran
from provision.host.packages import collect, metadata, openpgp, repository
from provision.host.packages.dnf import Dnf

# As rpm 4 prints the format of metadata.py.
SIGNED = "RSA/SHA256, Tue Nov  5 10:01:02 2024, Key ID c52feb6b621e9f35|(none)|(none)|(none)"
DOCKER = f"""\
package\tdocker-ce\t3\t28.5.2\t1.el9\tx86_64\t9000\t1700000000\tDocker <a@b>\td.src.rpm\t{SIGNED}
provide\tdocker-ce\t8\t3:28.5.2-1.el9
require\t/bin/sh\t1280\t
require\tcontainerd.io\t12\t1.7.27
require\t(docker-buildx-plugin if "x" < 1)\t0\t
require\t/usr/share/needed\t0\t
require\trpmlib(PayloadIsZstd)\t16777226\t5.4.18-1
conflict\tdocker-io\t2\t2:1-0.a
file\t/usr/bin/dockerd
file\t/usr/share/man/man1/d.1.gz
file\t/usr/share/needed
file\t/etc/docker/\u0151
"""
PLAIN = DOCKER.replace("docker-ce\t3", "docker-ce-cli\t1").replace(SIGNED, "(none)|(none)|(none)|(none)")
COMMON, RPM = "{http://linux.duke.edu/metadata/common}", "{http://linux.duke.edu/metadata/rpm}"
NAME = "docker-ce-28.5.2-1.el9.x86_64.rpm"


class Rpm(Machine):
    """A host whose rpm and dnf answer as on one; a dnf that fetches leaves a package."""

    def __init__(self, root, headers=DOCKER, fetches=True):
        super().__init__(str(root))
        self.headers = headers
        self.fetches = fetches
        self.calls = []
        self.said = []
        self.source = None

    def tell(self, words):
        self.said.append(words)

    def run(self, argv, timeout_s=60):
        self.calls.append(argv)
        if "--qf" in argv:
            return Ran(0, self.headers, "")
        if argv[0] == "rpm":
            return Ran(0, "system-release = 9.6\nsystem-release(releasever) = 9\n", "")
        (place,) = [word.partition("=")[2] for word in argv if word.startswith("--downloaddir=")]
        if self.fetches:
            Path(place, "docker-ce-28.5.2.rpm").write_bytes(b"package")
        return Ran(0, "", "Error: Unable to find a match: docker-ce-99")


def read(folder, name):
    return ElementTree.fromstring(gzip.decompress((folder / "repodata" / f"{name}.xml.gz").read_bytes()))


@pytest.fixture
def written(tmp_path):
    """The folder of a repository with one package, and the names of the files of its lists."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / NAME).write_bytes(b"package")
    headers = metadata.read(Rpm(tmp_path), ["x.rpm"])
    assert [header.signer for header in headers] == ["c52feb6b621e9f35"]
    return tmp_path, metadata.write(str(tmp_path), headers)


def test_the_lists_say_what_the_header_says(written):
    folder, _ = written
    (package,) = read(folder, "primary")
    assert package.find(f"{COMMON}version").attrib == {"epoch": "3", "ver": "28.5.2", "rel": "1.el9"}
    assert package.find(f"{COMMON}checksum").text == hashlib.sha256(b"package").hexdigest()
    assert package.find(f"{COMMON}location").get("href") == f"packages/{NAME}"
    found = package.find(f"{COMMON}format")
    assert found.find(f"{RPM}vendor").text == "Docker <a@b>"
    entries = {
        word: [dict(entry.attrib) for entry in found.find(f"{RPM}{word}s")]
        for word in ("provide", "require", "conflict", "obsolete")
    }
    assert entries == {
        "provide": [{"name": "docker-ce", "flags": "EQ", "epoch": "3", "ver": "28.5.2", "rel": "1.el9"}],
        "require": [
            {"name": "/bin/sh"},
            {"name": "containerd.io", "flags": "GE", "epoch": "0", "ver": "1.7.27"},
            {"name": '(docker-buildx-plugin if "x" < 1)'},
            {"name": "/usr/share/needed"},
        ],
        "conflict": [{"name": "docker-io", "flags": "LT", "epoch": "2", "ver": "1", "rel": "0.a"}],
        "obsolete": [],
    }
    files = [each.text for each in found.findall(f"{COMMON}file")]
    assert files == ["/usr/bin/dockerd", "/usr/share/needed", "/etc/docker/\u0151"]
    (every,) = read(folder, "filelists")
    assert len([each for each in every if each.tag.endswith("file")]) == 4


def test_the_list_of_lists_has_their_checksums(written):
    folder, names = written
    assert names == ["repodata/filelists.xml.gz", "repodata/primary.xml.gz", "repodata/repomd.xml"]
    root = ElementTree.fromstring((folder / "repodata/repomd.xml").read_bytes())
    space = "{http://linux.duke.edu/metadata/repo}"
    for each in root.findall(f"{space}data"):
        packed = (folder / each.find(f"{space}location").get("href")).read_bytes()
        for word, data in (("checksum", packed), ("open-checksum", gzip.decompress(packed))):
            assert each.find(f"{space}{word}").text == hashlib.sha256(data).hexdigest()


def test_a_package_without_a_signature_is_refused(tmp_path):
    with pytest.raises(HostError) as caught:
        metadata.read(Rpm(tmp_path, DOCKER + PLAIN), ["a.rpm", "b.rpm"])
    assert caught.value.kind == "package-signature"
    assert "docker-ce-cli" in caught.value.evidence


def test_a_file_that_rpm_cannot_read_is_an_error(tmp_path):
    with pytest.raises(HostError, match="rpm cannot read"):
        metadata.read(Rpm(tmp_path), ["a.rpm", "b.rpm"])


DESIRED = {
    "channel": "stable", "mirror": "https://mirror.example", "gpg_fingerprint": "AB" * 20, "gpg_key": "key",
    "version": "28.5.2", "upgrade": False, "accept_eol": False,
}  # fmt: skip


@pytest.fixture
def collecting(tmp_path, monkeypatch):
    """Return a function that collects on a host, and its machine."""
    (tmp_path / "var/tmp").mkdir(parents=True)
    (tmp_path / "etc/yum.repos.d").mkdir(parents=True)
    monkeypatch.setattr(openpgp, "fingerprints", lambda data: ["AB" * 20])
    monkeypatch.setattr(openpgp, "armored", lambda data: b"armored " + data)
    release = parse_os_release(
        'NAME="Rocky Linux"\nID="rocky"\nVERSION_ID="9.6"\nPLATFORM_ID="platform:el9"\n'
    )
    facts = Facts(release, "x86_64", system_name(release, "x86_64"))

    def run(machine, answer):
        machine.source, writer = os.pipe()
        os.write(writer, answer)
        os.close(writer)
        try:
            collect.collect(machine, facts, DESIRED, Dnf(machine, repository.REPO_FILE, ""))
        finally:
            os.close(machine.source)

    return run


def test_packages_are_announced_and_printed_on_request_and_nothing_is_left(tmp_path, collecting, capfdbinary):
    machine = Rpm(tmp_path)
    collecting(machine, b"\n")
    (said,) = [words["collected"] for words in machine.said if isinstance(words, dict)]
    assert (said["platform"], said["version"], said["signers"]) == (
        "rocky 9 x86_64", "28.5.2", ["c52feb6b621e9f35"],
    )  # fmt: skip
    names = [name for name, _, _ in said["members"]]
    assert (names[0], names[-1]) == ("key", f"packages/{NAME}")
    printed = capfdbinary.readouterr().out
    assert printed.startswith(b"armored key")
    assert printed.endswith(b"package")
    assert len(printed) == sum(size for _, size, _ in said["members"])
    (dnf,) = [argv for argv in machine.calls if argv[0] == "dnf"]
    assert {"--releasever=9", "--setopt=module_platform_id=platform:el9", "--downloadonly", "-y"} <= set(dnf)
    assert dnf[-6:] == ["install", "docker-ce-28.5.2", "docker-ce-cli-28.5.2", "containerd.io",
                        "docker-buildx-plugin", "docker-compose-plugin"]  # fmt: skip
    assert list((tmp_path / "var/tmp").iterdir()) == []
    json.dumps(machine.said)


def test_nothing_is_printed_unless_it_is_wanted(tmp_path, collecting, capfdbinary):
    collecting(Rpm(tmp_path), b"")
    assert capfdbinary.readouterr().out == b""


def test_without_packages_dnf_says_why(tmp_path, collecting):
    with pytest.raises(HostError, match="does not have this version"):
        collecting(Rpm(tmp_path, fetches=False), b"\n")
    assert list((tmp_path / "var/tmp").iterdir()) == []
