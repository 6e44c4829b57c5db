"""The fault harness draws the same faults from the same seed, and its table shows what it saw."""

from dataclasses import replace

from tests.lab.faults import harden, inject, lived_in, plan, table
from tests.lab.faults.table import Result


def result(fault: plan.Fault, recover_s: float, *problems: str) -> Result:
    return Result(fault, True, "killed", recover_s, 9.0, problems)


def test_the_same_seed_gives_the_same_faults_and_another_seed_gives_others() -> None:
    assert plan.draw(50, 7, 3) == plan.draw(50, 7, 3)
    assert plan.draw(50, 7, 3) != plan.draw(50, 8, 3)
    assert plan.draw(50, 7, 3)[:20] == plan.draw(20, 7, 3)


def test_every_kind_comes_once_before_any_comes_again_and_on_every_host() -> None:
    faults = plan.draw(2 * len(plan.KINDS), 1, 3)
    first, second = faults[: len(plan.KINDS)], faults[len(plan.KINDS) :]
    for deck in (first, second):
        assert {fault.kind for fault in deck} == set(plan.KINDS)
    assert {fault.host for fault in faults} == {"el1", "el2", "el3"}


def test_each_kind_has_a_maker_and_comes_only_where_it_can_strike() -> None:
    for fault in plan.draw(300, 1, 3):
        assert fault.kind.family in inject.FAMILIES
        assert fault.work in fault.kind.works
        assert fault.moment.count <= plan.STEPS[fault.work]


def test_the_table_counts_an_unrecovered_host_without_its_seconds() -> None:
    fault = replace(plan.draw(1, 1, 1)[0], kind=plan.Kind("kill", ("dnf", "SIGKILL")))
    text = table.markdown([result(fault, 2.0), result(fault, 4.0), result(fault, 90.0, "no end")])
    assert "| kill dnf SIGKILL | 3 | 3 | killed 3 | 2 of 3 | 3.0 | 4.0 |" in text
    assert text.splitlines()[-1].startswith("| all | 3 | 3 |")


def test_a_table_without_a_good_row_has_no_seconds() -> None:
    text = table.markdown([result(plan.draw(1, 1, 1)[0], 0.0, "no end")])
    assert "| 0 of 1 |  |  |" in text


def test_the_same_seed_kills_hardenings_at_the_same_moments() -> None:
    assert harden.draw(40, 7, 3) == harden.draw(40, 7, 3) != harden.draw(40, 8, 3)


def test_eighty_hardenings_meet_each_victim_with_a_good_and_a_broken_key() -> None:
    met = {(fault.kind.details[0], fault.kind.details[-1]) for fault in harden.draw(80, 1, 3)}
    assert met == {(who, key) for who in harden.WHO for key in ("key good", "key broken")}


def test_a_lived_in_pair_meets_each_kind_with_and_without_consent() -> None:
    faults = lived_in.draw(400, 1, 4)
    assert faults == lived_in.draw(400, 1, 4) != lived_in.draw(400, 2, 4)
    assert {fault.host for fault in faults} == {"el1", "el3"}
    assert {fault.work for fault in faults} == set(lived_in.WORKS)
    met = {(fault.kind.family, fault.kind.details, fault.kind.words) for fault in faults}
    assert met == {(each.family, each.details, words) for each in plan.KINDS for words in lived_in.CONSENT}
