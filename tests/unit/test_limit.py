"""--limit @last.failed and @RUN.failed."""

import pytest

from provision.errors import NothingSelected, UsageError
from provision.model import HostReport, Report, Status
from provision.pipeline import Request
from provision.report.files import write
from provision.workflows.runs import resolve


def ended(place, run, **statuses):
    hosts = tuple(HostReport(name, Status(status)) for name, status in statuses.items())
    write(Report(run, "fab provision", "", "", 1.0, 0, hosts), place, {})


def asked(limit):
    return Request("plan", f"fab plan --limit {limit} --diff", limit)


def test_last_failed_keeps_its_hosts_in_the_commands_that_follow(tmp_path):
    ended(tmp_path, "20261124-0218-7f3a", web1="failed", web2="changed", web3="unreachable")
    found = resolve(asked("@last.failed"), tmp_path)
    assert found.limit == "web1,web3"
    assert found.typed == "fab plan --limit @20261124-0218-7f3a.failed --diff"


def test_a_named_run_stays_the_one_that_is_meant(tmp_path):
    ended(tmp_path, "first", web1="failed")
    ended(tmp_path, "second", web1="ok")
    assert resolve(asked("@first.failed"), tmp_path) == Request("plan", asked("@first.failed").typed, "web1")
    with pytest.raises(NothingSelected, match="no host failed in run second"):
        resolve(asked("@last.failed"), tmp_path)


@pytest.mark.parametrize("limit", ["@last.failed", "@none.failed", "@../x.failed", "@last", "@"])
def test_a_run_that_is_not_there_is_refused(tmp_path, limit):
    with pytest.raises(UsageError):
        resolve(asked(limit), tmp_path)


def test_any_other_limit_is_ansibles(tmp_path):
    assert resolve(asked("web*:!web2"), tmp_path) == asked("web*:!web2")
