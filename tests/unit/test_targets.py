"""How far a target is."""

from datetime import date

import pytest

from sluiceway.domain.money import Cents
from sluiceway.domain.targets import Pace, Standing, Target, standing

_SET = date(2026, 1, 1)
_BY = date(2026, 4, 11)
"""A hundred days later."""


@pytest.mark.parametrize(
    ("balance", "pace", "short"),
    [(0, Pace.BELOW, 100_00), (99_99, Pace.BELOW, 1), (100_00, Pace.MET, 0), (250_00, Pace.MET, 0)],
)
def test_a_level_is_met_or_something_is_short(balance: int, pace: Pace, short: int):
    target = Target(Cents(100_00), None, _SET, Cents(0))

    assert standing(target, Cents(balance), date(2026, 2, 1)) == Standing(pace, Cents(short), None, None)


@pytest.mark.parametrize(
    ("today", "balance", "pace", "expected", "a_month"),
    [
        (date(2026, 1, 1), 200_00, Pace.ON_PACE, 200_00, 300_00),
        (date(2026, 1, 11), 299_99, Pace.BEHIND, 300_00, 300_01),
        (date(2026, 1, 11), 300_00, Pace.ON_PACE, 300_00, 300_00),
        (date(2026, 3, 22), 500_00, Pace.BEHIND, 1_000_00, 700_00),
        (date(2026, 3, 22), 1_200_00, Pace.MET, 1_000_00, 0),
        (date(2026, 5, 1), 1_199_99, Pace.BEHIND, 1_200_00, 1),
    ],
)
def test_an_amount_by_a_day_is_paced_evenly_from_what_was_there(
    today: date, balance: int, pace: Pace, expected: int, a_month: int
):
    target = Target(Cents(1_200_00), _BY, _SET, Cents(200_00))

    found = standing(target, Cents(balance), today)

    assert (found.pace, found.expected, found.a_month) == (pace, expected, a_month)


def test_whoever_had_enough_from_the_start_is_expected_to_keep_it():
    target = Target(Cents(100_00), _BY, _SET, Cents(150_00))

    assert standing(target, Cents(50_00), date(2026, 1, 2)).pace is Pace.BEHIND


def test_what_nobody_knows_is_not_judged():
    assert standing(Target(Cents(1), None, _SET, Cents(0)), None, _SET).pace is Pace.UNKNOWN
