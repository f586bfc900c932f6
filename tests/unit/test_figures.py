"""Amounts, durations and instants as people type them, and how they are told."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from sluiceway.cli.figures import read_amount, read_duration, read_instant, show_age, show_duration


@pytest.mark.parametrize(
    ("written", "currency", "cents"),
    [
        ("1500.00", "USD", 150_000),
        ("1500", "USD", 150_000),
        ("$1,500.05", "USD", 150_005),
        (" 0 ", "USD", 0),
        ("1500", "JPY", 1_500),
        ("1.500", "KWD", 1_500),
        ("100,000,000,000.00", "USD", 10**13),
    ],
)
def test_amounts_are_read_into_minor_units(written: str, currency: str, cents: int):
    assert read_amount(written, currency) == cents


@pytest.mark.parametrize(
    "written", ["", "-5", "1500.5", "1.500", "1,50", "15,00.00", "1e3", "a lot", "٣", "100000000000.01", "9" * 5_000]
)
def test_amounts_that_could_be_misread_are_refused(written: str):
    with pytest.raises(typer.BadParameter):
        read_amount(written)


@pytest.mark.parametrize("written", ["1500.00", "1.500"])
def test_an_amount_has_as_many_decimals_as_its_currency(written: str):
    with pytest.raises(typer.BadParameter):
        read_amount(written, "JPY")


def test_durations_are_read():
    assert read_duration("90d") == timedelta(days=90)
    assert read_duration("1W2d3h4m5s") == timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)
    assert read_duration("0m") == timedelta()


@pytest.mark.parametrize(
    "written", ["", "90", "d", "1h1d", "-1d", "1.5h", "1 d", "٣d", "9" * 20 + "d", "9" * 5_000 + "d"]
)
def test_other_durations_are_refused(written: str):
    with pytest.raises(typer.BadParameter):
        read_duration(written)


def test_instants_are_utc_unless_they_say_otherwise():
    assert read_instant("2027-01-31T09:00Z") == datetime(2027, 1, 31, 9, tzinfo=UTC)
    assert read_instant("2027-01-31T09:00-05:00") == datetime(2027, 1, 31, 14, tzinfo=UTC)
    assert read_instant("2027-01-31") == datetime(2027, 1, 31, tzinfo=UTC)
    for wrong in ("soon", "2027-02-30", "0001-01-01T00:00+05:00"):
        with pytest.raises(typer.BadParameter):
            read_instant(wrong)


@pytest.mark.parametrize(
    ("lasts", "brief", "whole"),
    [
        (timedelta(), "no time", "no time"),
        (timedelta(seconds=1), "1 second", "1 second"),
        (timedelta(days=2, hours=4, minutes=5), "2 days 4 hours", "2 days 4 hours 5 minutes"),
        (timedelta(days=1, seconds=3), "1 day", "1 day 3 seconds"),
        (-timedelta(hours=24), "1 day", "1 day"),
    ],
)
def test_durations_are_told_briefly_or_whole(lasts: timedelta, brief: str, whole: str):
    assert show_duration(lasts) == brief
    assert show_duration(lasts, is_brief=False) == whole


def test_ages():
    now = datetime(2027, 1, 31, tzinfo=UTC)

    assert show_age(now, now) == "just now"
    assert show_age(now - timedelta(minutes=5), now) == "5 minutes ago"
