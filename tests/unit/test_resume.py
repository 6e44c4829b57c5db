"""fab provision --resume: which run it goes on with, with which options, over which hosts."""

import os

import pytest

from provision.errors import UsageError
from provision.model import HostReport, Report, Status
from provision.report.files import write
from provision.tasks.root import provision
from provision.workflows.provisioning import read_again, resumed


def ended(place, run, command="fab provision", at=0, **statuses):
    hosts = tuple(HostReport(name, Status(status)) for name, status in statuses.items())
    written = write(Report(run, command, "", "", 1.0, 0, hosts), place, {})
    os.utime(written / "report.json", (at, at))


def test_the_last_provision_is_meant_and_not_what_was_looked_at_since(tmp_path, capsys):
    ended(tmp_path, "20261124-0218-b", at=1, web1="failed")
    ended(
        tmp_path, "20261124-0218-a", "fab provision --limit web --no-verify", at=2, web1="ok", web2="failed"
    )
    ended(tmp_path, "20261124-0219-c", "fab plan --limit @last.failed", at=3, web2="changed")
    line = resumed("fab provision --resume", tmp_path)
    assert line == "fab provision --no-verify --limit @20261124-0218-a.failed"
    said = capsys.readouterr().err
    assert "resuming run 20261124-0218-a: 1 of 2 hosts; 1 left out, they succeeded" in said


def test_options_of_the_last_run_are_kept_and_ones_given_now_win(tmp_path):
    before = "fab provision --limit=web --via private --lock-timeout 5 --inventory a.yml --output json"
    ended(tmp_path, "r", before, web1="unknown")
    values = read_again(provision, resumed("fab provision --resume --lock-timeout 60", tmp_path))
    assert (values["limit"], values["via"], values["lock_timeout"]) == ("@r.failed", "private", "60")
    assert (values["inventory"], values["output"], values["verify"]) == (["a.yml"], "text", True)


def test_without_a_run_there_is_nothing_to_go_on_with(tmp_path):
    ended(tmp_path, "r", "fab plan", web1="failed")
    with pytest.raises(UsageError, match="there is no run of fab provision"):
        resumed("fab provision --resume", tmp_path)


def test_a_consent_of_then_is_none_to_what_runs_now(tmp_path):
    ended(tmp_path, "r", "fab provision --allow-disruption --serial 2", web1="unreachable")
    line = resumed("fab provision --resume", tmp_path)
    assert line == "fab provision --serial 2 --limit @r.failed"
    assert read_again(provision, resumed("fab provision --resume --allow-disruption", tmp_path))[
        "allow_disruption"
    ]


def test_a_limit_to_all_is_taken_for_none(tmp_path):
    ended(tmp_path, "r", web1="failed")
    assert resumed("fab provision --resume --limit all", tmp_path) == "fab provision --limit @r.failed"
