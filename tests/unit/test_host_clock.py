"""A wrong clock is named as the cause of what it breaks, and of nothing else."""

import pytest

from provision.host.ground import clock
from provision.host.ground.errors import HostError

DAY_S = 86400


def told(kind, apart):
    error = HostError(kind, "the first message", "the first hint", "evidence").describe()
    return clock.explain(error, apart)


@pytest.mark.parametrize(
    ("apart", "words"),
    [(365 * DAY_S, "365 days ahead of"), (-399.9 * DAY_S, "400 days behind"), (7200, "2 hours ahead of")],
)
@pytest.mark.parametrize("kind", ["repository-tls", "package-signature", "wrong-key", "expired-key"])
def test_what_is_judged_by_time_names_the_clock_and_keeps_the_evidence(kind, apart, words):
    error = told(kind, apart)
    assert error["kind"] == "clock-off"
    assert words in error["message"]
    assert error["evidence"] == "evidence"
    assert "the first message" in error["meaning"]
    assert error["state"] == "nothing was changed"


@pytest.mark.parametrize(("kind", "apart"), [("disk-full", 365 * DAY_S), ("repository-tls", 1800)])
def test_other_errors_and_small_differences_are_left_alone(kind, apart):
    assert told(kind, apart)["kind"] == kind


def test_no_error_stays_none():
    assert clock.explain(None, 365 * DAY_S) is None
