"""The bits of the exit code."""

import math

import pytest

from provision.model import Change, Check, HostReport, Status, Verdict
from provision.report.exit_code import exit_code


def hosts(*statuses: Status) -> list[HostReport]:
    return [HostReport(f"h{number}", status) for number, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ((), 1),
        ((Status.OK,), 0),
        ((Status.OK, Status.CHANGED), 0),
        ((Status.OK, Status.FAILED), 2),
        ((Status.FAILED, Status.FAILED), 2),
        ((Status.SKIPPED,), 2),
        ((Status.UNREACHABLE,), 4),
        ((Status.REFUSED,), 8),
        ((Status.UNKNOWN,), 32),
        ((Status.FAILED, Status.UNREACHABLE), 6),
        ((Status.FAILED, Status.UNREACHABLE, Status.REFUSED, Status.UNKNOWN), 46),
    ],
)
def test_bits_add_up(statuses, code):
    assert exit_code(hosts(*statuses)) == code


@pytest.mark.parametrize(("tolerated", "code"), [(None, 6), (0, 6), (1, 6), (2, 2), (math.inf, 2)])
def test_tolerated_unreachable_hosts_cost_no_bit_up_to_their_number(tolerated, code):
    run = hosts(Status.UNREACHABLE, Status.UNREACHABLE, Status.FAILED)
    assert exit_code(run, tolerate_unreachable=tolerated) == code


def test_pending_changes_show_only_when_asked_for():
    run = [HostReport("h", Status.CHANGED, (Change("package docker-ce", "", "28.5.2"),))]
    assert exit_code(run) == 0
    assert exit_code(run, detailed=True) == 16
    assert exit_code(hosts(Status.OK), detailed=True) == 0


def test_a_failed_check_is_a_failure_whatever_the_status_says():
    assert exit_code([HostReport("h", Status.OK, checks=(Check("It runs.", Verdict.FAILED),))]) == 2


def test_an_advice_costs_no_bit():
    assert exit_code([HostReport("h", Status.OK, checks=(Check("It runs.", Verdict.ADVICE),))]) == 0
