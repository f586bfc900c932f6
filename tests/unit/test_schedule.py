"""Stories of schedules: what each type means, what a clock change does to it, and what cannot be a schedule."""

import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from sluiceway.domain import schedule as module
from sluiceway.domain.schedule import (
    BadSchedule,
    Occurrence,
    Schedule,
    ScheduleType,
    latest_missed,
    next_fire,
    occurrences,
)
from tests.unit.schedule_oracle import DAY, utc, wall

TICK = timedelta(microseconds=1)
JUNEAU, NEW_YORK = "America/Juneau", "America/New_York"
END = utc("9999-12-31 23:59:59.999999")


def short(moment: datetime) -> str:
    return str(moment.replace(tzinfo=None)).removesuffix(":00")


def named(schedule: Schedule, after: datetime, count: int) -> list[str]:
    return [short(found.nominal) for found in occurrences(schedule, after, END, count)]


def told(found: Occurrence | None) -> str | None:
    """Write an occurrence as the tables do: what it is called, and when it fires in UTC."""
    return None if found is None else f"{short(found.nominal)} @ {short(found.at)}"


# ------------------------------------------------------------------------------------------------- what each type means


@pytest.mark.parametrize(
    ("kind", "start", "after", "names"),
    [
        ("ONE_TIME", "2026-05-06 07:08:09", "2026-05-01", ["2026-05-06 07:08:09"]),
        ("ONE_TIME", "2026-05-06 07:08:09", "2026-05-06 07:08:09", []),
        ("DAILY", "2024-02-28 09:00", "2024-01-01", ["2024-02-28 09:00", "2024-02-29 09:00", "2024-03-01 09:00"]),
        ("DAILY", "2024-02-28 09:00", "2100-02-28 08:59", ["2100-02-28 09:00", "2100-03-01 09:00"]),
        ("WEEKLY", "2026-12-25 00:00", "2026-12-01", ["2026-12-25 00:00", "2027-01-01 00:00", "2027-01-08 00:00"]),
        ("BI_WEEKLY", "2026-12-10 06:30", "2020-01-01", ["2026-12-15 06:30", "2027-01-01 06:30", "2027-01-15 06:30"]),
        ("BI_WEEKLY", "2026-01-01 06:30", "2020-01-01", ["2026-01-01 06:30", "2026-01-15 06:30", "2026-02-01 06:30"]),
        ("BI_WEEKLY", "2026-01-16 06:30", "2020-01-01", ["2026-02-01 06:30", "2026-02-15 06:30"]),
        ("MONTHLY", "2024-01-31 10:00", "2024-01-01", ["2024-01-31 10:00", "2024-02-29 10:00", "2024-03-31 10:00"]),
        ("MONTHLY", "2024-01-30 10:00", "2025-01-31", ["2025-02-28 10:00", "2025-03-30 10:00"]),
        ("MONTHLY", "2024-02-29 10:00", "2024-02-01", ["2024-02-29 10:00", "2024-03-29 10:00"]),
        ("MONTHLY", "2024-02-29 10:00", "2100-01-31", ["2100-02-28 10:00", "2100-03-29 10:00"]),
        ("MONTHLY", "2026-12-31 10:00", "2026-12-31 10:00", ["2027-01-31 10:00", "2027-02-28 10:00"]),
        # 2026 has 53 ISO weeks: after week 52 come 53 and 1, both odd, and then 2.
        ("EVERY_OTHER_WEEK", "2026-12-21 08:00", "2026-12-01", ["2026-12-21 08:00", "2027-01-11 08:00"]),
        # A start in an odd week waits for the even one.
        ("EVERY_OTHER_WEEK", "2026-01-01 08:00", "2025-01-01", ["2026-01-08 08:00", "2026-01-22 08:00"]),
        ("EVERY_OTHER_WEEK", "2027-12-30 08:00", "2027-01-01", ["2027-12-30 08:00", "2028-01-13 08:00"]),
    ],
)  # fmt: skip
def test_a_type_names_these_local_times_from_its_start_on(kind: str, start: str, after: str, names: list[str]) -> None:
    schedule = Schedule(ScheduleType(kind), wall(start))

    assert named(schedule, utc(after), max(1, len(names))) == names


@pytest.mark.parametrize("kind", ScheduleType)
def test_no_occurrence_is_before_the_start(kind: ScheduleType) -> None:
    schedule = Schedule(kind, wall("2026-06-10 12:00"))

    assert latest_missed(schedule, utc("2020-01-01"), utc("2026-06-10 11:59:59.999999")) is None
    first = next_fire(schedule, utc("0001-01-01"))
    assert first is not None
    assert first.nominal >= schedule.start


@pytest.mark.parametrize("kind", ["ONE_TIME", "DAILY", "WEEKLY", "MONTHLY"])
def test_a_start_is_itself_the_first_occurrence(kind: str) -> None:
    schedule = Schedule(ScheduleType(kind), wall("2026-06-10 12:00"))

    assert told(next_fire(schedule, utc("2020-01-01"))) == "2026-06-10 12:00 @ 2026-06-10 12:00"


@pytest.mark.parametrize("kind", ScheduleType)
def test_seconds_and_microseconds_are_kept(kind: ScheduleType) -> None:
    schedule = Schedule(kind, wall("2026-06-15 12:34:56.789012"), "America/New_York")

    found = next_fire(schedule, utc("2026-01-01"))

    assert found is not None
    assert found.nominal.time() == schedule.start.time()
    assert found.at.time() == wall("2026-01-01 16:34:56.789012").time()


@pytest.mark.parametrize("kind", ScheduleType)
def test_an_occurrence_is_after_the_microsecond_before_it_and_not_after_itself(kind: ScheduleType) -> None:
    schedule = Schedule(kind, wall("2026-06-15 12:00"), "Asia/Kathmandu")
    found = next_fire(schedule, utc("2026-01-01"))
    assert found is not None

    assert next_fire(schedule, found.at - TICK) == found
    assert next_fire(schedule, found.at) != found
    assert latest_missed(schedule, found.at - TICK, found.at) == found
    assert latest_missed(schedule, found.at, found.at) is None


# ------------------------------------------------------------------------------------------------ what clock changes do


@pytest.mark.parametrize(
    ("zone", "kind", "start", "after", "expected"),
    [
        # New York skips 02:00 to 03:00 on 8 March 2026 and shows 01:00 to 02:00 twice on 1 November.
        (NEW_YORK, "DAILY", "2026-03-01 01:59:59", "2026-03-08", "2026-03-08 01:59:59 @ 2026-03-08 06:59:59"),
        (NEW_YORK, "DAILY", "2026-03-01 02:00", "2026-03-08", "2026-03-08 02:00 @ 2026-03-08 07:00"),
        (NEW_YORK, "DAILY", "2026-03-01 02:30", "2026-03-08", "2026-03-08 02:30 @ 2026-03-08 07:00"),
        (NEW_YORK, "DAILY", "2026-03-01 02:30", "2026-03-08 07:00", "2026-03-09 02:30 @ 2026-03-09 06:30"),
        (NEW_YORK, "DAILY", "2026-03-01 03:00", "2026-03-08", "2026-03-08 03:00 @ 2026-03-08 07:00"),
        (NEW_YORK, "DAILY", "2026-03-01 01:30", "2026-11-01 00:00", "2026-11-01 01:30 @ 2026-11-01 05:30"),
        (NEW_YORK, "DAILY", "2026-03-01 01:30", "2026-11-01 05:30", "2026-11-02 01:30 @ 2026-11-02 06:30"),
        (NEW_YORK, "DAILY", "2026-03-01 02:00", "2026-11-01 05:59:59", "2026-11-01 02:00 @ 2026-11-01 07:00"),
        (NEW_YORK, "ONE_TIME", "2026-03-08 02:30", "2026-01-01", "2026-03-08 02:30 @ 2026-03-08 07:00"),
        (NEW_YORK, "ONE_TIME", "2026-11-01 01:30", "2026-11-01 05:30", None),
        (NEW_YORK, "WEEKLY", "2026-03-01 02:30", "2026-03-02", "2026-03-08 02:30 @ 2026-03-08 07:00"),
        (NEW_YORK, "MONTHLY", "2026-01-08 02:30", "2026-02-09", "2026-03-08 02:30 @ 2026-03-08 07:00"),
        # 8 March 2026 ends ISO week 10; 1 November 2026 ends week 44.
        (NEW_YORK, "EVERY_OTHER_WEEK", "2026-01-04 02:30", "2026-03-01", "2026-03-08 02:30 @ 2026-03-08 07:00"),
        (NEW_YORK, "EVERY_OTHER_WEEK", "2026-01-04 01:30", "2026-11-01", "2026-11-01 01:30 @ 2026-11-01 05:30"),
        (NEW_YORK, "BI_WEEKLY", "2026-01-01 01:30", "2026-11-01", "2026-11-01 01:30 @ 2026-11-01 05:30"),
        # Lord Howe moves by half an hour: it skips 02:00 to 02:30 on 4 October and repeats 01:30 to 02:00 on 5 April.
        ("Australia/Lord_Howe", "DAILY", "2026-01-01 02:15", "2026-10-03 15:00", "2026-10-04 02:15 @ 2026-10-03 15:30"),
        ("Australia/Lord_Howe", "DAILY", "2026-01-01 02:30", "2026-10-03 15:00", "2026-10-04 02:30 @ 2026-10-03 15:30"),
        ("Australia/Lord_Howe", "DAILY", "2026-01-01 01:45", "2026-04-04 14:00", "2026-04-05 01:45 @ 2026-04-04 14:45"),
        # Santiago, Havana and Cairo skip midnight itself; so did Sao Paulo until 2018.
        ("America/Sao_Paulo", "DAILY", "2018-01-01 00:00", "2018-11-04 02:00", "2018-11-04 00:00 @ 2018-11-04 03:00"),
        ("America/Sao_Paulo", "MONTHLY", "2018-01-04 00:00", "2018-11-01", "2018-11-04 00:00 @ 2018-11-04 03:00"),
        # Dublin calls its winter time the saving one; the clock does what London's does.
        ("Europe/Dublin", "DAILY", "2026-01-01 01:30", "2026-03-28 12:00", "2026-03-29 01:30 @ 2026-03-29 01:00"),
        ("Europe/Dublin", "DAILY", "2026-01-01 01:30", "2026-10-24 12:00", "2026-10-25 01:30 @ 2026-10-25 00:30"),
        # Kathmandu went from 5:30 to 5:45 at the new year of 1986.
        ("Asia/Kathmandu", "DAILY", "1985-01-01 00:10", "1985-12-31 12:00", "1986-01-01 00:10 @ 1985-12-31 18:30"),
        # Monrovia was behind by 44 minutes and 30 seconds until 7 January 1972.
        ("Africa/Monrovia", "DAILY", "1972-01-01 00:20", "1972-01-06 12:00", "1972-01-07 00:20 @ 1972-01-07 00:44:30"),
        # Kwajalein skipped 21 August 1993, and Manila the last day of 1844.
        ("Pacific/Kwajalein", "DAILY", "1993-08-01 09:00", "1993-08-21 00:00", "1993-08-21 09:00 @ 1993-08-21 12:00"),
        ("Asia/Manila", "DAILY", "1844-12-01 09:00", "1844-12-31 10:00", "1844-12-31 09:00 @ 1844-12-31 15:56:08"),
        # Juneau had 18 October 1867 twice (the transfer moved it across the date line).
        (JUNEAU, "DAILY", "1867-10-01 18:00", "1867-10-18", "1867-10-18 18:00 @ 1867-10-18 02:57:41"),
        (JUNEAU, "DAILY", "1867-10-02 18:00", "1867-10-18 02:57:41", "1867-10-19 18:00 @ 1867-10-20 02:57:41"),
    ],
)  # fmt: skip
def test_a_skipped_time_fires_after_the_gap_and_a_repeated_one_fires_once(
    zone: str, kind: str, start: str, after: str, expected: str | None
) -> None:
    assert told(next_fire(Schedule(ScheduleType(kind), wall(start), zone), utc(after))) == expected


def test_the_day_that_apia_skipped_still_fires_when_the_next_one_begins() -> None:
    nine_o_clock = Schedule(ScheduleType.DAILY, wall("2011-12-01 09:00"), "Pacific/Apia")

    found = occurrences(nine_o_clock, utc("2011-12-29"), utc("2012-01-01"), 10)

    assert [told(one) for one in found] == [
        "2011-12-29 09:00 @ 2011-12-29 19:00",
        "2011-12-30 09:00 @ 2011-12-30 10:00",
        "2011-12-31 09:00 @ 2011-12-30 19:00",
        "2012-01-01 09:00 @ 2011-12-31 19:00",
    ]


def test_two_midnights_at_one_instant_fire_once_under_the_name_that_the_clock_shows() -> None:
    midnight = Schedule(ScheduleType.DAILY, wall("2011-12-01 00:00"), "Pacific/Apia")

    found = [told(one) for one in occurrences(midnight, utc("2011-12-29 09:00"), utc("2012-01-01"), 10)]

    assert found == [
        "2011-12-29 00:00 @ 2011-12-29 10:00",
        "2011-12-31 00:00 @ 2011-12-30 10:00",
        "2012-01-01 00:00 @ 2011-12-31 10:00",
    ]
    assert told(latest_missed(midnight, utc("2011-12-29"), utc("2011-12-30 10:00"))) == found[1]


def test_a_single_run_on_a_day_that_never_was_keeps_its_own_name() -> None:
    once = Schedule(ScheduleType.ONE_TIME, wall("2011-12-30 00:00"), "Pacific/Apia")

    assert told(next_fire(once, utc("2011-01-01"))) == "2011-12-30 00:00 @ 2011-12-30 10:00"


# ------------------------------------------------------------------------------------------------------- after downtime


@pytest.mark.parametrize(
    ("kind", "start", "after", "until", "expected"),
    [
        ("DAILY", "2024-01-01 09:00", "2026-01-01", "2026-03-01 08:59:59", "2026-02-28 09:00"),
        ("DAILY", "2024-01-01 09:00", "2026-01-01", "2026-03-01 09:00", "2026-03-01 09:00"),
        ("DAILY", "2024-01-01 09:00", "2026-03-01 09:00", "2026-03-02 08:00", None),
        ("WEEKLY", "2024-01-01 09:00", "2024-01-01", "2026-07-01", "2026-06-29 09:00"),
        ("BI_WEEKLY", "2024-01-01 09:00", "2024-01-01", "2027-01-01 08:00", "2026-12-15 09:00"),
        ("MONTHLY", "2024-01-31 09:00", "2024-01-01", "2025-03-30", "2025-02-28 09:00"),
        ("EVERY_OTHER_WEEK", "2024-01-01 09:00", "2024-01-01", "2027-01-11 08:59", "2026-12-21 09:00"),
        ("ONE_TIME", "2024-01-01 09:00", "2000-01-01", "9999-12-31", "2024-01-01 09:00"),
        ("ONE_TIME", "2024-01-01 09:00", "2024-01-01 09:00", "9999-12-31", None),
        ("DAILY", "2024-01-01 09:00", "2026-03-01", "2026-02-01", None),
    ],
)
def test_after_downtime_only_the_latest_missed_occurrence_counts(
    kind: str, start: str, after: str, until: str, expected: str | None
) -> None:
    found = latest_missed(Schedule(ScheduleType(kind), wall(start)), utc(after), utc(until))

    assert (found and short(found.nominal)) == expected


def test_a_listing_ends_at_its_limit_or_at_its_last_instant() -> None:
    schedule = Schedule(ScheduleType.DAILY, wall("2026-01-01 09:00"))

    assert len(list(occurrences(schedule, utc("2026-01-01"), utc("2026-01-31"), 5))) == 5
    assert len(list(occurrences(schedule, utc("2026-01-01"), utc("2026-01-05 09:00"), 50))) == 5
    assert list(occurrences(schedule, utc("2026-01-01"), utc("2026-01-05"), 0)) == []
    assert list(occurrences(schedule, utc("2026-01-05"), utc("2026-01-01"), 5)) == []


# -------------------------------------------------------------------------------------------- what cannot be a schedule


@pytest.mark.parametrize(
    "zone",
    [
        "", " ", "Mars/Olympus", "America", "utc", "america/new_york", "UTC+1", "+01:00", "EST5", "Europe/Berlin ",
        "localtime", "Factory", "posixrules", "posix/Europe/Berlin", "right/UTC", "zone.tab", "tzdata.zi",
        "../etc/passwd", "/usr/share/zoneinfo/UTC", "a\0b", "\udc80", "Zürich", "x" * 5000,
    ],
)  # fmt: skip
def test_a_zone_that_is_not_in_the_database_is_refused(zone: str) -> None:
    with pytest.raises(BadSchedule) as caught:
        Schedule(ScheduleType.DAILY, wall("2026-01-01"), zone)

    assert caught.value.field == "zone"
    assert str(caught.value) == "zone: is not a name in the time-zone database"


@pytest.mark.parametrize("offset", [UTC, timezone(timedelta(hours=2)), ZoneInfo("Europe/Berlin")])
def test_a_start_with_an_offset_is_refused(offset: tzinfo) -> None:
    with pytest.raises(BadSchedule) as caught:
        Schedule(ScheduleType.DAILY, wall("2026-01-01").replace(tzinfo=offset))

    assert caught.value.field == "start"
    assert isinstance(caught.value, ValueError)


def test_an_instant_without_an_offset_breaks_a_promise() -> None:
    schedule = Schedule(ScheduleType.DAILY, wall("2026-01-01"))

    with pytest.raises(AssertionError):
        next_fire(schedule, wall("2026-01-01"))


def test_a_start_marked_as_the_second_of_two_is_the_same_schedule() -> None:
    first = Schedule(ScheduleType.MONTHLY, wall("2026-11-01 01:30"), "America/New_York")
    second = Schedule(ScheduleType.MONTHLY, wall("2026-11-01 01:30").replace(fold=1), "America/New_York")

    assert first == second
    for kind in ScheduleType:
        found = next_fire(Schedule(kind, second.start, second.zone), utc("2026-10-31"))
        assert found is not None
        assert found.nominal.fold == 0
    assert told(next_fire(second, utc("2026-10-31"))) == "2026-11-01 01:30 @ 2026-11-01 05:30"


# ----------------------------------------------------------------------------------------------------- its surroundings


@pytest.mark.parametrize("machine_zone", ["UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia"])
def test_the_zone_of_the_machine_does_not_matter(machine_zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = Schedule(ScheduleType.DAILY, wall("2026-03-01 02:30"), "America/New_York")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", machine_zone)
        time.tzset()
        found = list(occurrences(schedule, utc("2026-03-07"), utc("2026-03-10"), 9))
    time.tzset()

    assert [told(one) for one in found] == [
        "2026-03-07 02:30 @ 2026-03-07 07:30",
        "2026-03-08 02:30 @ 2026-03-08 07:00",
        "2026-03-09 02:30 @ 2026-03-09 06:30",
    ]


def test_an_instant_may_come_in_any_zone_and_on_either_side_of_a_clock_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    schedule = Schedule(ScheduleType.DAILY, wall("2026-10-01 00:45"))
    first, second = (wall("2026-10-25 02:30").replace(tzinfo=berlin, fold=fold) for fold in (0, 1))

    assert told(next_fire(schedule, first)) == "2026-10-25 00:45 @ 2026-10-25 00:45"
    assert told(next_fire(schedule, second)) == "2026-10-26 00:45 @ 2026-10-26 00:45"
    assert told(latest_missed(schedule, first, second)) == "2026-10-25 00:45 @ 2026-10-25 00:45"
    assert latest_missed(schedule, second, first) is None


def test_another_release_of_the_zone_can_stand_in() -> None:
    schedule = Schedule(ScheduleType.DAILY, wall("2026-01-01 09:00"), "Europe/Berlin")
    moved = timezone(timedelta(hours=3))

    assert told(next_fire(schedule, utc("2026-01-01"), moved)) == "2026-01-01 09:00 @ 2026-01-01 06:00"
    late = latest_missed(schedule, utc("2026-01-01"), utc("2026-01-02 07:00"), moved)
    assert told(late) == "2026-01-02 09:00 @ 2026-01-02 06:00"
    assert list(occurrences(schedule, utc("2026-01-01"), utc("2026-01-02 07:00"), 2, moved))[-1] == late


def test_utc_needs_no_time_zone_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_known_zones", frozenset[str])

    assert next_fire(Schedule(ScheduleType.DAILY, wall("2026-01-01")), utc("2026-01-01")) is not None
    with pytest.raises(BadSchedule):
        Schedule(ScheduleType.DAILY, wall("2026-01-01"), "Europe/Berlin")


class CountingZone(tzinfo):
    """New York, counting how often it is asked."""

    def __init__(self) -> None:
        self.zone = ZoneInfo("America/New_York")
        self.asked = 0

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        self.asked += 1
        return self.zone.utcoffset(dt)

    def dst(self, dt: datetime | None) -> timedelta | None:
        return self.zone.dst(dt)

    def tzname(self, dt: datetime | None) -> str | None:
        return self.zone.tzname(dt)

    def fromutc(self, dt: datetime) -> datetime:
        self.asked += 1
        return self.zone.fromutc(dt.replace(tzinfo=self.zone)).replace(tzinfo=self)


@pytest.mark.parametrize("kind", ScheduleType)
@pytest.mark.parametrize("after", ["0001-01-02", "2026-01-01", "2026-03-07 20:00", "2026-11-01 05:00", "9998-12-31"])
def test_the_work_is_small_however_far_the_start_is(kind: ScheduleType, after: str) -> None:
    zone = CountingZone()
    schedule = Schedule(kind, wall("0001-01-01 02:30"), "America/New_York")

    next_fire(schedule, utc(after), zone)
    assert zone.asked <= 24

    zone.asked = 0
    latest_missed(schedule, utc("0001-01-01"), utc(after), zone)
    assert zone.asked <= 72


def test_a_chain_of_a_hundred_days_neither_repeats_nor_skips_a_name() -> None:
    schedule = Schedule(ScheduleType.DAILY, wall("2026-10-01 01:30"), "America/New_York")

    chain = list(occurrences(schedule, utc("2026-10-01"), END, 100))

    assert [one.nominal for one in chain] == [schedule.start + n * DAY for n in range(100)]
