"""Percentages are exact to six decimals, and a split of a whole moves every cent."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.domain.money import (
    MAX_CENTS,
    PERCENT_UNIT,
    WHOLE,
    Cents,
    Percent,
    format_percent,
    parse_percent,
    percent_of,
    split,
)

MOST = 10_000
SAMPLES = 50_000


def fair_shares(total: int, percents: tuple[int, ...]) -> list[int]:
    """Split with exact fractions: floors, then a cent each to the largest remainders, the earlier one on a tie."""
    exact = [Fraction(total * percent, WHOLE) for percent in percents]
    cents = [int(share) for share in exact]
    if sum(percents) == WHOLE:
        left = total - sum(cents)
        for index in sorted(range(len(exact)), key=lambda at: (cents[at] - exact[at], at))[:left]:
            cents[index] += 1
    return cents


def whole_percentages() -> list[tuple[int, ...]]:
    """List the ways of cutting 100 into one to four whole percentages, in any order."""
    found: list[tuple[int, ...]] = [(100,)]
    for first in range(1, 100):
        found.append((first, 100 - first))
        for second in range(1, 100 - first):
            found.append((first, second, 100 - first - second))
            found.extend(
                (first, second, third, 100 - first - second - third) for third in range(1, 100 - first - second)
            )
    return found


def check_split(total: int, percents: tuple[int, ...]) -> None:
    scaled = tuple(percent * PERCENT_UNIT for percent in percents)

    parts = split(Cents(total), [Percent(percent) for percent in scaled])

    assert parts == fair_shares(total, scaled), (total, percents)
    assert sum(parts) == total


def test_a_sample_of_splits_into_whole_percentages_is_fair_and_complete():
    random = Random(0)
    ways = whole_percentages()
    for _ in range(SAMPLES):
        check_split(random.randrange(MOST + 1), ways[random.randrange(len(ways))])


def distinct_splits() -> Iterator[tuple[int, tuple[int, ...]]]:
    """Go through every total and every way, without those that only differ by whole hundreds of cents or in order.

    A hundred cents more add exactly a percentage to each part and leave every remainder as it was; which of two equal
    remainders comes first is the one thing that depends on the order, and the sample covers it.
    """
    for way in whole_percentages():
        if list(way) == sorted(way):
            yield from ((total, way) for total in range(100))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_split_up_to_a_hundred_dollars_is_fair_and_complete():
    for total, way in distinct_splits():
        scaled = tuple(percent * PERCENT_UNIT for percent in way)
        percents = [Percent(percent) for percent in scaled]
        small = fair_shares(total, scaled)
        for more in range((MOST - total) // 100 + 1):
            expected = [part + more * percent for part, percent in zip(small, way, strict=True)]
            assert split(Cents(total + 100 * more), percents) == expected, (total, more, way)


@given(st.integers(0, MAX_CENTS), st.lists(st.integers(0, WHOLE), max_size=8))
def test_a_split_of_anything_but_the_whole_is_floored(total: int, percents: list[int]):
    parts = split(Cents(total), [Percent(percent) for percent in percents])

    assert parts == fair_shares(total, tuple(percents))


@given(st.integers(0, MAX_CENTS), st.lists(st.integers(0, WHOLE), max_size=8))
def test_a_split_of_the_whole_moves_every_cent_and_nobody_gets_a_cent_too_many(total: int, cuts: list[int]):
    edges = [0, *sorted(cuts), WHOLE]
    percents = [Percent(high - low) for low, high in pairwise(edges)]

    parts = split(Cents(total), percents)

    assert sum(parts) == total
    assert parts == fair_shares(total, tuple(percents))
    assert all(abs(part - Fraction(total * percent, WHOLE)) < 1 for part, percent in zip(parts, percents, strict=True))


@pytest.mark.parametrize(
    ("total", "percents", "parts"),
    [
        pytest.param(1_000, ["50", "50"], [500, 500], id="even"),
        pytest.param(1_001, ["50", "50"], [501, 500], id="a_tie_goes_to_the_first"),
        pytest.param(100, ["33.3333", "33.3333", "33.3334"], [33, 33, 34], id="the_largest_remainder_gets_the_cent"),
        pytest.param(1, ["1", "99"], [0, 1], id="one_cent_goes_where_most_of_it_belongs"),
        pytest.param(99, ["10", "20"], [9, 19], id="less_than_the_whole_is_floored"),
        pytest.param(99, ["60", "60"], [59, 59], id="more_than_the_whole_is_floored"),
        pytest.param(0, ["30", "70"], [0, 0], id="nothing"),
        pytest.param(7, ["0", "100"], [0, 7], id="a_share_of_nothing"),
        pytest.param(7, [], [], id="nobody"),
    ],
)
def test_split(total: int, percents: list[str], parts: list[int]):
    assert split(Cents(total), [parse_percent(percent) for percent in percents]) == parts


@given(st.integers(0, MAX_CENTS), st.integers(0, WHOLE))
def test_a_percentage_of_an_amount_is_floored(amount: int, percent: int):
    assert percent_of(amount, Percent(percent)) == Fraction(amount * percent, WHOLE).__floor__()


@pytest.mark.parametrize(
    ("written", "millionths", "shortest"),
    [
        (20, 20_000_000, "20"),
        ("20", 20_000_000, "20"),
        (Decimal("20.00"), 20_000_000, "20"),
        ("33.3333", 33_333_300, "33.3333"),
        ("0.000001", 1, "0.000001"),
        ("99.999999", 99_999_999, "99.999999"),
        (Decimal("1e1"), 10_000_000, "10"),
        ("0.10", 100_000, "0.1"),
        (0, 0, "0"),
        ("100", WHOLE, "100"),
        ("100.000000", WHOLE, "100"),
    ],
)
def test_a_percentage_is_read_exactly_and_written_in_the_shortest_form(
    written: int | str | Decimal, millionths: int, shortest: str
):
    assert parse_percent(written) == millionths
    assert format_percent(Percent(millionths)) == shortest


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("", "is a number"),
        ("a tenth", "is a number"),
        ("20%", "is a number"),
        (True, "is a number"),
        (False, "is a number"),
        ("sNaN", "is a number"),
        ("1e999999999999999999", "is a number"),
        ("0.0000001", "six decimals"),
        ("33.33333333", "six decimals"),
        (Decimal("1e-7"), "six decimals"),
        ("NaN", "is a number"),
        (Decimal("NaN"), "is a number"),
        (-1, "from 0 to 100"),
        (Decimal("-0.000001"), "from 0 to 100"),
        (101, "from 0 to 100"),
        ("100.000001", "from 0 to 100"),
        ("Infinity", "is a number"),
        (Decimal("-Infinity"), "is a number"),
        (Decimal("1e999"), "six decimals"),
    ],
)
def test_what_is_not_a_percentage_is_refused(written: int | str | Decimal, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        parse_percent(written)


@pytest.mark.parametrize(
    "written", ["20.0000000000000000000000000001", Decimal("0.00000100000000000000000000000000001")]
)
def test_a_seventh_decimal_is_seen_however_far_out(written: str | Decimal):
    with pytest.raises(ValueError, match="six decimals"):
        parse_percent(written)


@pytest.mark.parametrize("written", ["1_0", " 10", "10\n", "\N{ARABIC-INDIC DIGIT ONE}", "+10"])
def test_a_percentage_is_written_in_plain_digits(written: str):
    with pytest.raises(ValueError, match="is a number"):
        parse_percent(written)


@given(st.integers(0, WHOLE))
def test_a_percentage_survives_writing_and_reading(percent: int):
    written = format_percent(Percent(percent))

    assert parse_percent(written) == percent
    assert parse_percent(Decimal(written)) == percent
    assert Fraction(written) == Fraction(percent, PERCENT_UNIT)
