"""The file of a bundle: written whole or not at all, and refused when any byte of it differs."""

import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provision import bundle
from provision.bundle import Manifest, Member
from provision.errors import UsageError
from provision.ssh import answer, hostcode

CONTENTS = {
    "key": b"-----BEGIN PGP PUBLIC KEY BLOCK-----\xff",
    "repodata/repomd.xml": b"<repomd/>",
    "repodata/primary.xml.gz": b"p" * 1024,
    "packages/docker-ce-28.5.2-1.el10.x86_64.rpm": b"\xed\xab\xee\xdb" * 400,
}


def manifest(**other: object) -> Manifest:
    members = tuple(Member(n, len(d), hashlib.sha256(d).hexdigest()) for n, d in CONTENTS.items())
    made = Manifest("CentOS Stream 10 (x86_64)", "centos 10 x86_64", "stable", "28.5.2", ("a" * 16,), members)
    return replace(made, **other)  # type: ignore[arg-type]


def write(file: Path, data: bytes = b"".join(CONTENTS.values()), *, force: bool = False) -> None:
    with bundle.written(file, manifest(), replace=force) as take:
        for at in range(0, len(data), 700):  # cut elsewhere than between members
            take(data[at : at + 700])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bundle") / "b.tar"
    write(file)
    return file


def test_a_bundle_is_read_back_and_is_a_tar_archive(made: Path) -> None:
    found = bundle.read(made)
    assert found.manifest == manifest()
    assert found.key.encode("latin-1") == CONTENTS["key"]
    for name, data in CONTENTS.items():
        assert b"".join(bundle.pieces(found.row, [name])) == data
    with tarfile.open(made) as archive:
        assert archive.getnames() == ["manifest.json", "manifest.sha256", *CONTENTS]
    assert made.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in made.parent.iterdir()] == ["b.tar"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_bundle_with_any_bit_changed_is_refused(made: Path, tmp_path: Path, at: float, bit: int) -> None:
    data = bytearray(made.read_bytes())
    data[int(at * len(data))] ^= 1 << bit
    (tmp_path / "changed.tar").write_bytes(data)
    with pytest.raises(UsageError) as caught:
        bundle.read(tmp_path / "changed.tar")
    assert caught.value.failure.kind == "bundle"


def test_the_member_with_the_changed_byte_is_named(made: Path, tmp_path: Path) -> None:
    data = bytearray(made.read_bytes())
    data[bundle.read(made).offsets["repodata/repomd.xml"]] ^= 1
    (tmp_path / "changed.tar").write_bytes(data)
    with pytest.raises(UsageError, match=r"a byte of repodata/repomd\.xml, or beside it, has changed"):
        bundle.read(tmp_path / "changed.tar")


@pytest.mark.parametrize("cut", [0, 100, 512, 3000, -1, -1024])
def test_a_bundle_that_is_cut_short_is_refused(made: Path, tmp_path: Path, cut: int) -> None:
    (tmp_path / "short.tar").write_bytes(made.read_bytes()[:cut])
    with pytest.raises(UsageError, match="is refused"):
        bundle.read(tmp_path / "short.tar")


def test_a_file_that_goes_on_or_is_not_there_is_refused(made: Path, tmp_path: Path) -> None:
    (tmp_path / "long.tar").write_bytes(made.read_bytes() + b"\0")
    for name, words in (("long.tar", "does not end"), ("none.tar", "No such file"), ("", "Is a directory")):
        with pytest.raises(UsageError, match=words):
            bundle.read(tmp_path / name)


ROW = {
    "system": "s", "platform": "centos 10 x86_64", "channel": "stable", "version": "1", "signers": [],
    "members": [["key", 1, "0" * 64]],
}  # fmt: skip
DIGEST = "0" * 64


@pytest.mark.parametrize(
    "other",
    [
        {"members": [["key", 1, DIGEST], ["packages/../../etc/passwd", 1, DIGEST]]},
        {"members": [["key", 1, DIGEST], ["/etc/passwd", 1, DIGEST]]},
        {"members": [["key", 1, DIGEST], ["packages/.hidden", 1, DIGEST]]},
        {"members": [["key", 1, DIGEST], ["packages/a\n", 1, DIGEST]]},
        {"members": [["key", 1, DIGEST]] * 2},
        {"members": [["repodata/a", 1, DIGEST]]},
        {"members": [["key", 1, DIGEST], ["packages/a", -1, DIGEST]]},
        {"members": [["key", 1, DIGEST], ["packages/a", 1 << 40, DIGEST]]},
        {"members": [["key", 2 << 20, DIGEST]]},
        {"members": [["key", 1, "x"]]},
        {"members": [["key", 1]]},
        {"members": 7},
        {"members": []},
        {"signers": ["nobody"]},
        {"signers": 7},
        {"system": "\x1b[2J"},
        {"platform": "centos 10 x86_64\n"},
        {"version": "../28"},
        {"version": None},
    ],
)
def test_a_manifest_that_a_host_or_a_file_made_up_is_refused(other: dict[str, object]) -> None:
    bundle.manifest_of(ROW)
    with pytest.raises(ValueError, match="its manifest"):
        bundle.manifest_of(ROW | other)


def test_a_host_gets_nothing_but_members(made: Path) -> None:
    row = bundle.read(made).row
    for names in (["../../etc/shadow"], ["manifest.json"], [7], [["key"]]):
        with pytest.raises(ValueError, match="not a member"):
            b"".join(bundle.pieces(row, names))  # type: ignore[arg-type]


def test_a_host_is_not_told_where_the_file_is_and_gets_what_it_asks_for(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    def exchange(session: object, request: Any, on_step: object, on_wish: Any) -> tuple[str, str]:
        sent.append(request["bundle"])
        return b"".join(on_wish({"send": ["repodata/repomd.xml"]}).feed).decode(), ""

    monkeypatch.setattr(hostcode, "exchange", exchange)
    request = {"bundle": bundle.read(made).row}
    assert hostcode.over_session(cast(Any, None), request, print) == ("<repomd/>", "")
    assert set(sent[0]) == {
        "format", "system", "platform", "channel", "version", "signers", "members",
    }  # fmt: skip


@pytest.mark.parametrize("said", [{}, {"collected": 7}, {"collected": ROW | {"version": "../x"}}])
def test_a_host_that_announces_nonsense_is_a_typed_error(
    said: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostcode, "exchange", lambda session, request, on_step, on_wish: on_wish(said))
    with pytest.raises(answer.NoResult) as caught:
        hostcode.collect(cast(Any, None), {}, print, lambda manifest: bytearray().extend)
    assert caught.value.error["kind"] == "bundle"


@pytest.mark.parametrize(
    "data", [b"", b"".join(CONTENTS.values())[:-1], b"x" + b"".join(CONTENTS.values())[1:]]
)
def test_what_did_not_arrive_whole_leaves_no_file(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UsageError, match="did not arrive"):
        write(tmp_path / "b.tar", data)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_only_with_force(tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    file.write_text("theirs")
    with pytest.raises(UsageError, match="exists"):
        write(file)
    assert file.read_text() == "theirs"
    write(file, force=True)
    assert bundle.read(file).manifest == manifest()
    with pytest.raises(UsageError, match="is no directory"):
        write(tmp_path / "nowhere" / "b.tar")
