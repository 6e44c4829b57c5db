"""The audit file: one line for each thing done, private, whole, and never a secret."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from provision.errors import LoginRefused, StateUnusable
from provision.run.audit import Entry, record, recorded, whoami


def lines(state: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (state / "audit.jsonl").read_text().splitlines()]


def test_a_line_says_when_who_what_where_and_how_it_ended(tmp_path: Path) -> None:
    record(tmp_path, Entry("provision", "web1", "SHA256:x", "changed", "20261124-0218-7f3a"))
    (line,) = lines(tmp_path)
    assert line.pop("time").endswith("Z")
    assert line == {
        "who": whoami(), "verb": "provision", "host": "web1", "fingerprint": "SHA256:x",
        "result": "changed", "run": "20261124-0218-7f3a",
    }  # fmt: skip


def test_who_is_the_kernels_word_and_not_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert not whoami().startswith("somebody-else@")


def test_it_is_private_also_when_it_was_not(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").touch(mode=0o644)
    record(tmp_path, Entry("plan", "web1", "", "ok"))
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_an_error_is_recorded_by_its_kind_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(LoginRefused), recorded(tmp_path, "hosts.trust", "web1"):
        raise LoginRefused("the password hunter2 is wrong")
    assert lines(tmp_path)[0]["result"] == "login-refused"
    assert "hunter2" not in (tmp_path / "audit.jsonl").read_text()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateUnusable):
        record(tmp_path, Entry("plan", "web1", "", "ok"))
    assert not (tmp_path / "elsewhere").exists()


def test_no_room_is_a_typed_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StateUnusable, match=r"audit\.jsonl cannot be written"):
        record(tmp_path, Entry("plan", "web1", "", "ok"))


def test_a_line_that_is_cut_short_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda file, data: whole(file, data[:20]))
    with pytest.raises(StateUnusable, match=r"audit\.jsonl cannot be written"):
        record(tmp_path, Entry("plan", "web1", "", "ok"))


def _write_many(state: Path, host: str) -> None:
    for _ in range(50):
        record(state, Entry("plan", host, "f" * 300, "ok"), Entry("plan", host, "f" * 300, "ok"))


def test_two_writers_at_once_mix_no_lines(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_write_many, args=(tmp_path, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    hosts = [line["host"] for line in lines(tmp_path)]
    assert (hosts.count("a"), hosts.count("b")) == (100, 100)
